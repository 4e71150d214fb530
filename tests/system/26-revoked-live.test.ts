// SPDX-License-Identifier: Apache-2.0
// What the manager decides while a meeting runs: somebody is uninvited, an account is disabled, a moderator who is not
// the organiser removes somebody (with and without the manager's knowing of that moderator), the meeting is cancelled.
// Whoever is meant ends with exit code 3 and one clear line and does not come back; the others go on in a new epoch
// (R25, R26, R33, R61).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Device } from '../lib/api';
import { WAIT_MS, type Proc } from '../lib/process';
import { PASSWORD, Site, type Person } from '../lib/site';

let site: Site;
let meeting: string;
const people = new Map<string, Person>();
const procs = new Map<string, Proc>();
const names = ['anna', 'bruno', 'chloe', 'dora', 'emil', 'fabio'];
const email = (name: string) => `${name}@example.org`;
const proc = (name: string) => procs.get(name)!;
const person = (name: string) => people.get(name)!;

before(async () => {
  site = await Site.create('live');
  await Promise.all(
    names.map(async (name) => {
      people.set(name, await site.user(email(name), name[0]!.toUpperCase() + name.slice(1), 'Example', name === 'anna' ? 'organiser' : 'user'));
    }),
  );
  meeting = await person('anna').meeting('Ward round', names.slice(1).map(email));
  for (const name of names) {
    procs.set(name, person(name).join(meeting));
    await proc(name).event('joined');
  }
});
after(() => site.stop());

const epoch = (p: Proc) => Math.max(...p.events.filter((e) => e['event'] === 'epoch').map((e) => e['epoch'] as number));

/** `who` is out by `reason`, with one line that matches `said`; `others` are told and get a new epoch. */
async function out(who: string, others: string[], reason: string, said: RegExp): Promise<void> {
  const was = epoch(proc(who));
  assert.equal(await proc(who).exit(), 3);
  assert.match(proc(who).stderr, said);
  assert.equal(proc(who).stderr.trim().split('\n').length, 1, proc(who).stderr);
  const left = await proc(who).event('left');
  assert.equal(left['exit'], 3);
  const last = proc(who).events.at(-1)!;
  assert.deepEqual([last['event'], last['problem'], last['code'], last['exit']], ['error', reason, 'not permitted', 3]);
  for (const name of others) {
    const gone = await proc(name).event('participant-left', (e) => e['email'] === email(who));
    assert.equal(gone['reason'], reason, name);
    await proc(name).until('a new epoch', () => (epoch(proc(name)) > was ? true : undefined));
  }
}

async function staysOut(who: string, said: RegExp): Promise<void> {
  const again = person(who).join(meeting);
  assert.equal(await again.exit(), 3);
  assert.match(again.stderr, said);
  assert.equal(again.stderr.trim().split('\n').length, 1, again.stderr);
  assert.ok(!again.events.some((e) => e['event'] === 'joined'));
}

const errors = (p: Proc) => p.events.filter((e) => e['event'] === 'error');

test('uninvited while in the meeting', async () => {
  await person('anna').cli(['meeting', 'uninvite', meeting, email('bruno')]);
  await out('bruno', ['anna', 'chloe', 'dora'], 'revoked', /has taken back this account, device or invitation/);
  await staysOut('bruno', /not invited/);
});

test('disabled while in the meeting', async () => {
  await site.admin.cli(['user', 'disable', email('chloe')]);
  await out('chloe', ['anna', 'dora', 'emil'], 'revoked', /has taken back this account, device or invitation/);
  await staysOut('chloe', /[Ss]ign/);
});

test('a moderator who is not the organiser removes somebody', async () => {
  proc('dora').send({ command: 'remove', user: email('emil') });
  await proc('dora').event('error', (e) => e['command'] === 'remove' && /no right/.test(e['message'] as string));
  proc('anna').send({ command: 'set-rights', user: email('dora'), rights: ['microphone', 'camera', 'share', 'moderation'] });
  await proc('dora').event('rights-changed', (e) => e['self'] === true && (e['rights'] as string[]).includes('moderation'));
  const said = errors(proc('dora')).length;
  proc('dora').send({ command: 'remove', user: email('emil') });
  await out('emil', ['anna', 'dora', 'fabio'], 'removed', /removed by a moderator/);
  // The manager gives no more tickets, on any device.
  const second = new Device(site.url);
  assert.equal((await second.login(email('emil'), PASSWORD)).status, 200);
  let answer = await second.call('POST', `/meetings/${meeting}/join`, {});
  for (const end = Date.now() + WAIT_MS; answer.status === 200 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 50)); // the ban is on its way to the manager
    answer = await second.call('POST', `/meetings/${meeting}/join`, {});
  }
  assert.equal(answer.status, 403, answer.text);
  await staysOut('emil', /removed/);
  assert.equal(errors(proc('dora')).length, said, 'everything was done');
});

test('what the manager does not know, relay and members still hold; the moderator is told', async () => {
  // As if the organiser's client had not reached the manager with the right that it gave.
  const organiser = new Device(site.url);
  assert.equal((await organiser.login(email('anna'), PASSWORD)).status, 200);
  const run = (await proc('anna').event('joined'))['run'] as string;
  const dora = (await proc('anna').event('participant-joined', (e) => e['email'] === email('dora')))['user'] as string;
  await organiser.must('POST', `/runs/${run}/moderation`, { user_id: dora, granted: false });
  proc('dora').send({ command: 'remove', user: email('fabio') });
  await out('fabio', ['anna', 'dora'], 'removed', /removed by a moderator/);
  await proc('dora').event('error', (e) => /kept out by relay and members; but the manager/.test(e['message'] as string));
  // The manager gives out a ticket, and the relay refuses it.
  await staysOut('fabio', /removed from this meeting/);
  assert.equal(proc('anna').code, undefined);
});

test('cancelled while it runs: everybody is told, exit code 3', async () => {
  await person('anna').cli(['meeting', 'cancel', meeting]);
  for (const name of ['anna', 'dora']) {
    assert.equal(await proc(name).exit(), 3);
    const left = await proc(name).event('left');
    assert.deepEqual([left['reason'], left['exit']], ['the meeting was cancelled', 3]);
    assert.equal(proc(name).events.at(-1)!['problem'], 'meeting-cancelled');
    assert.match(proc(name).stderr.trim().split('\n').pop()!, /the meeting was cancelled/);
  }
  await staysOut('dora', /cancelled/);
  // Who was disabled and is enabled again is shut out of nothing that begins afterwards.
  const admin = new Device(site.url);
  assert.equal((await admin.login(site.admin.email, PASSWORD)).status, 200);
  const chloe = (await admin.must('GET', '/users')).users.find((u: { email: string }) => u.email === email('chloe'));
  await admin.must('PATCH', `/users/${chloe.id}`, { disabled: false });
  await person('chloe').login();
  const next = await person('anna').meeting('Ward round again', [email('chloe')]);
  const c = person('chloe').join(next);
  await c.event('joined');
  c.send({ command: 'leave' });
  assert.equal(await c.exit(), 0);
});
