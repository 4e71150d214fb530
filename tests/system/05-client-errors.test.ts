// SPDX-License-Identifier: Apache-2.0
// What goes wrong before a meeting: passwords, links, clocks, invitations, pins. One clear line and the right exit code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { programs, source } from '../lib/build';
import { validationLink } from '../lib/outbox';
import { Proc } from '../lib/process';
import { Impostor } from '../lib/proxy';
import { ADMIN, PASSWORD, Person, Site } from '../lib/site';

const USAGE = 2;
const REFUSED = 3;
const UNREACHABLE = 4;
const SECURITY = 5;
let site: Site;
let bob: Person;
let meeting: string;

before(async () => {
  site = await Site.create('client');
  bob = await site.user('bob@example.org', 'Bob', 'Berg');
  meeting = await site.admin.meeting('Round', ['bob@example.org']);
});
after(() => site.stop());

/** Runs conclave-cli with text output, as a person does, and checks that it says why in one line. */
async function fails(person: Person, args: string[], code: number, words: RegExp, input?: string, wrap: string[] = []): Promise<void> {
  const [command, ...rest] = [...wrap, programs.cli(), '--profile', person.profile, ...args];
  const proc = new Proc(command!, rest, input === undefined ? {} : { input });
  assert.equal(await proc.exit(60000), code, proc.report());
  const lines = proc.stderr.trim().split('\n');
  assert.equal(lines.length, 1, proc.stderr);
  assert.match(lines[0]!, words);
}
const loginArgs = (email: string) => ['login', '--manager', site.url, '--org', site.organisation, email, '--password-stdin'];

test('a wrong password and an unknown account are refused with the same words', async () => {
  const said: string[] = [];
  for (const email of ['bob@example.org', 'nobody@example.org']) {
    const proc = new Proc(programs.cli(), ['--profile', site.person(email, '-wrong').profile, ...loginArgs(email)], {
      input: 'not the right password at all\n',
    });
    assert.equal(await proc.exit(), REFUSED, proc.report());
    said.push(proc.stderr.replaceAll(email, 'EMAIL'));
  }
  assert.equal(said[0], said[1]);
});

test('weak passwords are refused before anything is registered, and the link stays valid', async () => {
  await site.admin.cli(['user', 'invite', 'marie.durand@example.org']);
  const link = await validationLink(site.outbox, 'marie.durand@example.org');
  const marie = site.person('marie.durand@example.org');
  const { passwords } = JSON.parse(readFileSync(join(source, 'tests/data/passwords.json'), 'utf8')) as {
    passwords: { password: string; ok: boolean }[];
  };
  const weak = passwords.filter((p) => !p.ok && p.password !== '').slice(0, 8);
  for (const { password } of weak)
    await fails(marie, ['validate', link, '--first-name', 'Marie', '--last-name', 'Durand', '--password-stdin'], USAGE, /password/i, `${password}\n`);
  await marie.validate(link, 'Marie', 'Durand', passwords.find((p) => p.ok)!.password);
});

test('a used, an altered and a foreign link are told apart', async () => {
  const link = site.adminLink;
  const eve = site.person('eve@example.org');
  const args = (l: string) => ['validate', l, '--first-name', 'E', '--last-name', 'V', '--password-stdin'];
  await fails(eve, args(link), REFUSED, /used/i, `${PASSWORD}\n`);
  const altered = link.replace(/t=(.)/, (_, c: string) => `t=${c === 'A' ? 'B' : 'A'}`);
  await fails(site.person('eve@example.org', '-2'), args(altered), REFUSED, /not known|copied/i, `${PASSWORD}\n`);
  const foreign = link.replace(/org=[0-9a-f]{64}/, `org=${'ab'.repeat(32)}`);
  await fails(site.person('eve@example.org', '-3'), args(foreign), SECURITY, /fingerprint|organisation/i, `${PASSWORD}\n`);
  await fails(eve, args('https://nonsense'), USAGE, /link/i, `${PASSWORD}\n`);
});

