// SPDX-License-Identifier: Apache-2.0
// A locked meeting lets nobody new in (R33, R61). Two groups in one epoch are alarmed to every member, whoever reports
// to the manager or not, and no such meeting ends as if nothing had been (R80, R81).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { programs } from '../lib/build';
import { type Proc } from '../lib/process';
import { Site, type Person } from '../lib/site';

let site: Site;
let people: Person[];

before(async () => {
  site = await Site.create('lock');
  people = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
    site.user('chloe@example.org', 'Chloé', 'Cordier'),
    site.user('david@example.org', 'David', 'Dahl'),
  ]);
});
after(() => site.stop());

const others = ['bruno@example.org', 'chloe@example.org', 'david@example.org'];
const leave = async (code: number, ...all: Proc[]) => {
  for (const p of all) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all(all.map((p) => p.exit())), all.map(() => code));
  for (const p of all) assert.equal((await p.event('left'))['exit'], code);
};

test('a locked meeting: nobody new comes in until it is unlocked', async () => {
  const [anna, bruno, chloe, david] = people as [Person, Person, Person, Person];
  const meeting = await anna.meeting('Ward round', others);
  const a = anna.join(meeting);
  assert.equal((await a.event('joined'))['locked'], false);
  const b = bruno.join(meeting);
  await b.event('joined');

  // Whoever does not moderate cannot.
  b.send({ command: 'lock' });
  assert.match((await b.event('error'))['message'], /no right/);

  a.send({ command: 'lock' });
  const locked = await Promise.all([a, b].map((p) => p.event('locked')));
  assert.deepEqual(locked.map((e) => e['email']), ['anna@example.org', 'anna@example.org']);
  const outside = chloe.join(meeting);
  assert.equal(await outside.exit(), 3);
  const lines = outside.stderr.trim().split('\n');
  assert.equal(lines.length, 1, outside.stderr);
  assert.match(lines[0]!, /the meeting is locked/);
  assert.ok(!outside.events.some((e) => e['event'] === 'joined'));
  assert.equal((await outside.event('left'))['exit'], 3);
  assert.ok(![a, b].some((p) => p.events.some((e) => e['event'] === 'participant-joined' && e['email'] === 'chloe@example.org')));

  // Somebody inside who died and starts again is no newcomer: the device is still a member.
  await b.stop('SIGKILL');
  await a.event('presence', (e) => e['email'] === 'bruno@example.org' && e['connected'] === false);
  const back = bruno.join(meeting);
  assert.equal((await back.event('joined'))['locked'], true);
  const gone = await a.event('participant-left', (e) => e['email'] === 'bruno@example.org');
  assert.equal(gone['reason'], 'replaced');

  a.send({ command: 'unlock' });
  await Promise.all([a, back].map((p) => p.event('unlocked')));
  const c = chloe.join(meeting);
  await c.event('joined');
  const d = david.join(meeting);
  await d.event('joined');
  await leave(0, a, back, c, d);
});

test('two groups in one epoch: the alarm reaches all, and the exit code is 5', async () => {
  const [anna, bruno, chloe, david] = people as [Person, Person, Person, Person];
  const meeting = await anna.meeting('Ward round', others);
  const env = { CONCLAVE_HOOK_REPORT_S: '1' };
  const a = anna.join(meeting, { program: programs.hooked(), env });
  await a.event('joined');
  const b = bruno.join(meeting, { program: programs.hooked(), env });
  await b.event('joined');
  const c = chloe.join(meeting, { program: programs.hooked(), env });
  await c.event('joined');
  const honest = [a, b, c];
  await Promise.all(honest.map((p) => p.event('participant-joined', (e) => e['email'] === 'chloe@example.org' || p === c)));
  assert.ok(!honest.some((p) => p.events.some((e) => e['event'] === 'alarm')));

  // The fourth reports only on coming in, and another value than the group's.
  const d = david.join(meeting, { program: programs.hooked(), env: { CONCLAVE_HOOK_REPORTS: 'wrong' } });
  const epoch = (await d.event('joined'))['epoch'] as number;
  const alarms = await Promise.all([a, b, c, d].map((p) => p.event('alarm')));
  assert.deepEqual(alarms.map((e) => e['epoch']), [epoch, epoch, epoch, epoch]);
  // Who came too late for the first reports hears of it from the others, who are named.
  const passed = alarms[3]!['email'];
  assert.ok(passed === undefined || ['anna@example.org', 'bruno@example.org', 'chloe@example.org'].includes(passed), passed);
  for (const p of [a, b, c, d]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a, b, c, d].map((p) => p.exit())), [5, 5, 5, 5]);
  for (const p of [a, b, c, d]) {
    assert.equal(p.events.filter((e) => e['event'] === 'alarm').length, 1);
    const left = await p.event('left');
    assert.equal(left['exit'], 5);
    assert.match(left['reason'], /different groups were shown to different people/);
    assert.equal(p.stderr.trim().split('\n').length, 1, p.stderr);
  }
  // The manager's log has it too, for whoever looks after the servers.
  await site.manager.said(/two groups in one epoch/);
});
