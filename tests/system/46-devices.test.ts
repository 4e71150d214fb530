// SPDX-License-Identifier: Apache-2.0
// Camera and microphone that are devices: virtual ones, through the same GStreamer elements as a machine's own (R40).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { Devices, ownCamera, unavailable } from '../lib/devices';
import { play } from '../lib/playable';
import { Site, lastStats, type Person } from '../lib/site';

const ANNA = 'anna@example.org';
const WIDTH = 64;
const HEIGHT = 36;
const RATE = 8000; // samples per second that voices are compared at
let site: Site;
let devices: Devices | undefined;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('devices');
  [anna, bruno] = await Promise.all([
    site.user(ANNA, 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
  ]);
});
after(async () => {
  await devices?.stop();
  await site.stop();
});

const raw = (args: string[]) => execFileSync('ffmpeg', ['-v', 'error', ...args, '-'], { maxBuffer: 1 << 28 });

/** All pictures of a file, small and grey. */
function pictures(path: string, rate: number): Buffer[] {
  const all = raw(['-i', path, '-an', '-vf', `fps=${rate},scale=${WIDTH}:${HEIGHT}`, '-pix_fmt', 'gray', '-f', 'rawvideo']);
  return Array.from({ length: all.length / (WIDTH * HEIGHT) }, (_, i) => all.subarray(i * WIDTH * HEIGHT, (i + 1) * WIDTH * HEIGHT));
}

function psnr(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / Math.max(1, sum));
}

/** The picture of the clip that is most like it. */
function likest(picture: Buffer, clip: Buffer[]): { at: number; psnr: number } {
  const all = clip.map((c) => psnr(picture, c));
  const best = Math.max(...all);
  return { at: all.indexOf(best), psnr: best };
}

function samples(path: string): Float64Array {
  const bytes = raw(['-i', path, '-vn', '-ac', '1', '-ar', String(RATE), '-f', 's16le']);
  return Float64Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(2 * i));
}

/** The highest correlation of `part` with any stretch of `whole`. */
function correlation(part: Float64Array, whole: Float64Array): number {
  const energy = (x: Float64Array) => x.reduce((sum, v) => sum + v * v, 0);
  const own = energy(part);
  let theirs = energy(whole.subarray(0, part.length));
  let best = 0;
  for (let lag = 0; lag + part.length < whole.length; lag++) {
    let sum = 0;
    for (let i = 0; i < part.length; i++) sum += part[i]! * whole[lag + i]!;
    best = Math.max(best, Math.abs(sum) / Math.sqrt(own * theirs || 1));
    theirs += whole[lag + part.length]! ** 2 - whole[lag]! ** 2;
  }
  return best;
}

/** Of each quarter of a second, how well it is found in the clip that is spoken; the median of them. */
function spoken(file: string): number {
  const heard = samples(file);
  const clip = samples(media.voice);
  const whole = Float64Array.of(...clip, ...clip.subarray(0, RATE));
  const parts = Array.from({ length: 12 }, (_, i) => heard.subarray((i + 2) * (RATE / 2)).subarray(0, RATE / 4));
  return parts.map((part) => correlation(part, whole)).sort((x, y) => x - y)[6]!;
}

test('without a camera that is said at once', { skip: ownCamera() }, async () => {
  const meeting = await anna.meeting('No camera', ['bruno@example.org']);
  const proc = anna.join(meeting, { camera: 'device', env: { XDG_RUNTIME_DIR: site.dir } });
  assert.equal(await proc.exit(), 2);
  assert.match(proc.stderr, /device: no camera found/);
});

test('a meeting with camera and microphone', { skip: ownCamera() || unavailable() }, async (t) => {
  const dir = join(site.dir, 'session');
  mkdirSync(dir, { mode: 0o700 });
  devices = await Devices.create(dir);
  const meeting = await anna.meeting('Ward round', ['bruno@example.org']);
  const record = join(site.dir, 'record');
  const a = anna.join(meeting, { camera: 'device', audio: 'device', env: devices.env });
  await a.event('joined');
  const b = bruno.join(meeting, { record });
  const received = (stream: string) => lastStats(b, (s) => s['direction'] === 'in' && s['email'] === ANNA && s['stream'] === stream)?.['frames'] ?? 0;
  await b.until('camera and voice', () => (received('camera') >= 240 && received('voice') >= 400 ? true : undefined));

  for (const p of [a, b]) p.send({ command: 'leave' });
  assert.deepEqual([await a.exit(), await b.exit()], [0, 0], a.report());
  const file = join(record, `${ANNA}.webm`);
  const played = await play(file);
  assert.equal(played.complaints, '');
  assert.ok(played.pictures >= 120, `${played.pictures} pictures`);
  const clip = pictures(media.clip, 30);
  const found = pictures(file, 2).slice(1).map((p) => likest(p, clip));
  const worst = Math.min(...found.map((f) => f.psnr));
  t.diagnostic(`pictures ${found.map((f) => `${f.at}: ${f.psnr.toFixed(1)}`).join(', ')} dB`);
  const heard = spoken(file);
  t.diagnostic(`voice ${heard.toFixed(3)}`);
  assert.ok(worst >= 34, `${worst} dB`);
  assert.ok(new Set(found.map((f) => f.at)).size >= 5, 'the picture moves');
  assert.ok(heard >= 0.9, `voice ${heard}`);
});
