// SPDX-License-Identifier: Apache-2.0
// A recording of a camera of several spatial layers, played in a real browser: each picture is one frame, all of one
// size, and the voice is there (R6). What ffmpeg makes of recordings: system/10.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestBrowser, missing } from '../lib/browser';
import { media } from '../lib/build';
import { partsOf, play } from '../lib/playable';
import { Site, lastStats } from '../lib/site';

const PICTURES = 90;
const WAIT = 60000;
let site: Site;
let browser: TestBrowser;
let server: Server;

before(async () => {
  if (missing) return;
  site = await Site.create('recording');
  browser = await TestBrowser.start();
});
after(async () => {
  server?.close();
  await browser?.stop();
  await site?.stop();
});

/** Serves a page with nothing but this film. */
async function served(film: Buffer): Promise<string> {
  server = createServer((request, response) => {
    if (request.url === '/film.webm') response.writeHead(200, { 'Content-Type': 'video/webm', 'Content-Length': film.length }).end(film);
    else response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><video muted src="/film.webm"></video>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('a recording plays in a browser: a frame for each picture, one size', { skip: missing }, async (t) => {
  const bruno = await site.user('bruno@example.org', 'Bruno', 'Bel');
  const meeting = await site.admin.meeting('Ward round', ['bruno@example.org']);
  const dir = join(site.dir, 'record');
  mkdirSync(dir);
  const a = site.admin.join(meeting, { camera: media.clip, audio: media.voice, loop: true });
  await a.event('joined', undefined, WAIT);
  const b = bruno.join(meeting, { record: dir });
  const layers = (await b.event('stream-added', (e) => e['stream'] === 'camera', WAIT))['spatial_layers'];
  assert.ok(layers > 1, `${layers} layers`);
  const camera = () => lastStats(b, (s) => s['direction'] === 'in' && s['stream'] === 'camera')?.['frames'] ?? 0;
  await b.until(`${PICTURES} pictures`, () => (camera() >= PICTURES ? true : undefined), WAIT);
  for (const p of [b, a]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);

  const path = partsOf(dir, site.admin.email).at(-1)!; // voice may have come long before
  const { pictures } = await play(path);
  assert.ok(pictures >= PICTURES / 2, `${pictures} pictures`);
  const page = await browser.page();
  await page.goto(await served(readFileSync(path)));
  const shown = await page.evaluate(
    (limit) =>
      new Promise<{ end: string; frames: number; sizes: string[]; seconds: number }>((resolve) => {
        const video = document.querySelector('video')!;
        const sizes = new Set<string>();
        const finish = (end: string) =>
          resolve({ end, frames: video.getVideoPlaybackQuality().totalVideoFrames, sizes: [...sizes], seconds: video.currentTime });
        const look = () => {
          sizes.add(`${video.videoWidth}x${video.videoHeight}`);
          video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
        video.addEventListener('resize', () => sizes.add(`${video.videoWidth}x${video.videoHeight}`));
        video.addEventListener('ended', () => finish('ended'));
        video.addEventListener('error', () => finish(`error ${video.error?.message}`));
        setTimeout(() => finish('not at the end in time'), limit);
        video.play().catch((err) => finish(String(err)));
      }),
    WAIT,
  );
  assert.equal(shown.end, 'ended');
  assert.equal(shown.sizes.length, 1, shown.sizes.join(' '));
  assert.match(shown.sizes[0]!, /^[1-9]\d*x[1-9]\d*$/);
  // A busy machine may drop frames before they are counted, never add any: layers shown one by one would be twice as many.
  assert.ok(shown.frames <= pictures && shown.frames >= pictures * 0.5, `${shown.frames} frames of ${pictures} pictures`);
  t.diagnostic(`${shown.frames} frames of ${pictures} pictures in ${shown.seconds.toFixed(1)} s, ${shown.sizes[0]}, ${layers} layers`);
});
