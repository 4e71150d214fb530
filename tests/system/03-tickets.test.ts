// SPDX-License-Identifier: Apache-2.0
// Entry to a meeting is strictly for those invited, at the manager and at the relay (R61, R63, R68).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Device, b64, problem } from '../lib/api';
import { validationLink } from '../lib/outbox';
import { ADMIN, PASSWORD, Site } from '../lib/site';
import { Reason, Tunnel, entry, type Entry } from '../lib/tunnel';

let site: Site;
let admin: Device;
let bob: Device;
const open: Tunnel[] = [];
const connect = async (device: Device, url = site.relayUrl) => {
  const tunnel = await Tunnel.open(url, device);
  open.push(tunnel);
  return tunnel;
};
const tryEnter = async (device: Device, e: Entry, change: object = {}) => (await connect(device)).tryEnter(e, change);
const flip = (data: Buffer, at: number) => {
  const copy = Buffer.from(data);
  copy[at]! ^= 1;
  return copy;
};
const meeting = async (invite: string[] = ['bob@example.org']) =>
  (await admin.must('POST', '/meetings', { title: 'Round', invite })).id as string;

before(async () => {
  site = await Site.servers('tickets');
  admin = new Device(site.url);
  await admin.validate(site.adminLink, 'Ada', 'Admin', PASSWORD);
  await admin.login(ADMIN, PASSWORD);
  await admin.must('POST', '/users', { email: 'bob@example.org', role: 'user' });
  bob = new Device(site.url);
  await bob.validate(await validationLink(site.outbox, 'bob@example.org'), 'Bob', 'Berg', PASSWORD);
  await bob.login('bob@example.org', PASSWORD);
});
after(async () => {
  open.forEach((t) => t.close());
  await site.stop();
});

test('who is not invited gets no ticket, nor does anybody for a cancelled meeting', async () => {
  const closed = await meeting([]);
  const refused = await bob.call('POST', `/meetings/${closed}/join`, {});
  assert.ok(['not-invited', 'not-found'].includes(problem(refused)), refused.text);
  await admin.must('POST', `/meetings/${closed}/invitations`, { emails: ['bob@example.org'] });
  assert.equal((await bob.call('POST', `/meetings/${closed}/join`, {})).status, 200);
  await admin.must('DELETE', `/meetings/${closed}`);
  const cancelled = await bob.call('POST', `/meetings/${closed}/join`, {});
  assert.deepEqual([cancelled.status, problem(cancelled)], [409, 'meeting-cancelled']);
});

test('the first to join alone gets a creation grant, and is let in', async () => {
  const id = await meeting();
  const first = await entry(admin, id);
  const second = await entry(bob, id);
  assert.ok(first.grant);
  assert.equal(second.grant, undefined);
  assert.ok(first.run.equals(second.run));
  const tunnel = await connect(admin);
  assert.equal(tunnel.relayId.toString('hex'), first.relays[0]!.id);
  assert.equal(await tunnel.tryEnter(first), 0);
});

test('a ticket is honoured once', async () => {
  const e = await entry(admin, await meeting());
  assert.equal(await tryEnter(admin, e), 0);
  assert.equal(await tryEnter(admin, e), Reason.TICKET_USED);
});

test('an altered ticket is refused, whichever byte was changed', async () => {
  const e = await entry(admin, await meeting());
  const altered = async (at: number) => {
    const t = await connect(admin);
    t.enter({ ...e, ticket: flip(e.ticket, at) });
    const body = await t.any().catch(() => ({ case: t.ws.closed ? 'closed' : 'no answer', value: {} }));
    assert.ok(['refused', 'closed'].includes(String(body.case)), `byte ${at}: ${body.case}`);
    t.close();
  };
  // All at once: the true one does not live long.
  await Promise.all(Array.from({ length: Math.ceil((e.ticket.length - 1) / 13) }, (_, i) => altered(1 + 13 * i)));
  for (const ticket of [e.ticket.subarray(0, -1), Buffer.concat([e.ticket, Buffer.alloc(1)]), e.admission]) {
    const reason = await tryEnter(admin, { ...e, ticket });
    assert.ok(reason === Reason.TICKET_INVALID || reason === Reason.MALFORMED, `reason ${reason}`);
  }
  assert.equal(await tryEnter(admin, e), 0, 'the true ticket still works');
});

