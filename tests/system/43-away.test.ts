// SPDX-License-Identifier: Apache-2.0
// Somebody is away while the group goes on for more commits than the relay keeps: the client comes back as a newcomer
// with the same device, in place of its old self, with its recordings and transfers (R8, R66).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { Hostile } from '../lib/hostile';
import { playAll } from '../lib/playable';
import { type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const KEPT = 32; // commits that the relay keeps
const BRUNO = 'bruno@example.org';
const CHLOE = 'chloe@example.org';
let site: Site;
let hostile: Hostile;
let people: [Person, Person, Person];

before(async () => {
  site = await Site.create('away');
  hostile = await Hostile.before(site);
  people = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user(BRUNO, 'Bruno', 'Bel'),
    site.user(CHLOE, 'Chloé', 'Cordier'),
  ]);
});
after(async () => {
  hostile?.close();
  await site.stop();
});

const frames = (p: Proc, of: string): number =>
  lastStats(p, (s) => s['direction'] === 'in' && s['email'] === of && s['stream'] === 'camera')?.['frames'] ?? 0;
async function more(p: Proc, of: string, count: number): Promise<void> {
  const now = frames(p, of);
  await p.until(`${count} more frames of ${of}`, () => (frames(p, of) >= now + count ? true : undefined), 60000);
}
const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

test('away for more than the relay keeps: back as a newcomer, with everything', async (t) => {
  const [anna, bruno, chloe] = people;
  const meeting = await anna.meeting('Ward round', [BRUNO, CHLOE]);
  const dir = (name: string) => {
    const path = join(site.dir, name);
    mkdirSync(path);
    return path;
  };
  const camera = { camera: media.clip, loop: true };
  const a = anna.join(meeting, { ...camera, record: dir('record-anna'), acceptFiles: dir('files-anna') });
  await a.event('joined');
  const b = bruno.join(meeting);
  await b.event('joined');
  const record = dir('record-chloe');
  const c = chloe.join(meeting, { ...camera, record, acceptFiles: dir('files-chloe') });
  const first = await c.event('joined');
  await Promise.all([more(a, CHLOE, 30), more(c, 'anna@example.org', 30)]);

  // One file each way, in the middle when the line is cut.
  const file = (name: string) => {
    const path = join(site.dir, name);
    writeFileSync(path, randomBytes(24_000_000));
    return path;
  };
  const files = [file('from-anna.bin'), file('from-chloe.bin')] as const;
  hostile.chunkMs = 25;
  const midway = (p: Proc, name: string) => p.event('file-progress', (e) => e['name'] === name && e['bytes'] > 500_000, 60000);
  a.send({ command: 'send-file', path: files[0] });
  await midway(c, 'from-anna.bin');
  c.send({ command: 'send-file', path: files[1] });
  await midway(a, 'from-chloe.bin');
  hostile.closed = true;
  hostile.links[2]!.cut();
  await c.event('connection-lost');
  hostile.chunkMs = 0;
  assert.ok(!c.events.some((e) => e['event'] === 'file-done') && !a.events.some((e) => e['event'] === 'file-done' && !e['mine']));

  // The group goes on: a right given and taken, again and again.
  const epoch = (p: Proc) => p.events.filter((e) => e['event'] === 'epoch').at(-1)!['epoch'] as number;
  const before = epoch(a);
  for (let i = 0; i <= KEPT; i++) {
    const rights = i % 2 ? ['microphone', 'camera', 'share'] : ['microphone'];
    a.send({ command: 'set-rights', user: BRUNO, rights }); // they wait for each other there: chloé gives up after 30 s
  }
  await a.until('as many epochs', () => (epoch(a) > before + KEPT ? true : undefined));
  hostile.closed = false;

  const again = await c.event('joined', (e) => e['epoch'] > before + KEPT);
  assert.equal(again['run'], first['run']);
  const gone = await a.event('participant-left', (e) => e['email'] === CHLOE);
  assert.ok(['replaced', 'lost'].includes(gone['reason']), gone['reason']);
  await c.event('connection-back');
  await Promise.all([more(a, CHLOE, 60), more(c, 'anna@example.org', 60)]);

  // Both transfers end well, and neither began anew.
  const got = await Promise.all([
    c.event('file-done', (e) => e['name'] === 'from-anna.bin' && !e['mine'], 60000),
    a.event('file-done', (e) => e['name'] === 'from-chloe.bin' && !e['mine'], 60000),
  ]);
  for (const [p, name] of [[c, 'from-anna.bin'], [a, 'from-chloe.bin']] as const) {
    const bytes = p.events.filter((e) => e['event'] === 'file-progress' && e['name'] === name).map((e) => e['bytes'] as number);
    assert.deepEqual(bytes, [...bytes].sort((x, y) => x - y), 'what had arrived did not come again');
  }
  got.forEach((e, i) => assert.equal(sha(e['path']), sha(files[i]!)));
  for (const p of [a, c]) {
    assert.equal(p.events.filter((e) => e['event'] === 'file-offered' && !e['mine']).length, 1);
    assert.ok(!p.events.some((e) => e['event'] === 'file-failed' || e['event'] === 'file-cancelled'), p.report());
    assert.ok(!p.events.some((e) => e['event'] === 'error'), p.report());
  }
  for (const d of ['files-anna', 'files-chloe']) assert.equal(readdirSync(join(site.dir, d)).length, 1);

  const seen = frames(c, 'anna@example.org');
  for (const p of [c, b, a]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a, b, c].map((p) => p.exit())), [0, 0, 0]);
  // One recording through it all at chloé's; at anna's one for each of chloé's stays.
  const one = await playAll(record, 'anna@example.org');
  assert.equal(one.complaints, '');
  assert.ok(one.pictures >= seen - 35, `${one.pictures} of ${seen} pictures`);
  const stays = [CHLOE, `${CHLOE}_2`];
  const lists = readdirSync(join(site.dir, 'record-anna')).filter((n) => n.startsWith(CHLOE) && n.endsWith('.frames.jsonl'));
  assert.deepEqual(lists.sort(), stays.map((name) => `${name}.frames.jsonl`));
  for (const name of stays) {
    const got = await playAll(join(site.dir, 'record-anna'), name);
    assert.ok(got.complaints === '' && got.pictures > 0, `${name}: ${got.complaints}`);
  }
  t.diagnostic(`${KEPT + 1} epochs missed; ${gone['reason']}; ${one.pictures} pictures recorded, ${stays.length} parts at the other end`);
});
