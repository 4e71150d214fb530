// SPDX-License-Identifier: Apache-2.0
// What the relay knows: neither its memory nor what it receives and sends inside TLS holds media, names, files or keys
// (R55-R57, R80). The test sits inside TLS with the relay's own key, and has the keys from a client that hands them out.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media, programs } from '../lib/build';
import { byEpoch } from '../lib/capture';
import { found, keyNeedles, memoryOf, textNeedles, type Needle } from '../lib/memory';
import { type Line, type Proc } from '../lib/process';
import { partsOf } from '../lib/playable';
import { Ear } from '../lib/proxy';
import { Site, lastStats, type Person } from '../lib/site';

const TITLE = 'Tumourboard-of-the-marker';
const CONTENT = 'this line is the marker of the file\n';
const FILE = 'findings-of-the-marker.txt';
const ANNA = ['annabel.marker@example.org', 'Annabella-Marker', 'Quetschkommode'] as const;
const BRUNO = ['brunold.marker@example.org', 'Brunold-Marker', 'Zwölffingerdarm'] as const;

let site: Site;
let ear: Ear;
let anna: Person;
let bruno: Person;

before(async () => {
  site = await Site.create('memory');
  ear = await Ear.before(site);
  anna = await site.user(...ANNA, 'organiser');
  bruno = await site.user(...BRUNO);
});
after(async () => {
  ear?.close();
  await site.stop();
});

const at = (name: string) => join(site.dir, name);
function enter(who: Person, meeting: string, more: object): Proc {
  const name = who === anna ? 'anna' : 'bruno';
  const env = { CONCLAVE_HOOK_SECRETS: at(`${name}.keys`), CONCLAVE_HOOK_CAPTURE: at(`${name}.capture`) };
  return who.join(meeting, { program: programs.hooked(), camera: media.clip, audio: media.voice, loop: true, env, ...more });
}
const seen = (p: Proc, frames: number) =>
  p.until(`${frames} frames`, () => {
    const s = lastStats(p, (l) => l['direction'] === 'in' && l['stream'] === 'camera');
    return s && s['frames'] >= frames ? true : undefined;
  });

/** All that the two clients know and the relay must not. */
function secrets(): Needle[] {
  const lines = ['anna', 'bruno'].flatMap((n) => readFileSync(at(`${n}.keys`), 'utf8').trim().split('\n'));
  const keys = new Map<string, string>();
  for (const line of lines.map((l) => JSON.parse(l) as Line))
    for (const [name, value] of Object.entries(line))
      if (typeof value === 'string') keys.set(value, line['epoch'] === undefined ? name : `${name} of epoch ${line['epoch']}`);
  for (const kind of ['base_key', 'authenticator', 'stream1', 'stream2', 'file_key', 'lobby_key', 'device_seed'])
    assert.ok([...keys.values()].some((name) => name.startsWith(kind)), `the clients handed out no ${kind}`);
  return [...keys].flatMap(([hex, name]) => keyNeedles(name, hex));
}
/** Stretches of what bruno recorded of anna: the codecs' bytes as they were before encryption. */
function pictures(): Needle[] {
  const webm = Buffer.concat(partsOf(at('record'), ANNA[0]).map((path) => readFileSync(path)));
  const list: Needle[] = [];
  for (let i = 1; i < 60; i++) {
    const bytes = webm.subarray(Math.floor((webm.length * i) / 60)).subarray(0, 20);
    if (new Set(bytes).size >= 14) list.push({ what: `media at ${bytes.byteOffset - webm.byteOffset}`, bytes });
  }
  assert.ok(list.length > 20);
  return list;
}
const markers = (): Needle[] => [
  ...[...ANNA, ...BRUNO].flatMap((text) => textNeedles(text, text)),
  ...textNeedles('title', TITLE),
  ...textNeedles('file name', FILE),
  ...textNeedles('file', CONTENT),
];

test("markers and keys are nowhere in the relay's memory and traffic", async (t) => {
  writeFileSync(at(FILE), Buffer.alloc(12_000_000, CONTENT));
  for (const dir of ['record', 'received']) mkdirSync(at(dir));
  const meeting = await anna.meeting(TITLE, [BRUNO[0]]);
  const a = enter(anna, meeting, { sendFiles: [at(FILE)] });
  const run = Buffer.from((await a.event('joined'))['run'], 'hex');
  await a.event('file-offered');
  // Bruno comes when the offer has long been made: it is repeated for him.
  const midway = ear.hold(6_000_000);
  const b = enter(bruno, meeting, { acceptFiles: at('received'), record: at('record') });
  await b.event('joined');
  const dumps: [string, Buffer][] = [];
  const root = process.getuid?.() === 0;
  await Promise.all([midway, b.event('file-progress')]);
  if (root) dumps.push(['during the transfer', memoryOf(site.relay.child.pid!)]);
  assert.ok(!b.events.some((e) => e['event'] === 'file-done'));
  ear.go();
  const done = await b.event('file-done');
  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  assert.equal(hash(done['path']), hash(at(FILE)));
  await Promise.all([seen(a, 60), seen(b, 60)]);
  if (root) dumps.push(['later', memoryOf(site.relay.child.pid!)]);
  const own = root ? memoryOf(a.child.pid!) : Buffer.alloc(0);
  for (const p of [a, b]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit()]), [0, 0]);

  const started = Date.now();
  const traffic = ear.heard();
  const hidden = [...markers(), ...secrets(), ...pictures()];
  // Controls first: the search finds what has to be there.
  const runs: Needle[] = [{ what: 'run', bytes: run }];
  const sealed = [...byEpoch(at('anna.capture')).values()].at(-1)!.subarray(40, 72);
  const passed: Needle[] = [...runs, { what: 'ciphertext of a frame', bytes: sealed }];
  assert.deepEqual(found(Buffer.concat([traffic.in, traffic.out]), passed), ['run', 'ciphertext of a frame']);
  assert.ok(traffic.in.length > 12_000_000 && traffic.out.length > 12_000_000, 'the file passed under our eyes');
  for (const [when, dump] of dumps) assert.deepEqual(found(dump, runs), ['run'], when);
  const known = ['title', 'file name', ANNA[1], 'base_key of epoch 1', 'file_key'];
  const control = hidden.filter((n) => known.includes(n.what));
  assert.equal(control.length, known.length);
  // The search finds such things where they are: in the memory of a client.
  if (root) assert.deepEqual(found(own, control).sort(), known.sort());

  assert.deepEqual(found(traffic.in, hidden), [], 'received by the relay');
  assert.deepEqual(found(traffic.out, hidden), [], 'sent by the relay');
  for (const [when, dump] of dumps) {
    assert.deepEqual(found(dump, hidden), [], `the relay's memory ${when}`);
    t.diagnostic(`memory ${when}: ${(dump.length / 1e6).toFixed(0)} MB searched for ${hidden.length} markers and keys`);
  }
  t.diagnostic(`searched in ${Date.now() - started} ms, anna's memory has ${(own.length / 1e6).toFixed(0)} MB`);
  t.diagnostic(`traffic: ${traffic.in.length} bytes in, ${traffic.out.length} bytes out`);
  if (!root) t.diagnostic("the relay's memory was not searched: that takes root");
});

test('the client that people get has none of these hooks', () => {
  const hook = 'CONCLAVE_HOOK_';
  assert.ok(readFileSync(programs.hooked()).includes(hook));
  assert.ok(!readFileSync(programs.cli()).includes(hook));
});
