// SPDX-License-Identifier: Apache-2.0
// Epochs go on by themselves: path updates in turn, renewed certificates among them. A relay that holds commits back
// from somebody makes that client stop sending, which it says, until an epoch comes (R66, R80). The product's times are
// minutes; the test client's are seconds.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { media, programs } from '../lib/build';
import { Hostile } from '../lib/hostile';
import { WAIT_MS, type Line, type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const DAY_S = 86400;
let site: Site;
let hostile: Hostile;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('epochs');
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

const pair = async (a: Record<string, string>, b: Record<string, string>) => {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org']);
  const o = { program: programs.hooked(), camera: media.clip, loop: true };
  const first = anna.join(meeting, { ...o, env: a });
  await first.event('joined');
  const second = bruno.join(meeting, { ...o, env: b });
  await second.event('joined');
  return [first, second] as const;
};
const frames = (p: Proc, direction: string) =>
  (lastStats(p, (s) => s['direction'] === direction && s['stream'] === 'camera')?.['frames'] ?? 0) as number;
async function more(p: Proc, direction: string, count: number): Promise<void> {
  const now = frames(p, direction);
  await p.until(`${count} more frames ${direction}`, () => (frames(p, direction) >= now + count ? true : undefined));
}
const epochs = (p: Proc) => p.events.filter((e) => e['event'] === 'epoch').map((e) => e['epoch'] as number);
const leave = async (...all: Proc[]) => {
  for (const p of all) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all(all.map((p) => p.exit())), all.map(() => 0));
};

test('path updates come by themselves; without an epoch nothing is sent, and it is said', async (t) => {
  const env = { CONCLAVE_HOOK_PATH_S: '2', CONCLAVE_HOOK_SILENT_S: '15' };
  const [a, b] = await pair(env, env);
  await Promise.all([more(a, 'in', 20), more(b, 'in', 20)]);
  const begun = Math.max(...epochs(a));
  await Promise.all([a, b].map((p) => p.event('epoch', (e) => (e['epoch'] as number) >= begun + 3)));
  const silent = (e: Line) => /no new epoch/.test(e['message']);
  assert.ok(![a, b].some((p) => p.events.some((e) => e['event'] === 'error')), 'nothing to complain of so far');

  // The relay keeps commits from bruno. His own come too late for the epoch, so he sees none.
  const link = hostile.links[1]!;
  link.hold();
  const said = await b.event('error', silent, 60000);
  assert.match(said['message'], /no new epoch for 10 minutes: nothing is sent until one comes/);
  const counted = (p: Proc, from = p.events.length) => p.event('stats', () => true, WAIT_MS, from);
  await counted(b, b.events.indexOf(said));
  const sent = frames(b, 'out');
  await counted(b);
  await counted(b);
  assert.equal(frames(b, 'out'), sent, 'sent while silent');
  // What was under way still comes, and then no more; each counts for itself, once a second.
  for (let last = -1; last !== frames(a, 'in'); await counted(a)) last = frames(a, 'in');
  assert.equal(b.events.filter((e) => e['event'] === 'error').length, 1, 'said once');

  const held = link.release();
  assert.ok(held >= 2, `${held} commits`);
  await b.event('error', (e) => /sending again/.test(e['message']));
  await Promise.all([more(b, 'out', 20), more(a, 'in', 20), more(b, 'in', 20)]);
  t.diagnostic(`${held} commits were held back; epochs ${begun} to ${Math.max(...epochs(b))}`);
  await leave(a, b);
});

test('a certificate that runs out is renewed, and the others see the new one', async (t) => {
  const [a, b] = await pair({}, { CONCLAVE_HOOK_RENEW_S: String(DAY_S - 6) });
  const at = (p: Proc) => p.events.filter((e) => e['event'] === 'certificate-renewed' && e['email'] === 'bruno@example.org');
  await a.until('two renewals', () => (at(a).length >= 2 ? true : undefined));
  await b.until('two renewals', () => (at(b).length >= 2 ? true : undefined));
  const [one, two] = at(a).map((e) => e['until'] as number) as [number, number];
  assert.ok(two > one, `${one}, then ${two}`);
  assert.deepEqual(at(b).slice(0, 2).map((e) => e['until']), [one, two]);
  assert.ok(Math.abs(two - Date.now() / 1000 - DAY_S) < 600, 'it lives for a day');
  await Promise.all([more(a, 'in', 20), more(b, 'in', 20)]);
  t.diagnostic(`renewed ${at(a).length} times, ${two - one} s later each`);

  // The manager is away: it is said once, and the meeting goes on.
  await site.manager.stop();
  const said = await b.event('error', (e) => /certificate cannot be renewed/.test(e['message']));
  await Promise.all([more(a, 'in', 20), more(b, 'in', 20)]);
  assert.equal(b.events.filter((e) => e['event'] === 'error').length, 1, said['message']);
  await site.startManager();
  await leave(a, b);
});
