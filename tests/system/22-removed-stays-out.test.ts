// SPDX-License-Identifier: Apache-2.0
// Who was removed stays out: the manager gives no ticket, the relay honours none given before, on any device (R61, R83).
// (That members refuse such a leaf themselves: test_banned of client/core/tests/policy_test.c, test_remove_bans of
// group_test.c.) And the security codes: equal for all members of an epoch, another one in each (R81).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Device, problem } from '../lib/api';
import { type Proc } from '../lib/process';
import { PASSWORD, Site, type Person } from '../lib/site';
import { Reason, Tunnel, entry } from '../lib/tunnel';

let site: Site;
let anna: Person;
let bruno: Person;
let chloe: Person;

before(async () => {
  site = await Site.create('removed');
  [anna, bruno, chloe] = await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
    site.user('chloe@example.org', 'Chloé', 'Cordier'),
  ]);
});
after(() => site.stop());

const codes = (p: Proc) =>
  new Map(p.events.filter((e) => e['event'] === 'security-code').map((e) => [e['epoch'] as number, e['code'] as string]));
const code = (p: Proc, epoch: number) => p.event('security-code', (e) => e['epoch'] === epoch);

test('a removed participant is out for good, its tickets too', async () => {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org', 'chloe@example.org']);
  // Each epoch lasts until its code is there: one that is over before that gets none.
  const a = anna.join(meeting);
  await code(a, (await a.event('joined'))['epoch'] as number);
  const b = bruno.join(meeting);
  await code(a, (await b.event('joined'))['epoch'] as number);
  const c = chloe.join(meeting);
  const third = (await c.event('joined'))['epoch'] as number;
  await Promise.all([a, b, c].map((p) => code(p, third)));

  // Bruno's second device, with tickets that it has not used yet.
  const second = new Device(site.url);
  assert.equal((await second.login('bruno@example.org', PASSWORD)).status, 200);
  const held = [await entry(second, meeting), await entry(second, meeting)] as const;

  a.send({ command: 'remove', user: 'bruno@example.org' });
  const left = await b.event('left');
  assert.deepEqual([left['reason'], left['exit']], ['removed by a moderator', 3]);
  assert.equal(await b.exit(), 3);
  const gone = await c.event('participant-left', (e) => e['email'] === 'bruno@example.org');
  assert.equal(gone['reason'], 'removed');

  const tunnel = await Tunnel.open(site.relayUrl, second);
  // The relay knows it from the commit, or from the manager: whichever came first.
  const out: number[] = [Reason.BANNED, Reason.REVOKED];
  assert.ok(out.includes(await tunnel.tryEnter(held[0])), 'a ticket from before the removal');
  tunnel.close();
  const byAdmission = await Tunnel.open(site.relayUrl, second);
  const e = held[1];
  const reason = await byAdmission.tryEnter(e, { ticket: Buffer.alloc(0), admission: e.admission, proof: byAdmission.proof(e.admission) });
  assert.ok(out.includes(reason), `an admission from before the removal: ${reason}`);
  byAdmission.close();

  const answer = await second.call('POST', `/meetings/${meeting}/join`, {});
  assert.deepEqual([answer.status, problem(answer)], [403, 'removed']);
  const again = bruno.join(meeting);
  assert.equal(await again.exit(), 3);
  assert.match(again.stderr, /removed/);
  assert.equal(again.stderr.trim().split('\n').length, 1, again.stderr);
  assert.ok(!again.events.some((x) => x['event'] === 'joined'));

  const last = Math.max(...codes(a).keys(), third + 1);
  await Promise.all([a, c].map((p) => code(p, last)));
  const all = [a, b, c].map(codes);
  const epochs = [...all[0]!.keys()];
  assert.ok(epochs.length >= 3, `epochs ${epochs}`);
  for (const epoch of epochs) {
    const shown = all.map((m) => m.get(epoch)).filter((x) => x !== undefined);
    assert.equal(new Set(shown).size, 1, `epoch ${epoch}: ${shown}`);
    if (epoch === third) assert.equal(shown.length, 3);
  }
  const mine = [...all[0]!.values()];
  assert.equal(new Set(mine).size, mine.length, 'the code differs from epoch to epoch');
  for (const text of mine) assert.match(text, /^\d{5}( \d{5}){5}$/);
  assert.equal(all[1]!.has(last), false, 'who was removed has no code of the next epoch');

  for (const p of [a, c]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), c.exit()]), [0, 0]);
});
