// SPDX-License-Identifier: Apache-2.0
// An organisation that wants AES-256 for voice and pictures gets it, for everybody in a meeting (R21, R66).
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media, programs } from '../lib/build';
import { Proc, type Line } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const WAIT = 60000;
let site: Site;
let bruno: Person;

before(async () => {
  site = await Site.create('cipher');
  bruno = await site.user('bruno@example.org', 'Bruno', 'Bel');
});
after(() => site.stop());

const conf = () => join(site.data, 'manager.conf');
const choose = (cipher: string) => writeFileSync(conf(), readFileSync(conf(), 'utf8').replace(/^media_cipher = .*$/m, `media_cipher = ${cipher}`));
async function check(): Promise<Proc> {
  const proc = new Proc(programs.manager(), ['check-config', '--data', site.data]);
  await proc.exit();
  return proc;
}

/** A meeting of two; the base keys of their last common epoch, in hexadecimal digits. */
async function meet(title: string): Promise<string[]> {
  const meeting = await site.admin.meeting(title, ['bruno@example.org']);
  const file = (name: string) => join(site.dir, `${title}-${name}.keys`);
  const o = (name: string) => ({ program: programs.hooked(), camera: media.clip, audio: media.voice, loop: true, env: { CONCLAVE_HOOK_SECRETS: file(name) } });
  const a = site.admin.join(meeting, o('ada'));
  await a.event('joined', undefined, WAIT);
  const b = bruno.join(meeting, o('bruno'));
  const { epoch } = await b.event('joined', undefined, WAIT);
  const got = (p: Proc, stream: string) => (lastStats(p, (s) => s['direction'] === 'in' && s['stream'] === stream)?.['frames'] ?? 0) as number;
  for (const p of [a, b]) await p.until('voice and pictures', () => (got(p, 'camera') >= 10 && got(p, 'voice') >= 10 ? true : undefined), WAIT);
  for (const p of [a, b]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);
  return ['ada', 'bruno'].map((name) => {
    const lines = readFileSync(file(name), 'utf8').trim().split('\n').map((l) => JSON.parse(l) as Line);
    return lines.find((l) => l['epoch'] === epoch)!['base_key'] as string;
  });
}

test('AES-128 without a word, AES-256 when it is configured; anything else is a configuration error', async () => {
  const short = await meet('Plain');
  assert.equal(short[0], short[1]);
  assert.equal(short[0]!.length, 2 * 16);

  choose('rot13');
  const wrong = await check();
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /media_cipher is aes-128 or aes-256/);
  choose('aes-256');
  const right = await check();
  assert.equal(right.code, 0, right.report());
  await site.manager.stop();
  await site.startManager();
  const long = await meet('Strong');
  assert.equal(long[0], long[1]);
  assert.equal(long[0]!.length, 2 * 32);
});
