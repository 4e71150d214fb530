// SPDX-License-Identifier: Apache-2.0
// What no well-behaved client sends: the relay closes that connection, with the right code, and serves on.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Device, b64 } from '../lib/api';
import { ADMIN, PASSWORD, Site } from '../lib/site';
import { Tunnel, entry } from '../lib/tunnel';
import { WebSocketClient } from '../lib/websocket';

const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;
let site: Site;
let admin: Device;

before(async () => {
  site = await Site.servers('tunnel');
  admin = new Device(site.url);
  await admin.validate(site.adminLink, 'Ada', 'Admin', PASSWORD);
  await admin.login(ADMIN, PASSWORD);
});
after(() => site.stop());

const socket = () => WebSocketClient.open(site.relayUrl, '/tunnel', 'conclave.tunnel.1');
/** Somebody who has entered and made a group; the manager takes it for over that hears nothing of it for 30 s. */
async function creator(): Promise<{ t: Tunnel; report: () => Promise<void> }> {
  const id = (await admin.must('POST', '/meetings', { title: 'T', invite: [] })).id as string;
  const t = await Tunnel.open(site.relayUrl, admin);
  const e = await entry(admin, id);
  assert.equal(await t.tryEnter(e), 0);
  t.control('epochReady', { leaf: 0, epoch: 0n });
  const said = { epoch: 0, authenticator_hash: b64(randomBytes(32)), relay: e.relays[0]!.id };
  const report = () => admin.must('POST', `/runs/${e.run.toString('hex')}/report`, said);
  await report();
  return { t, report };
}
const member = async () => (await creator()).t;
async function alive(t: Tunnel): Promise<void> {
  t.control('ping', { token: 42n });
  for (;;) {
    const body = await t.any();
    if (body.case === 'pong' && body.value.token === 42n) return;
  }
}

test('a message of an unknown kind closes the connection', async () => {
  for (const kind of [0, 6, 0x7f, 0xff]) {
    const t = await member();
    t.ws.send(Buffer.from([kind, 1, 2, 3]));
    assert.equal((await t.ws.closing()).code, PROTOCOL_ERROR, `kind ${kind}`);
  }
});

test('text messages, empty messages and unknown control bodies close the connection', async () => {
  let t = await member();
  t.ws.sendFrame(1, Buffer.from('hello'));
  assert.equal((await t.ws.closing()).code, PROTOCOL_ERROR);
  t = await member();
  t.ws.send(Buffer.alloc(0));
  assert.equal((await t.ws.closing()).code, PROTOCOL_ERROR);
  t = await member();
  t.ws.send(Buffer.from([1, 0xfa, 0x3e, 0x00])); // field 1007, which does not exist
  assert.equal((await t.ws.closing()).code, PROTOCOL_ERROR);
});

test('an oversized message is refused by its announced length, before it has come', async () => {
  const t = await member();
  t.ws.sendFrame(2, Buffer.from([4]), 64 * 1024 * 1024);
  assert.equal((await t.ws.closing()).code, TOO_BIG);
  const early = await socket();
  early.sendFrame(2, Buffer.from([1]), 4 * 1024 * 1024); // nobody who has not entered may send that much
  assert.equal((await early.closing()).code, TOO_BIG);
});

test('nothing but Enter is heard before entering', async () => {
  for (const message of [Buffer.from([4, ...randomBytes(40)]), Buffer.from([2, ...randomBytes(40)]), Buffer.from([5, ...randomBytes(60)])]) {
    const ws = await socket();
    await ws.until('Hello', () => ws.messages[0]);
    ws.send(message);
    const { code } = await ws.closing();
    assert.ok([1000, 1002, 1008].includes(code), `code ${code}`);
  }
});

test('whoever does not enter within ten seconds is closed', async () => {
  const started = Date.now();
  const ws = await socket();
  await ws.closing();
  const took = Date.now() - started;
  assert.ok(took > 9900 && took < 25000, `${took} ms`); // not the 30 s of those who have entered
});

test('random and truncated media, file and handshake messages never take the relay down', async () => {
  const header = (leaf: number, flags: number) => {
    const h = Buffer.alloc(11);
    h[0] = 4;
    h.writeUInt16BE(leaf, 1);
    h[3] = 2;
    h.writeUInt32BE(0, 4);
    h.writeUInt16BE(0, 8);
    h[10] = flags;
    return h;
  };
  const good = Buffer.concat([header(0, 3), Buffer.from([2, 0, 0, 0, 1, 0, 5, 0]), randomBytes(200)]);
  const inputs: Buffer[] = [];
  for (let cut = 1; cut < 32; cut++) inputs.push(good.subarray(0, cut));
  for (let bit = 0; bit < 19 * 8; bit += 3) {
    const flipped = Buffer.from(good);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    inputs.push(flipped);
  }
  for (let i = 0; i < 60; i++) inputs.push(Buffer.concat([Buffer.from([1 + (i % 5)]), randomBytes(i * 3)]));
  const { t: witness, report } = await creator();
  for (let at = 0; at < inputs.length; ) {
    await report();
    const t = await member();
    // Some of these are merely dropped, others end the connection: then the next one goes on.
    while (at < inputs.length && !t.ws.closed) {
      t.ws.send(inputs[at++]!);
      await alive(t).catch(() => t.ws.closing());
      await alive(witness);
    }
    t.close();
  }
  assert.equal(site.relay.code, undefined, site.relay.report());
});

test('requests that are no WebSocket get an answer, not a tunnel', async () => {
  const { send } = await import('../lib/api');
  assert.equal((await send(`${site.relayUrl}/probe`, 'GET')).status, 204);
  assert.ok((await send(`${site.relayUrl}/tunnel`, 'GET')).status >= 400);
  assert.equal((await send(`${site.relayUrl}/nothing`, 'GET')).status, 404);
  await assert.rejects(WebSocketClient.open(site.relayUrl, '/tunnel', 'chat'));
});
