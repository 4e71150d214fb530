// SPDX-License-Identifier: Apache-2.0
// A relay's beginning, with the mistakes that an operator makes: each is told in one line, and costs no token.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePorts, programs } from '../lib/build';
import { Proc, run } from '../lib/process';
import { Site } from '../lib/site';

let site: Site;
let url: string;
let listen: string;

before(async () => {
  site = await Site.servers('enrol');
  const [port] = await freePorts(1);
  url = `https://localhost:${port}`;
  listen = `127.0.0.1:${port}`;
});
after(() => site.stop());

/** Token and the other arguments of the command that relay-token prints. */
async function printed(): Promise<{ token: string; args: string[] }> {
  const { stdout } = await run(programs.manager(), ['relay-token', '--url', url, '--data', site.data]);
  const words = stdout.trim().split(/\s+/);
  return { token: words[1]!, args: words.slice(words.indexOf('enrol')) };
}

async function relay(args: string[], input = ''): Promise<Proc> {
  const proc = new Proc(programs.relay(), args, { input });
  await proc.exit();
  return proc;
}

async function fails(args: string[], words: RegExp, input = '', code = 1): Promise<void> {
  const proc = await relay(args, input);
  assert.equal(proc.code, code, proc.report());
  assert.match(proc.stderr.split('\n')[0]!, words);
}

test('each command has help; run before enrol says what to do', async () => {
  for (const command of ['enrol', 'run', 'check-config']) {
    const proc = await relay([command, '--help']);
    assert.equal(proc.code, 0, proc.report());
    assert.match(proc.stdout, /^usage: conclave-relay/);
  }
  for (const command of ['run', 'check-config'])
    await fails([command, '--config', join(site.dir, 'nothing.conf')], /nothing\.conf: No such file.*conclave-relay enrol/);
});

test('an enrolment that cannot be kept uses no token; folders are made; a token counts once', async () => {
  const { token, args } = await printed();
  const data = join(site.dir, 'third');
  const config = join(site.dir, 'etc', 'relay.conf');
  const place = (file: string) => [...args, '--listen', listen, '--data', data, '--config', file];
  writeFileSync(join(site.dir, 'file'), '');
  await fails(place(join(site.dir, 'file', 'relay.conf')), /relay\.conf cannot be written: Not a directory/, `${token}\n`);
  await fails([...args, '--listen', 'localhost:1', '--data', data, '--config', config], /--listen is port/, `${token}\n`, 2);
  await fails(place(config), /token is unknown, used or expired/, `${'A'.repeat(43)}\n`);
  assert.ok(!existsSync(config), 'a refused enrolment left its configuration');

  const enrolled = await relay(place(config), `${token}\n`);
  assert.equal(enrolled.code, 0, enrolled.report());
  assert.match(readFileSync(config, 'utf8'), new RegExp(`url = ${url}`));
  assert.equal((await relay(['check-config', '--config', config])).code, 0);

  await fails(place(config), /enrolled in .*third already; to enrol it anew, remove /, `${token}\n`);
  const other = join(site.dir, 'fourth');
  mkdirSync(other);
  await fails([...args, '--listen', listen, '--data', other, '--config', join(other, 'c')], /token is unknown, used or expired/, `${token}\n`);

  writeFileSync(join(site.dir, 'named.conf'), readFileSync(config, 'utf8').replace(/listen = .*/, 'listen = localhost:1'));
  await fails(['check-config', '--config', join(site.dir, 'named.conf')], /\[relay\] listen must be .* in digits/);
});
