// SPDX-License-Identifier: Apache-2.0
// What no honest relay sends to a client: unknown kinds, malformed and oversized messages, frames that are cut off. Who
// is on the way in ends with one clear line and exit code 4; who is in takes that relay for lost, and comes back when it
// behaves again. Nothing crashes, nothing hangs (R80).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { Hostile, type Link } from '../lib/hostile';
import { type Proc } from '../lib/process';
import { Site, lastStats, type Person } from '../lib/site';

const UNREACHABLE = 4;
const WAIT = 60000;
const BRUNO = 'bruno@example.org';
let site: Site;
let hostile: Hostile;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('relayinput');
  hostile = await Hostile.before(site);
  [anna, bruno] = await Promise.all([site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'), site.user(BRUNO, 'Bruno', 'Bel')]);
});
after(async () => {
  hostile?.close();
  await site.stop();
});

const message = (...bytes: number[]) => [Buffer.from(bytes)];
/** Bytes as they are, instead of a message. */
const raw = (link: Link, ...bytes: number[]) => {
  link.client.write(Buffer.from(bytes));
  return [];
};
const cases: [string, (link: Link) => Buffer[], RegExp][] = [
  ['an unknown kind', () => message(6, 1, 2, 3), /does not keep to the protocol \(unknown kind of message\)/],
  ['kind 0', () => message(0), /does not keep to the protocol \(unknown kind of message\)/],
  ['a control message that is none', () => message(1, 0xff, 0xff, 0xff), /does not keep to the protocol \(malformed control message\)/],
  ['a control message of an unknown body', () => message(1, 0xfa, 0x3e, 0x00), /does not keep to the protocol/],
  ['an empty message', () => message(), /does not keep to the protocol/],
  ['text', (link) => raw(link, 0x81, 2, 0x68, 0x69), /does not keep to the protocol \(malformed input\)/],
  ['a masked frame', (link) => raw(link, 0x82, 0x81, 0, 0, 0, 0, 1), /does not keep to the protocol \(malformed input\)/],
  ['64 MiB announced', (link) => raw(link, 0x82, 127, 0, 0, 0, 0, 4, 0, 0, 0, 1), /does not keep to the protocol \(limit exceeded\)/],
  [
    'a frame that is cut off',
    (link) => {
      link.client.end(Buffer.from([0x82, 100, 1, 2, 3]));
      return [];
    },
    /the relay closed the connection|no relay can be reached/,
  ],
];

test('on the way in: one clear line, exit code 4', async () => {
  const meeting = await anna.meeting('Ward round', [BRUNO]);
  for (const [what, bad, words] of cases) {
    let sent = 0;
    hostile.change = (_, link) => (sent++ === 0 ? bad(link) : []);
    const p = anna.join(meeting);
    assert.equal(await p.exit(WAIT), UNREACHABLE, `${what}: ${p.report()}`);
    assert.ok(sent > 0, what);
    const lines = p.stderr.trim().split('\n');
    assert.equal(lines.length, 1, `${what}: ${p.stderr}`);
    assert.match(lines[0]!, words, what);
    const last = p.events.at(-1)!;
    assert.deepEqual([last['event'], last['exit']], ['error', UNREACHABLE], what);
    assert.ok(!p.events.some((e) => e['event'] === 'joined'), what);
  }
  hostile.change = undefined;
});

const frames = (p: Proc) => (lastStats(p, (s) => s['direction'] === 'in' && s['stream'] === 'camera')?.['frames'] ?? 0) as number;
async function more(p: Proc, count: number): Promise<void> {
  const now = frames(p);
  await p.until(`${count} more frames`, () => (frames(p) >= now + count ? true : undefined), WAIT);
}

test('in the meeting: that connection is given up, said, and another one made; the meeting goes on', async () => {
  const meeting = await anna.meeting('Second round', [BRUNO]);
  const a = anna.join(meeting, { camera: media.clip, loop: true });
  await a.event('joined', undefined, WAIT);
  const first = hostile.links.length;
  const b = bruno.join(meeting);
  await b.event('joined', undefined, WAIT);
  await more(b, 20);
  let links = first;
  for (const [what, bad] of cases) {
    const at = b.events.length;
    const from = hostile.links.length;
    let sent = false;
    // Bruno's present connection is the last that was made.
    hostile.change = (m, link) => {
      if (sent || link.number !== from - 1) return [m];
      sent = true;
      return bad(link);
    };
    const lost = await b.event('connection-lost', undefined, WAIT, at);
    assert.ok(sent, what);
    assert.notEqual(lost['message'], '', what);
    await b.event('connection-back', undefined, WAIT, at);
    await more(b, 10);
    assert.ok(hostile.links.length > links, what);
    links = hostile.links.length;
  }
  hostile.change = undefined;
  assert.equal(a.events.filter((e) => e['event'] === 'connection-lost').length, 0, "the other's connection is untouched");
  assert.equal(b.stderr, '');
  for (const p of [b, a]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);
});