test('who is not invited is refused', async () => {
  const closed = await site.admin.meeting('Closed', [ADMIN]);
  await fails(bob, ['join', closed], REFUSED, /invited|no such/i);
  await fails(bob, ['join', '00'.repeat(16)], REFUSED, /no such|not invited/i);
  await fails(bob, ['meeting', 'create', '--title', 'Mine', '--invite', ADMIN], REFUSED, /role/i);
  await site.admin.cli(['meeting', 'cancel', closed]);
  await fails(site.admin, ['join', closed], REFUSED, /cancelled/i);
});

test('with --json the last event of a refused join names the problem', async () => {
  const closed = await site.admin.meeting('Closed too', [ADMIN]);
  const refused = bob.join(closed);
  assert.equal(await refused.exit(), REFUSED, refused.report());
  const { problem, code, exit } = refused.events.at(-1)!;
  assert.deepEqual({ problem, code, exit }, { problem: 'not-invited', code: 'not permitted', exit: REFUSED });
});

test('mistakes in the command line are usage errors', async () => {
  for (const args of [['join'], ['join', 'xyz'], ['dance'], ['join', meeting, '--duration', '-1'], ['join', meeting, '--nonsense']]) {
    const proc = new Proc(programs.cli(), ['--profile', bob.profile, ...args]);
    assert.equal(await proc.exit(), USAGE, proc.report());
    assert.notEqual(proc.stderr.trim(), '');
  }
  const out = new Proc(programs.cli(), ['--profile', site.person('out@example.org').profile, 'whoami']);
  assert.notEqual(await out.exit(), 0);
});

test('a file that is no medium is said so before anybody is disturbed', async () => {
  await fails(bob, ['join', meeting, '--camera', join(source, 'README.md'), '--duration', '2'], USAGE, /README\.md/);
  await fails(bob, ['join', meeting, '--audio', '/nonexistent.flac', '--duration', '2'], USAGE, /nonexistent\.flac/);
});

test('a clock four minutes off works, one ten minutes off is said so', async () => {
  for (const offset of ['-4m', '+4m']) {
    const off = site.person('bob@example.org', offset);
    const proc = new Proc('faketime', ['-f', offset, programs.cli(), '--profile', off.profile, ...loginArgs('bob@example.org')], {
      input: `${PASSWORD}\n`,
    });
    assert.equal(await proc.exit(), 0, `${offset}: ${proc.report()}`);
    const join = new Proc('faketime', ['-f', offset, programs.cli(), '--profile', off.profile, '--json', 'join', meeting, '--duration', '1'], { end: false });
    site.processes.push(join);
    assert.equal(await join.exit(60000), 0, `${offset}: ${join.report()}`);
  }
  for (const offset of ['-10m', '+10m'])
    await fails(site.person('bob@example.org', offset), loginArgs('bob@example.org'), USAGE, /clock/i, `${PASSWORD}\n`, ['faketime', '-f', offset]);
});

test('what was typed and cannot be meant is a usage error that says so', async () => {
  const create = (title: string, ...more: string[]) => ['meeting', 'create', '--title', title, '--invite', ADMIN, ...more];
  await fails(site.admin, create(''), USAGE, /title must have 1 to 256 bytes/);
  for (const start of ['2027-02-31T10:00Z', '2027-02-01T10:00+-1:00', '2027-02-01'])
    await fails(site.admin, create('Never', '--start', start), USAGE, /--start takes a time/);
  await fails(site.admin, ['user', 'invite', 'nobody'], USAGE, /an address like name@example\.org/);
  // An address that JSON cannot carry is not left out without a word.
  const script = `exec '${programs.cli()}' --profile '${site.admin.profile}' meeting create --title T --invite ${ADMIN} "$(printf 'b\\377b@example.org')"`;
  const proc = new Proc('sh', ['-c', script]);
  assert.equal(await proc.exit(), USAGE, proc.report());
  assert.match(proc.stderr, /'b\?b@example\.org' is not UTF-8 text/);
});

