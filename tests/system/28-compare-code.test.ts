// SPDX-License-Identifier: Apache-2.0
// Comparing the security code (R81): one epoch's code is held on every screen; who was there is verified by each
// person's own word, on that person's device alone, and stays so; newcomers and changed devices are shown as such.
// (What a hostile member may try with the messages: client/core/tests/compare_test.c.)
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { programs } from '../lib/build';
import { Proc, type Line } from '../lib/process';
import { PASSWORD, Site, type Person } from '../lib/site';

const ANNA = 'anna@example.org';
const BRUNO = 'bruno@example.org';
const CHLOE = 'chloe@example.org';
const WAIT = 60000;
let site: Site;
let anna: Person;
let bruno: Person;
let chloe: Person;
let a: Proc;
let b: Proc;
let c: Proc;

before(async () => {
  site = await Site.create('compare');
  [anna, bruno, chloe] = await Promise.all([
    site.user(ANNA, 'Anna', 'Arendt', 'organiser'),
    site.user(BRUNO, 'Bruno', 'Bel'),
    site.user(CHLOE, 'Chloé', 'Cordier'),
  ]);
});
after(() => site.stop());

const from = (email: string) => (event: Line) => event['email'] === email;
/** Sends a command and gives back its answer, `done` or `error`. */
async function ask(p: Proc, command: Line): Promise<Line> {
  const at = p.events.length;
  p.send(command);
  return p.until(
    `answer to ${command['command']}`,
    () => p.events.slice(at).find((e) => (e['event'] === 'done' || e['event'] === 'error') && e['command'] === command['command']),
    WAIT,
  );
}
/** Whom this client takes for verified, by address. */
async function verified(p: Proc): Promise<string[]> {
  const at = p.events.length;
  p.send({ command: 'participants' });
  const list = (await p.event('participants', () => true, WAIT, at))['participants'] as Line[];
  return list.filter((m) => m['verified'] && !m['self']).map((m) => m['email'] as string).sort();
}
/** Begins a comparison; between two there has to be a pause. */
async function compare(p: Proc): Promise<void> {
  for (const end = Date.now() + WAIT; ; ) {
    const answer = await ask(p, { command: 'code-compare' });
    if (answer['event'] === 'done') return;
    assert.match(answer['message'], /too soon/);
    assert.ok(Date.now() < end, 'a comparison may begin after a while');
    await sleep(500);
  }
}
const frozen = (p: Proc, at = 0) => p.event('code-frozen', () => true, WAIT, at);
const members = (event: Line) => (event['members'] as Line[]).map((m) => m['email'] as string).sort();

test('a comparison holds one code on every screen; only the own word marks, and only here', async () => {
  const meeting = await anna.meeting('Ward round', [BRUNO, CHLOE]);
  a = anna.join(meeting);
  await a.event('joined', () => true, WAIT);
  assert.match((await ask(a, { command: 'code-compare' }))['message'], /nobody else/);
  b = bruno.join(meeting);
  await b.event('joined', () => true, WAIT);
  const joined = await a.event('participant-joined', from(BRUNO), WAIT);
  assert.deepEqual([joined['verified'], joined['changed']], [false, false]);
  await a.event('verification', (e) => e['unverified'] === 1, WAIT);

  await compare(a);
  const [fa, fb] = await Promise.all([frozen(a), frozen(b)]);
  assert.match(fa['code'], /^\d{5}( \d{5}){5}$/);
  assert.equal(fa['code'], fb['code']);
  assert.equal(fa['epoch'], fb['epoch']);
  assert.deepEqual([fa['mine'], fb['mine'], fb['by']], [true, false, ANNA]);
  assert.deepEqual(members(fb), [ANNA, BRUNO]);
  const shown = await b.event('security-code', (e) => e['epoch'] === fb['epoch'], WAIT);
  assert.equal(shown['code'], fb['code']);

  assert.match((await ask(b, { command: 'code-compare' }))['message'], /on the screen/);
  assert.match((await ask(a, { command: 'code-verified', epoch: fa['epoch'] + 1 }))['message'], /no code of that epoch/);
  assert.match((await ask(a, { command: 'code-verified' }))['message'], /epoch/);
  assert.deepEqual(await verified(a), []);
  assert.equal((await ask(a, { command: 'code-verified', epoch: fa['epoch'] }))['event'], 'done');
  const marked = await a.event('code-verified');
  assert.deepEqual([marked['marked'], marked['unmarked']], [1, 0]);
  await a.event('verification', (e) => e['unverified'] === 0, WAIT);
  assert.deepEqual(await verified(a), [BRUNO]);
  assert.deepEqual(await verified(b), [], 'the word of one marks nothing at another');
});

