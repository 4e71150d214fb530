// SPDX-License-Identifier: Apache-2.0
// Short breaks: the connection is reset, the relay stands still for a moment, a client dies. The meeting goes on with
// its group; whoever is gone for longer than 20 s leaves it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { WAIT_MS, type Proc } from '../lib/process';
import { Wire } from '../lib/proxy';
import { Site, lastStats, type Person } from '../lib/site';

const GRACE_MS = 20000;
let site: Site;
let wire: Wire;
let people: Person[];

before(async () => {
  site = await Site.create('breaks');
  wire = await Wire.before(site);
  people = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
    site.user('chloe@example.org', 'Chloé', 'Cordier'),
  ]);
});
after(async () => {
  wire?.close();
  await site.stop();
});

const frames = (p: Proc, of: string): number =>
  lastStats(p, (s) => s['direction'] === 'in' && s['email'] === of && s['stream'] === 'camera')?.['frames'] ?? 0;
async function more(p: Proc, of: string, count: number): Promise<void> {
  const now = frames(p, of);
  await p.until(`${count} more frames of ${of}`, () => (frames(p, of) >= now + count ? true : undefined));
}
const count = (p: Proc, event: string) => p.events.filter((e) => e['event'] === event).length;
const lastEpoch = (p: Proc) => p.events.filter((e) => e['event'] === 'epoch').at(-1)!['epoch'] as number;

/** The run of a dead client is over after 30 s of silence; who wants in meanwhile waits, and begins the next one. */
async function dieAlone(anna: Person): Promise<() => Promise<void>> {
  const meeting = await anna.meeting('Alone', ['bruno@example.org']);
  const dead = anna.join(meeting);
  const run = (await dead.event('joined'))['run'];
  await dead.event('stats');
  await dead.stop('SIGKILL');
  const again = anna.join(meeting, { duration: 1 });
  return async () => {
    assert.notEqual((await again.event('joined', () => true, 80000))['run'], run);
    assert.equal(await again.exit(), 0, again.report());
  };
}

test('a dead client leaves after the grace, a reset and a halt of the relay leave the group as it is', async (t) => {
  const [anna, bruno, chloe] = people as [Person, Person, Person];
  const meeting = await anna.meeting('Ward round', ['bruno@example.org', 'chloe@example.org']);
  const a = anna.join(meeting, { camera: media.clip, loop: true });
  await a.event('joined');
  const b = bruno.join(meeting, { camera: media.clip, loop: true });
  await b.event('joined');
  const c = chloe.join(meeting);
  await c.event('joined');
  await Promise.all([more(a, 'bruno@example.org', 20), more(b, 'anna@example.org', 20)]);
  const epoch = lastEpoch(c);
  await Promise.all([a, b].map((p) => p.event('epoch', (e) => e['epoch'] === epoch)));

  const killed = Date.now();
  await c.stop('SIGKILL');
  await a.event('presence', (e) => e['email'] === 'chloe@example.org' && e['connected'] === false);

  // Every connection is reset: the clients come back, resumed in the same group.
  assert.equal(wire.reset(), 2);
  await Promise.all([a, b].map((p) => p.event('connection-back')));

  // Meanwhile, elsewhere: the only one in a meeting dies, and comes again.
  const again = await dieAlone(anna);

  await Promise.all([more(a, 'bruno@example.org', 30), more(b, 'anna@example.org', 30)]);

  // The relay stands still for three seconds.
  site.relay.child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 3000));
  site.relay.child.kill('SIGCONT');
  await Promise.all([more(a, 'bruno@example.org', 30), more(b, 'anna@example.org', 30)]);
  for (const p of [a, b]) {
    assert.equal(count(p, 'joined'), 1, 'nobody entered anew');
  }

  const gone = await Promise.all(
    [a, b].map((p) => p.event('participant-left', (e) => e['email'] === 'chloe@example.org', GRACE_MS + WAIT_MS)),
  );
  const took = Date.now() - killed;
  assert.deepEqual(gone.map((e) => e['reason']), ['lost', 'lost']);
  assert.ok(took > GRACE_MS - 1000, `after ${took} ms`);
  // What resuming costs is at most an epoch for forward secrecy, never a new group: nobody but chloé has left.
  for (const p of [a, b]) assert.equal(count(p, 'participant-left'), 1);
  const next = await Promise.all([a, b].map((p) => p.event('epoch', (e) => (e['epoch'] as number) > epoch && e['participants'] === 2)));
  assert.equal(next[0]!['epoch'], next[1]!['epoch']);
  await Promise.all([more(a, 'bruno@example.org', 30), more(b, 'anna@example.org', 30)]);
  t.diagnostic(`chloé was taken for lost after ${(took / 1000).toFixed(1)} s; epoch ${epoch} became ${lastEpoch(a)}`);

  await again();
  for (const p of [a, b]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);
});