test('a ticket is no bearer token: proof and device key must be those of its device', async () => {
  const e = await entry(admin, await meeting());
  const thief = new Device(site.url);
  assert.equal(await tryEnter(thief, e), Reason.TICKET_INVALID, 'own key, own proof');
  assert.equal(await tryEnter(thief, e, { deviceKey: admin.key }), Reason.TICKET_INVALID, 'stolen key, own proof');
  const first = await connect(admin);
  const recorded = first.proof(e.ticket);
  assert.equal(await tryEnter(admin, e, { proof: recorded }), Reason.TICKET_INVALID, 'a proof from another connection');
  assert.equal(await tryEnter(admin, e), 0);
});

test('a ticket opens no other meeting: the creation grant of another run is refused', async () => {
  const one = await entry(admin, await meeting());
  const two = await entry(admin, await meeting());
  assert.notEqual(await tryEnter(admin, { ...one, grant: two.grant }), 0);
});

test('a ticket for another relay is refused', async () => {
  const before = await entry(admin, await meeting());
  const { url } = await site.secondRelay();
  assert.equal(await (await connect(admin, url)).tryEnter(before), Reason.TICKET_INVALID);
  const after = await entry(admin, await meeting());
  assert.equal(after.relays.length, 2);
});

test('a banned user and a disabled one are out at once', async () => {
  const id = await meeting();
  const creator = await entry(admin, id);
  const tunnel = await connect(admin);
  assert.equal(await tunnel.tryEnter(creator), 0);
  tunnel.control('epochReady', { leaf: 0, epoch: 0n });
  // Two relays by now: until the creator has said where the group is nobody else gets a ticket, and then one for there.
  const early = await bob.call('POST', `/meetings/${id}/join`, {});
  assert.deepEqual([early.status, problem(early)], [503, 'not-begun']);
  const here = creator.relays.find((r) => r.url === site.relayUrl)!.id;
  const report = { epoch: 0, authenticator_hash: b64(randomBytes(32)), relay: here };
  await admin.must('POST', `/runs/${creator.run.toString('hex')}/report`, report);
  const [used, held] = [await entry(bob, id), await entry(bob, id)];
  const waiting = await connect(bob);
  assert.equal(await waiting.tryEnter(used), 0);
  await admin.must('POST', `/runs/${creator.run.toString('hex')}/ban`, { user_id: bob.userId });
  assert.deepEqual(held.relays.map((r) => r.id), [here]);
  const again = await bob.call('POST', `/meetings/${id}/join`, {});
  assert.deepEqual([again.status, problem(again)], [403, 'removed']);
  // The relay learns it by a long poll: who waits to be let in is told, and the tickets that bob still holds die with it.
  let told = await waiting.any();
  while (told.case !== 'refused') told = await waiting.any();
  assert.equal(told.value.reason, Reason.REVOKED);
  const reason = await tryEnter(bob, held);
  assert.ok([Reason.BANNED, Reason.REVOKED].includes(reason as 5), `reason ${reason}`);
});

test('an expired ticket is refused and the answer tells the clock of the relay', async () => {
  const e = await entry(admin, await meeting());
  await site.relay.stop();
  await site.startRelay('+10m');
  const t = await connect(admin);
  t.enter(e);
  const refused = await t.next('refused');
  assert.equal(refused.reason, Reason.TICKET_EXPIRED);
  assert.ok(Number(refused.timeMs) - Date.now() > 9 * 60_000);
});
