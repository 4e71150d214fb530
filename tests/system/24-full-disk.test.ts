// SPDX-License-Identifier: Apache-2.0
// The disk is full while recording or receiving: one clear line, the meeting goes on, what was recorded plays.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media, programs } from '../lib/build';
import { playAll } from '../lib/playable';
import { WAIT_MS, type Proc } from '../lib/process';
import { Site, lastStats, type JoinOptions, type Person } from '../lib/site';

const ROOM = 600 * 1024;
let site: Site;
let anna: Person;
let bruno: Person;
const mounted: string[] = [];

before(async () => {
  site = await Site.create('disk');
  [anna, bruno] = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
  ]);
});
after(async () => {
  await Promise.all(site.processes.map((p) => p.stop()));
  mounted.forEach((dir) => execFileSync('umount', [dir]));
  await site.stop();
});

const frames = (p: Proc) => (lastStats(p, (s) => s['direction'] === 'in' && s['stream'] === 'camera')?.['frames'] ?? 0) as number;
const more = async (p: Proc, count: number) => {
  const now = frames(p);
  await p.until(`${count} more frames`, () => (frames(p) >= now + count ? true : undefined));
};

/** Anna talks and shows, Bruno records until there is no more room. */
async function record(dir: string, o: JoinOptions, why: RegExp): Promise<{ a: Proc; b: Proc }> {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org']);
  const a = anna.join(meeting, { camera: media.clip, audio: media.voice, loop: true });
  await a.event('joined');
  const b = bruno.join(meeting, { record: dir, ...o });
  await b.event('joined');
  // As long as it takes: a busy machine sends fewer pictures, and the room lasts longer.
  const error = await b.event('error', () => true, 5 * WAIT_MS);
  assert.match(error['message'], why);
  assert.match(error['message'], /anna@example\.org/, 'it says which recording');
  // The meeting goes on, in both directions of the group.
  await more(b, 60);
  assert.equal(b.events.filter((e) => e['event'] === 'left').length, 0);
  return { a, b };
}
async function plays(dir: string): Promise<string> {
  const got = await playAll(dir, 'anna@example.org');
  assert.equal(got.complaints, '', dir);
  assert.ok(got.pictures >= 30 && got.voice >= 1000, `${got.pictures} pictures, ${got.voice} ms of voice`);
  return `${got.pictures} pictures, ${got.voice} ms of voice`;
}

test('a full file system', { skip: process.getuid?.() === 0 ? false : 'mounting a small file system takes root' }, async (t) => {
  const dir = join(site.dir, 'small');
  mkdirSync(dir);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOM}`, 'tmpfs', dir]);
  mounted.push(dir);
  const { a, b } = await record(dir, { acceptFiles: dir }, /No space left/);
  t.diagnostic(await plays(dir));

  // A file that has no room either: its transfer fails with a line, nothing of it is left.
  const path = join(site.dir, 'large.bin');
  writeFileSync(path, Buffer.alloc(3_000_000, 'x'));
  a.send({ command: 'send-file', path });
  const failed = await b.event('file-failed');
  assert.match(failed['message'], /No space left/);
  assert.deepEqual(readdirSync(dir).filter((n) => n.includes('large') || n.includes('.part')), []);
  await more(b, 30);
  b.send({ command: 'leave' });
  assert.equal(await b.exit(), 2, 'the recording is not whole');
  const left = await b.event('left');
  assert.deepEqual([left['exit'], left['reason']], [2, 'left'], 'event and exit code agree');
  assert.match(left['failed'], /No space left/);
  assert.equal(b.stderr.trim().split('\n').filter((l) => l.includes('No space left')).length, 1, b.stderr);
  assert.ok(!b.stderr.includes('recording') || b.stderr.match(/recording/g)!.length === 1, b.stderr);
  await plays(dir);
  a.send({ command: 'leave' });
  assert.equal(await a.exit(), 0);
});

test('a limit on the size of files', async (t) => {
  const dir = join(site.dir, 'limited');
  mkdirSync(dir);
  const wrapper = join(site.dir, 'limited-cli');
  writeFileSync(wrapper, `#!/bin/bash\nulimit -f ${ROOM / 1024}\nexec '${programs.cli()}' "$@"\n`);
  chmodSync(wrapper, 0o755);
  const { a, b } = await record(dir, { program: wrapper }, /File too large/);
  t.diagnostic(await plays(dir));
  b.send({ command: 'leave' });
  assert.equal(await b.exit(), 2);
  await plays(dir);
  a.send({ command: 'leave' });
  assert.equal(await a.exit(), 0);
});
