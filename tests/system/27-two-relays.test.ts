// SPDX-License-Identifier: Apache-2.0
// Two relays: clients probe both and take the one that answers first; a meeting lives on one of them, wherever those
// who come later would go; a dead one is passed over; one that shows another key is not used, and that is said (R11, R13).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { programs } from '../lib/build';
import { run, type Proc } from '../lib/process';
import { Impostor, Wire } from '../lib/proxy';
import { Site, type Person, type Relay } from '../lib/site';

const FAR_MS = 700; // each way: no answer of the near one takes as long
const NOT_PINNED = /shows a key that the organisation's manifest does not pin/;
let site: Site;
let second: Relay;
let near: Wire;
let far: Wire;
const people: Person[] = [];

before(async () => {
  site = await Site.create('relays');
  second = await site.secondRelay();
  [far, near] = [await Wire.slow(site, FAR_MS), await Wire.slow(site, 0, second)];
  people.push(
    ...(await Promise.all([
      site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
      site.user('bruno@example.org', 'Bruno', 'Bel'),
      site.user('chloe@example.org', 'Chloé', 'Cordier'),
    ])),
  );
});
after(async () => {
  for (const wire of [near, far]) wire?.close();
  await site.stop();
});

const invite = () => people[0]!.meeting('Ward round', ['bruno@example.org', 'chloe@example.org']);
const sees = (p: Proc, name: string) => p.event('participant-joined', (e) => e['email'] === `${name}@example.org`);

/** All of them are in one group, on this relay. */
async function together(relay: string, procs: Proc[]): Promise<void> {
  const joined = await Promise.all(procs.map((p) => p.event('joined', undefined, 60000)));
  for (const [i, e] of joined.entries()) assert.equal(e['relay'], relay, `client ${i}`);
  assert.equal(new Set(joined.map((e) => e['run'])).size, 1);
  const names = ['anna', 'bruno', 'chloe'];
  for (const [i, p] of procs.entries()) for (let k = 0; k < procs.length; k++) if (k !== i) await sees(p, names[k]!);
}

async function leave(procs: Proc[]): Promise<void> {
  for (const p of procs) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all(procs.map((p) => p.exit())), procs.map(() => 0));
}

test('the nearer relay is taken, and the meeting stays there for everybody', async () => {
  const meeting = await invite();
  const procs = [0, 1].map((i) => people[i]!.join(meeting)); // at once: one begins, the other must not begin elsewhere
  await together(second.url, procs);
  [far.delayMs, near.delayMs] = [0, FAR_MS / 4]; // who comes now would choose the other one
  procs.push(people[2]!.join(meeting));
  await together(second.url, procs);
  for (const p of procs) assert.doesNotMatch(p.stderr, NOT_PINNED);
  await leave(procs);
});

test('a certificate renewed for the same key is taken into use, one that clients would refuse is not', async () => {
  const folder = dirname(second.config);
  const renew = (key: string[]) =>
    execFileSync('openssl', ['req', '-x509', ...key, '-out', join(folder, 'tls.pem'), '-days', '2', '-subj', '/CN=renewed'], { stdio: 'ignore' });
  renew(['-key', join(folder, 'tls.key')]);
  second.relay.child.kill('SIGHUP');
  await second.relay.said(/certificate reloaded/);
  renew(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(folder, 'tls.key')]);
  await run(programs.relay(), ['check-config', '--config', second.config], { code: 1 });
  second.relay.child.kill('SIGHUP');
  await second.relay.said(/not reloaded: clients do not know its key/);
  const meeting = await invite();
  const procs = [0, 1].map((i) => people[i]!.join(meeting));
  for (const p of procs) await p.event('joined', undefined, 60000);
  for (const p of procs) assert.doesNotMatch(p.stderr, NOT_PINNED);
  await leave(procs);
});

test('a dead relay is passed over', async () => {
  near.close();
  await second.relay.stop();
  const meeting = await invite();
  const procs = [0, 1].map((i) => people[i]!.join(meeting));
  await together(site.relayUrl, procs);
  await leave(procs);
});

test('a relay with another key is not used, and that is said; with no other left it is a security failure', async () => {
  const impostor = await Impostor.at(second.url, site.dir);
  try {
    const meeting = await invite();
    const a = people[0]!.join(meeting);
    const said = await a.event('error');
    assert.match(said['message'] as string, NOT_PINNED);
    assert.ok((said['message'] as string).includes(new URL(second.url).host), 'it names the relay');
    await together(site.relayUrl, [a]);
    await leave([a]);

    far.close();
    await site.relay.stop();
    const alone = people[1]!.join(await invite());
    assert.equal(await alone.exit(), 5);
    assert.match(alone.stderr.trim().split('\n').pop()!, NOT_PINNED);
    assert.equal(impostor.requests, 0);
  } finally {
    impostor.close();
  }
});
