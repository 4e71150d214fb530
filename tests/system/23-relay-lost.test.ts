// SPDX-License-Identifier: Apache-2.0
// The relay dies in the middle of a meeting: after 30 s of trying each client ends with exit code 4 and one clear line;
// what was recorded stays, and plays.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { playAll } from '../lib/playable';
import { WAIT_MS, type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const TRYING_MS = 30000;
const UNANSWERED_MS = 20000; // after which a silent relay is taken for lost
let site: Site;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('lost');
  [anna, bruno] = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
  ]);
});
after(() => site.stop());

const frames = (p: Proc) => (lastStats(p, (s) => s['direction'] === 'in' && s['stream'] === 'camera')?.['frames'] ?? 0) as number;

/** Processor time of a process in ms: user and system, in ticks of 10 ms (proc(5)). */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

test('a killed relay: exit code 4 after 30 s, recordings kept', async (t) => {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org']);
  const dirs = ['anna', 'bruno'].map((n) => join(site.dir, `record-${n}`));
  dirs.forEach((d) => mkdirSync(d));
  const o = { camera: media.clip, audio: media.voice, loop: true };
  const a = anna.join(meeting, { ...o, record: dirs[0]! });
  await a.event('joined');
  const b = bruno.join(meeting, { ...o, record: dirs[1]! });
  await b.event('joined');
  await Promise.all([a, b].map((p) => p.until('100 frames', () => (frames(p) >= 100 ? true : undefined))));
  const had = [a, b].map(frames);

  site.relay.child.kill('SIGKILL');
  const killed = Date.now();
  const managerSpent = processorMs(site.manager.child.pid!);
  await Promise.all([a, b].map((p) => p.event('connection-lost')));
  assert.ok(Date.now() - killed < UNANSWERED_MS / 2, 'the loss is told at once, not by the silence');
  const exits = await Promise.all([a, b].map((p) => p.exit(TRYING_MS + WAIT_MS)));
  const took = Date.now() - killed;
  assert.deepEqual(exits, [4, 4]);
  // The relay's request that was waiting for news has lost its client: the manager does not turn in circles over it.
  const spent = processorMs(site.manager.child.pid!) - managerSpent;
  assert.ok(spent < took / 10, `the manager worked ${spent} ms in ${took} ms`);
  assert.ok(took >= TRYING_MS - 1000 && took < TRYING_MS + UNANSWERED_MS, `${took} ms`);
  for (const [i, p] of [a, b].entries()) {
    const lines = p.stderr.trim().split('\n');
    assert.equal(lines.length, 1, p.stderr);
    assert.match(lines[0]!, /the relay is lost.*30 seconds/);
    const left = await p.event('left');
    assert.deepEqual([left['event'], left['exit']], ['left', 4]);
    const other = `${['bruno', 'anna'][i]}@example.org`;
    const got = await playAll(dirs[i]!, other);
    assert.equal(got.complaints, '', other);
    assert.ok(got.pictures >= had[i]! - 35, `${got.pictures} of ${had[i]} pictures`); // less the wait for a key picture
    assert.ok(got.voice >= 2000, `${got.voice} ms of voice`);
    t.diagnostic(`${other}: ${got.pictures} pictures, ${got.voice} ms of voice; ended after ${took} ms`);
  }
  // And who comes now is told that the relay is not there.
  const late = bruno.join(meeting);
  assert.equal(await late.exit(), 4);
  assert.equal(late.stderr.trim().split('\n').length, 1, late.stderr);
});