test('it outlasts the epoch; a newcomer is not verified; a difference is a warning and marks nobody', async () => {
  const old = (await frozen(b))['epoch'] as number;
  const meeting = (await anna.cli(['meeting', 'list'])).events.find((e) => e['title'] === 'Ward round')!['id'] as string;
  c = chloe.join(meeting);
  const now = (await c.event('joined', () => true, WAIT))['epoch'] as number;
  assert.ok(now > old);
  const joined = await a.event('participant-joined', from(CHLOE), WAIT);
  assert.deepEqual([joined['verified'], joined['changed']], [false, false]);
  await a.event('verification', (e) => e['unverified'] === 1, WAIT, a.events.indexOf(joined));
  await b.event('participant-joined', from(CHLOE), WAIT);
  assert.deepEqual(await verified(a), [BRUNO]);

  assert.equal((await ask(b, { command: 'code-differs', epoch: old }))['event'], 'done');
  assert.match((await b.event('code-differs'))['message'], /SECURITY WARNING/);
  assert.deepEqual(await verified(b), []);
  assert.match((await ask(b, { command: 'code-verified', epoch: old }))['message'], /no code of that epoch/);
  assert.deepEqual(await verified(b), []);

  // The next comparison takes the newcomer in.
  const at = [a, b].map((p) => p.events.length);
  await compare(c);
  const [fa, fb, fc] = await Promise.all([frozen(a, at[0]), frozen(b, at[1]), frozen(c)]);
  assert.equal(new Set([fa, fb, fc].map((f) => `${f['epoch']} ${f['code']}`)).size, 1);
  assert.ok(fa['epoch'] >= now);
  assert.deepEqual(members(fa), [ANNA, BRUNO, CHLOE]);
  for (const [p, f] of [[a, fa], [b, fb]] as const)
    assert.equal((await ask(p, { command: 'code-verified', epoch: f['epoch'] }))['event'], 'done');
  assert.deepEqual(await verified(a), [BRUNO, CHLOE]);
  assert.deepEqual(await verified(b), [ANNA, CHLOE]);
  assert.equal((await ask(c, { command: 'code-cancel' }))['event'], 'done');
  await c.event('code-ended');
  assert.deepEqual(await verified(c), []);
  for (const p of [a, b, c]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit(), c.exit()]), [0, 0, 0]);
});

test('verified devices are so in the next meeting; another device of a known person is shown as changed', async () => {
  const meeting = await anna.meeting('Second round', [BRUNO, CHLOE]);
  a = anna.join(meeting);
  await a.event('joined', () => true, WAIT);
  c = chloe.join(meeting);
  const known = await a.event('participant-joined', from(CHLOE), WAIT);
  assert.deepEqual([known['verified'], known['changed']], [true, false]);
  const notByChloe = await c.event('participant-joined', from(ANNA), WAIT);
  assert.equal(notByChloe['verified'], false);

  const second = site.person(BRUNO, '-second');
  await second.login(PASSWORD);
  b = second.join(meeting);
  const changed = await a.event('participant-joined', from(BRUNO), WAIT);
  assert.deepEqual([changed['verified'], changed['changed']], [false, true]);
  const news = await a.event('contact-changed', from(BRUNO), WAIT);
  assert.equal(news['what'], 'device');
  await a.event('verification', (e) => e['unverified'] === 1, WAIT);
  assert.deepEqual(await verified(a), [CHLOE]);
  for (const p of [a, b, c]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit(), c.exit()]), [0, 0, 0]);
});

test('on a terminal it is done with words, and the status line says who is not verified', async () => {
  const meeting = await anna.meeting('Third round', [BRUNO, CHLOE]);
  a = anna.join(meeting);
  await a.event('joined', () => true, WAIT);
  const command = `'${programs.cli()}' --profile '${chloe.profile}' join ${meeting}`;
  const t = new Proc('script', ['-qec', command, '/dev/null'], { end: false });
  site.processes.push(t);
  await t.said(/0:00  waiting to be let in/, WAIT);
  await t.said(/1 not verified/, WAIT);
  await a.event('participant-joined', from(CHLOE), WAIT);
  await compare(a);
  const { epoch, code } = await frozen(a);
  await t.said(new RegExp(`Anna Arendt wants to compare the security code of epoch ${epoch}`), WAIT);
  await t.said(new RegExp(`COMPARE epoch ${epoch}: ${code}`), WAIT);
  t.child.stdin!.write('same\n');
  await t.said(/You can type: compare/, WAIT);
  t.child.stdin!.write(`same ${epoch}\n`);
  await t.said(/Verified: everybody else of epoch \d+; 1 for the first time/, WAIT);
  t.child.stdin!.write('who\n');
  await t.said(/Anna Arendt <anna@example.org>\r?\n/, WAIT);
  t.child.stdin!.write('leave\n');
  assert.equal(await t.exit(), 0, t.report());
  a.send({ command: 'leave' });
  assert.equal(await a.exit(), 0);
});
