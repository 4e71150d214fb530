// SPDX-License-Identifier: Apache-2.0
// What was said before somebody came, and after somebody was removed, stays closed to them, even for clients that keep
// every key they ever had (R55, R66, R83). A member of all epochs opens the same bytes.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media, programs } from '../lib/build';
import { splitCapture } from '../lib/capture';
import { type Line, type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

let site: Site;
let people: Record<'anna' | 'bruno' | 'chloe', Person>;

before(async () => {
  site = await Site.create('secrecy');
  const [anna, bruno, chloe] = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
    site.user('chloe@example.org', 'Chloé', 'Cordier'),
  ]);
  people = { anna, bruno, chloe };
});
after(() => site.stop());

const capture = (name: string) => join(site.dir, `capture-${name}`);
/** Enters with a client that keeps its keys, its ciphertext, and itself in the meeting when it is removed. */
const enter = (name: keyof typeof people, meeting: string) =>
  people[name].join(meeting, {
    program: programs.hooked(),
    camera: media.clip,
    audio: media.voice,
    loop: true,
    env: { CONCLAVE_HOOK_CAPTURE: capture(name), CONCLAVE_HOOK_STAY: '1' },
  });
const heard = (of: string, frames: number) => (p: Proc) => {
  const all = (stream: string) => lastStats(p, (s) => s['direction'] === 'in' && s['email'] === of && s['stream'] === stream);
  return (all('camera')?.['frames'] ?? 0) >= frames && (all('voice')?.['frames'] ?? 0) >= frames ? true : undefined;
};
async function frames(at: Proc, of: string, more: number): Promise<void> {
  const now = lastStats(at, (s) => s['direction'] === 'in' && s['email'] === of && s['stream'] === 'camera')?.['frames'] ?? 0;
  await at.until(`frames of ${of}`, () => heard(of, (now as number) + more)(at));
}
async function feed(p: Proc, path: string): Promise<Line> {
  p.send({ command: 'feed', path });
  return p.event('fed', (e) => e['path'] === path);
}

test('neither newcomer nor removed participant opens a frame of epochs that are not theirs', async (t) => {
  const meeting = await people.anna.meeting('Ward round', ['bruno@example.org', 'chloe@example.org']);
  const a = enter('anna', meeting);
  await a.event('joined');
  const b = enter('bruno', meeting);
  await b.event('joined');
  await Promise.all([frames(a, 'bruno@example.org', 30), frames(b, 'anna@example.org', 30)]);

  const c = enter('chloe', meeting);
  const cameIn = (await c.event('joined'))['epoch'] as number;
  await Promise.all([frames(a, 'chloe@example.org', 30), frames(b, 'chloe@example.org', 30), frames(c, 'bruno@example.org', 30)]);

  const mark = a.events.length;
  a.send({ command: 'remove', user: 'bruno@example.org' });
  const gone = (await a.event('participant-left', (e) => e['email'] === 'bruno@example.org'))['reason'];
  assert.equal(gone, 'removed');
  const removedIn = a.events.slice(mark).find((e) => e['event'] === 'epoch')!['epoch'] as number;
  await c.event('epoch', (e) => e['epoch'] === removedIn);
  await b.event('error', (e) => String(e['message']).includes('staying'));
  await Promise.all([frames(a, 'chloe@example.org', 60), frames(c, 'anna@example.org', 60)]);

  // What anna sent and received, epoch by epoch: she is the control member, and what a relay could have recorded.
  const epochs = splitCapture(capture('anna'), join(site.dir, 'epoch'));
  const keys = [...epochs.keys()].sort((x, y) => x - y);
  assert.ok(keys.some((e) => e < cameIn) && keys.includes(removedIn), `epochs ${keys}`);
  let before = 0;
  let behind = 0;
  for (const epoch of keys) {
    const path = epochs.get(epoch)!;
    const [anna, bruno, chloe] = await Promise.all([a, b, c].map((p) => feed(p, path))) as [Line, Line, Line];
    t.diagnostic(`epoch ${epoch}: ${anna['units']} units; open to anna ${anna['decrypted']}, bruno ${bruno['decrypted']}, chloé ${chloe['decrypted']}`);
    const units = anna['units'] as number;
    assert.ok(units > 0);
    assert.equal(anna['decrypted'], units, `control member, epoch ${epoch}`);
    assert.deepEqual([bruno['units'], chloe['units']], [units, units]);
    assert.equal(chloe['decrypted'], epoch < cameIn ? 0 : units, `newcomer, epoch ${epoch}`);
    if (epoch < removedIn && epoch > 0) assert.equal(bruno['decrypted'], units, `bruno while a member, epoch ${epoch}`);
    if (epoch >= removedIn) assert.equal(bruno['decrypted'], 0, `removed, epoch ${epoch}`);
    if (epoch === 0) assert.equal(bruno['decrypted'], 0, 'before bruno came');
    if (epoch < cameIn) before += units;
    if (epoch >= removedIn) behind += units;
  }
  assert.ok(before > 60 && behind > 60, `${before} units before the join, ${behind} after the removal`);

  // And the relay sent bruno nothing more: his own client holds no unit of a later epoch.
  const own = splitCapture(capture('bruno'), join(site.dir, 'bruno'));
  assert.ok(Math.max(...own.keys()) < removedIn, `bruno's client got epochs ${[...own.keys()]}`);

  for (const p of [a, c]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), c.exit()]), [0, 0]);
});
