// SPDX-License-Identifier: Apache-2.0
// A hostile relay damages, cuts, repeats and relabels media between two real clients: exactly those units are dropped
// and counted, it is said once, everything else decodes, and the picture recovers (R76, R80).
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { Hostile, MEDIA, fragment } from '../lib/hostile';
import { playAll } from '../lib/playable';
import { WAIT_MS, type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const VOICE = 1;
const CAMERA = 2;
let site: Site;
let hostile: Hostile;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('damage');
  hostile = await Hostile.before(site);
  [anna, bruno] = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
  ]);
});
after(async () => {
  hostile?.close();
  await site.stop();
});

type Kind = 'bit of the tag' | 'bit of the header' | 'bit of the middle' | 'cut' | 'stream' | 'leaf' | 'repeated';

const SPACING = 15; // whole units between two that are damaged
const PATIENCE = 10; // units that may begin before one that was chosen is complete
const SMALL = 64; // the last fragment is longer than that

/** Damages one unit after another of each stream, in every way, with whole ones between. */
class Damage {
  readonly done: string[] = [];
  private readonly todo: { kind: Kind; stream: number }[];
  private unit: number | undefined;
  private copy: Buffer[] = [];
  private begun = 0;

  constructor(kinds: Kind[]) {
    this.todo = [VOICE, CAMERA].flatMap((stream) => kinds.map((kind) => ({ kind, stream })));
  }

  get left(): number {
    return this.todo.length;
  }

  change(m: Buffer): Buffer[] {
    if (this.todo.length === 0 || m[0] !== MEDIA || fragment.stream(m) !== this.todo[0]!.stream) return [m];
    const { kind, stream } = this.todo[0]!;
    if (fragment.first(m)) this.begun++;
    // The rest of it never came: it is dropped by whoever waits for it, and another one is taken.
    if (this.unit !== undefined && this.begun > PATIENCE) this.unit = undefined;
    if (this.unit === undefined) {
      // Relabelling is for what fits into one fragment: all of it then says the same.
      const fits = !['stream', 'leaf'].includes(kind) || fragment.last(m);
      if (!fragment.first(m) || m.length < SMALL || !fits || this.begun < SPACING) return [m];
      this.unit = fragment.unit(m);
      this.copy = [];
      this.begun = 0;
    }
    if (fragment.unit(m) !== this.unit) return [m];
    if (fragment.last(m) && m.length < SMALL && ['bit of the tag', 'bit of the middle', 'cut'].includes(kind)) {
      this.unit = undefined; // too short to be damaged in the middle: another one
      return [m];
    }
    const last = fragment.last(m);
    const changed = Buffer.from(m);
    if (kind === 'bit of the tag' && last) changed[m.length - 1]! ^= 1;
    if (kind === 'bit of the middle' && last) changed[m.length - 20]! ^= 0x10;
    if (kind === 'bit of the header' && this.copy.length === 0) changed[14]! ^= 0x40; // of the frame number
    if (kind === 'stream') changed[3] = changed[11] = stream === VOICE ? CAMERA : VOICE;
    if (kind === 'leaf') changed.writeUInt16BE(1, 1); // the receiver's own
    this.copy.push(changed);
    if (last) {
      this.done.push(`${kind} of stream ${stream}`);
      this.todo.shift();
      this.begun = 0;
    }
    if (kind === 'cut' && last) return [m.subarray(0, m.length - 7)];
    if (kind !== 'repeated') return [changed];
    if (!last) return [m];
    // The whole unit again, as one that has not been seen: only SFrame's counter tells.
    const again = this.copy.map((c) => {
      c.writeUInt32BE((fragment.unit(m) + 0x40000000) >>> 0, 4);
      return c;
    });
    return [m, ...again];
  }
}

const tunnel = (p: Proc) => [...p.events].reverse().find((e) => e['event'] === 'stats')?.['tunnel'] ?? {};
const stats = (p: Proc, stream: string) => lastStats(p, (s) => s['direction'] === 'in' && s['stream'] === stream);
const frames = (p: Proc, stream: string) => (stats(p, stream)?.['frames'] ?? 0) as number;
async function more(p: Proc, stream: string, count: number): Promise<void> {
  const now = frames(p, stream);
  await p.until(`${count} more of ${stream}`, () => (frames(p, stream) >= now + count ? true : undefined), 2 * WAIT_MS).catch((err: Error) => {
    throw new Error(`had ${now} of ${stream}: ${JSON.stringify(stats(p, stream))} ${JSON.stringify(tunnel(p))}: ${err.message}`);
  });
}

test('damaged, cut, repeated and relabelled units are dropped, and nothing else is', async (t) => {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org']);
  const dir = join(site.dir, 'record');
  mkdirSync(dir);
  const o = { camera: media.clip, audio: media.voice, loop: true };
  const a = anna.join(meeting, o);
  await a.event('joined');
  const b = bruno.join(meeting, { ...o, record: dir });
  await b.event('joined');
  await Promise.all([more(b, 'camera', 30), more(b, 'voice', 30)]);
  assert.equal(tunnel(b)['damaged'], 0);
  assert.equal(b.events.filter((e) => e['event'] === 'media-damaged').length, 0);

  const damage = new Damage(['bit of the tag', 'bit of the header', 'bit of the middle', 'cut', 'stream', 'leaf', 'repeated']);
  hostile.change = (m, link) => (link.number === 1 ? damage.change(m) : [m]);
  await b.until('all the damage', () => (damage.left === 0 ? true : undefined), 5 * WAIT_MS).catch((err: Error) => {
    throw new Error(`${damage.done.join(', ')}: ${err.message}`);
  });
  hostile.change = undefined;
  const count = damage.done.length;
  await Promise.all([more(b, 'camera', 60), more(b, 'voice', 60)]);
  const end = tunnel(b);
  assert.equal(end['damaged'], count, 'exactly those');
  const said = b.events.filter((e) => e['event'] === 'media-damaged');
  assert.deepEqual(said.map((e) => e['email']), ['anna@example.org'], 'said once, of the right one');
  assert.match(said[0]!['message'], /^some media of Anna Arendt arrive damaged.*dropped$/);
  assert.ok(!said[0]!['message'].includes('\n'));
  assert.equal(a.events.filter((e) => e['event'] === 'media-damaged').length, 0, 'the other direction is whole');
  assert.equal(tunnel(a)['damaged'], 0);
  assert.equal(b.stderr, '');
  // Full pictures again: what the last frames were.
  const before = stats(b, 'camera')!;
  await more(b, 'camera', 60);
  const now = stats(b, 'camera')!;
  assert.ok(now['full'] - before['full'] >= 0.5 * (now['frames'] - before['frames']), JSON.stringify(now));

  for (const p of [b, a]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);
  const got = await playAll(dir, 'anna@example.org');
  assert.equal(got.complaints, '');
  assert.ok(got.pictures >= frames(b, 'camera') - 35, `${got.pictures} of ${frames(b, 'camera')} pictures`);
  t.diagnostic(`${count} units damaged, ${end['damaged']} dropped for it, ${end['unopened']} unopened in all; ${got.pictures} pictures recorded`);
});