test('a known manager: its address in any spelling, its organisation as it was', async () => {
  const login = (url: string, org: string) => ['login', '--manager', url, '--org', org, 'bob@example.org', '--password-stdin'];
  const proc = new Proc(programs.cli(), ['--profile', bob.profile, ...login(`${site.url.replace('https://localhost', 'HTTPS://LocalHost')}/`, site.organisation)], {
    input: `${PASSWORD}\n`,
  });
  assert.equal(await proc.exit(), 0, proc.report());
  await fails(bob, login(site.url, 'ab'.repeat(32)), SECURITY, /another fingerprint/, `${PASSWORD}\n`);
  const foreign = `https://elsewhere.example/validate#t=${'A'.repeat(43)}&org=${'ab'.repeat(32)}`;
  await fails(bob, ['validate', foreign, '--first-name', 'B', '--last-name', 'B', '--password-stdin'], SECURITY, /another profile/, `${PASSWORD}\n`);
  const stranger = site.person('bob@example.org', '-elsewhere');
  await fails(stranger, login(site.relayUrl, site.organisation), USAGE, /is no manager: check the address/, `${PASSWORD}\n`);
  await fails(stranger, login(`${site.url}/x`, site.organisation), USAGE, /is not the address of a manager/, `${PASSWORD}\n`);
});

test('a cancelled meeting is shown as such', async () => {
  const gone = await site.admin.meeting('Gone', [ADMIN]);
  await site.admin.cli(['meeting', 'cancel', gone]);
  for (const args of [['list'], ['show', gone]]) {
    const proc = new Proc(programs.cli(), ['--profile', site.admin.profile, 'meeting', ...args]);
    assert.equal(await proc.exit(), 0, proc.report());
    assert.match(proc.stdout, /Gone {2}\(cancelled\)/);
  }
});

test('output that cannot be written is no success; who joined leaves when nobody reads the events any more', async () => {
  const shell = async (redirected: string, args: string) => {
    const proc = new Proc('sh', ['-c', `exec '${programs.cli()}' --profile '${bob.profile}' --json ${args} ${redirected}`]);
    return { code: await proc.exit(), stderr: proc.stderr };
  };
  const full = await shell('>/dev/full', 'meeting list');
  assert.equal(full.code, USAGE);
  assert.match(full.stderr, /output cannot be written/);
  // A closed stream is no place for the next connection or file.
  assert.deepEqual(await shell('<&- >&-', `join ${meeting} --duration 1`), { code: 0, stderr: '' });

  const joined = bob.join(meeting);
  await joined.event('joined');
  joined.child.stdout!.destroy();
  assert.equal(await joined.exit(), USAGE, joined.report());
  assert.match(joined.stderr, /nobody reads the events/);
});

test('ending the meeting without the right to is refused, and nobody is thrown out for it', async () => {
  const other = await site.admin.meeting('Not yours', ['bob@example.org']);
  const b = bob.join(other);
  await b.event('joined');
  b.send({ command: 'end' });
  await b.event('error', (e) => e['command'] === 'end' && /no right/.test(e['message'] as string));
  b.send({ command: 'leave' });
  assert.equal(await b.exit(), 0, b.report());
});

test('a relay with an unpinned certificate gets not a single request', async () => {
  await site.relay.stop();
  const impostor = await Impostor.at(site.relayUrl, site.dir);
  try {
    await fails(bob, ['join', meeting, '--duration', '1'], SECURITY, /pin|certificate|key/i);
    assert.equal(impostor.requests, 0);
  } finally {
    impostor.close();
  }
  await site.startRelay();
});

test('a manager with an unpinned certificate gets not a single request', async () => {
  await site.manager.stop();
  const impostor = await Impostor.at(site.url, site.dir);
  try {
    await fails(bob, ['meeting', 'list'], SECURITY, /pin|certificate|key/i);
    await fails(bob, ['join', meeting, '--duration', '1'], SECURITY, /pin|certificate|key/i);
    assert.equal(impostor.requests, 0);
  } finally {
    impostor.close();
  }
});

test('a manager that is away is unreachable; signing out counts here all the same', async () => {
  await fails(bob, ['meeting', 'list'], UNREACHABLE, /reach|connect|refused/i);
  await fails(site.admin, ['logout'], UNREACHABLE, /signed out here, but the manager/);
  await fails(site.admin, ['whoami'], REFUSED, /nobody is signed in/);
  await site.startManager();
  await bob.cli(['meeting', 'list']);
  await site.admin.login();
  await site.admin.cli(['user', 'disable', 'bob@example.org']);
  await bob.cli(['logout']);
});
