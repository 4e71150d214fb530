// SPDX-License-Identifier: Apache-2.0
// A meeting of three with voice and picture: what everybody hears, sees and is told (R5, R6, R30, R33, R34, R81, R83).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { media } from '../lib/build';
import { Proc, WAIT_MS, type Line } from '../lib/process';
import { Person, Site } from '../lib/site';

const ADA = 'admin@example.org';
const BOB = 'bob@example.org';
const EVA = 'eva@example.org';
let site: Site;
let bob: Person;
let eva: Person;
let meeting: string;
let a: Proc;
let b: Proc;
let e: Proc;

before(async () => {
  site = await Site.create('meeting');
  [bob, eva] = await Promise.all([site.user(BOB, 'Bob', 'Berg'), site.user(EVA, 'Eva', 'Ems')]);
  meeting = await site.admin.meeting('Ward round', [BOB, EVA]);
});
after(() => site.stop());

const record = (name: string) => {
  const dir = join(site.dir, `record-${name}`);
  mkdirSync(dir, { recursive: true });
  return dir;
};
const from = (email: string) => (event: Line) => event['email'] === email;
/** Incoming stream of a sender in a stats event. */
const incoming = (event: Line, email: string, stream: string) =>
  (event['streams'] as Line[]).find((s) => s['direction'] === 'in' && s['stream'] === stream && s['email'] === email);
/** A stats event from now on in which `check` holds for that stream. */
const stats = (p: Proc, email: string, stream: string, check: (s: Line) => boolean) =>
  p.event('stats', (event) => { const s = incoming(event, email, stream); return s !== undefined && check(s); }, WAIT_MS, p.events.length);
/** All members' codes for `epoch`. */
const code = async (p: Proc, epoch: number) => (await p.event('security-code', (c) => c['epoch'] === epoch))['code'] as string;

test('two people meet, see and hear each other', async () => {
  const av = { audio: media.voice, camera: media.clip, loop: true };
  a = site.admin.join(meeting, { ...av, record: record('a') });
  const joined = await a.event('joined');
  assert.deepEqual([...joined['rights']].sort(), ['camera', 'microphone', 'moderation', 'share']);
  assert.equal(joined['tls'], 'TLSv1.3');
  b = bob.join(meeting, av);
  await b.event('joined');
  await Promise.all([a.event('participant-joined', from(BOB)), b.event('participant-joined', from(ADA))]);
  for (const [p, other] of [[a, BOB], [b, ADA]] as const)
    for (const stream of ['voice', 'camera'])
      await stats(p, other, stream, (s) => s['frames'] > 20);
});

test('security codes are equal in one epoch and differ between epochs; a latecomer has the new one only', async () => {
  const first = (await a.event('epoch', (x) => x['participants'] === 2))['epoch'] as number;
  e = eva.join(meeting, { audio: media.voice, camera: media.clip, loop: true });
  const joined = await e.event('joined');
  const epoch = joined['epoch'] as number;
  assert.ok(epoch > first);
  const [ca, cb, ce] = await Promise.all([code(a, epoch), code(b, epoch), code(e, epoch)]);
  assert.equal(ca, cb);
  assert.equal(ca, ce);
  assert.match(ca, /^\d{5}( \d{5}){5}$/);
  const codes = a.events.filter((x) => x['event'] === 'security-code').map((x) => x['code']);
  assert.equal(new Set(codes).size, codes.length);
  assert.equal(e.events.filter((x) => x['event'] === 'security-code' && x['epoch'] < epoch).length, 0);
  await Promise.all([ADA, BOB].map((sender) => stats(e, sender, 'camera', (s) => s['frames'] > 10)));
});

test('nothing that was received fails to decrypt in steady state', async () => {
  // What each of them hears is told by each for itself.
  for (const sender of [BOB, EVA]) for (const stream of ['camera', 'voice']) await stats(a, sender, stream, (s) => s['frames'] > 10);
  const next = () => a.event('stats', () => true, WAIT_MS, a.events.length);
  const first = await next();
  const last = await next();
  const heard = (last['streams'] as Line[]).filter((x) => x['direction'] === 'in');
  assert.deepEqual(heard.map((s) => `${s['email']} ${s['stream']}`).sort(), [BOB, EVA].flatMap((m) => [`${m} camera`, `${m} voice`]));
  for (const s of heard) assert.ok(s['frames'] > 0);
  assert.equal(last['tunnel']['unopened'], first['tunnel']['unopened']);
  assert.equal(last['tunnel']['damaged'], 0);
  assert.equal(a.events.filter((x) => x['event'] === 'error').length, 0, JSON.stringify(a.events.filter((x) => x['event'] === 'error')));
});

test('a muted microphone sends nothing, an unmuted one again', async () => {
  b.send({ command: 'mute', stream: 'audio' });
  await b.event('done', (x) => x['command'] === 'mute');
  await a.event('stream-removed', (x) => x['email'] === BOB && x['stream'] === 'voice');
  const at = a.events.length;
  b.send({ command: 'unmute', stream: 'audio' });
  await b.event('done', (x) => x['command'] === 'unmute');
  await a.event('stream-added', (x) => x['email'] === BOB && x['stream'] === 'voice', WAIT_MS, at);
});

test('only a moderator changes rights; without the right nothing is heard', async () => {
  for (const command of [{ command: 'set-rights', user: EVA, rights: [] }, { command: 'remove', user: EVA }]) {
    const from = b.events.length;
    b.send(command);
    await b.event('error', (x) => x['command'] === command.command && /right/.test(x['message']), WAIT_MS, from);
  }
  assert.equal(e.code, undefined);
  const at = a.events.length;
  a.send({ command: 'set-rights', user: EVA, rights: ['camera'] });
  await Promise.all([a, b, e].map((p) => p.event('rights-changed', (x) => x['email'] === EVA && x['rights'].length === 1)));
  await a.event('stream-removed', (x) => x['email'] === EVA && x['stream'] === 'voice', WAIT_MS, at);
  const back = a.events.length;
  a.send({ command: 'set-rights', user: EVA, rights: ['microphone', 'camera', 'share'] });
  await a.event('stream-added', (x) => x['email'] === EVA && x['stream'] === 'voice', WAIT_MS, back);
});

test('who is removed by the moderator is out, with the reason, and stays out', async () => {
  a.send({ command: 'remove', user: BOB });
  const left = await b.event('left');
  assert.equal(await b.exit(), 3, b.report());
  assert.equal(left['exit'], 3);
  const refused = (p: Proc) => { const { event, problem, code, exit } = p.events.at(-1)!; return { event, problem, code, exit }; };
  const removed = { event: 'error', problem: 'removed', code: 'not permitted', exit: 3 };
  assert.deepEqual(refused(b), removed);
  await Promise.all([a, e].map((p) => p.event('participant-left', (x) => x['email'] === BOB && x['reason'] === 'removed')));
  const again = bob.join(meeting);
  assert.equal(await again.exit(), 3, again.report());
  assert.match(again.stderr, /removed/);
  assert.deepEqual(refused(again), removed);
  await stats(a, EVA, 'camera', () => true); // the others go on
});

test('leaving ends with 0, and the others are told', async () => {
  e.send({ command: 'leave' });
  assert.equal(await e.exit(), 0, e.report());
  await a.event('participant-left', (x) => x['email'] === EVA && x['reason'] === 'left');
  a.send({ command: 'leave' });
  assert.equal(await a.exit(), 0, a.report());
});

test('the recordings show one frame per picture, at one size, with voice', () => {
  const dir = join(site.dir, 'record-a');
  const files = readdirSync(dir).filter((name) => name.endsWith('.webm'));
  const senders = new Set<string>();
  for (const file of files) {
    // Voice that came before the first picture has a part of its own.
    const [, base, part] = file.match(/^(.*?\.[a-z]+(?:_\d+)?)(?:-(\d+))?\.webm$/)!;
    const listed = readFileSync(join(dir, `${base}.frames.jsonl`), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Line)
      .filter((l) => l['part'] === Number(part ?? 1));
    const pictures = listed.filter((l) => l['kind'] === 'picture').length;
    if (pictures === 0) continue;
    senders.add(base!);
    const probe = (args: string[]) => execFileSync('ffprobe', ['-v', 'error', ...args, join(dir, file)], { encoding: 'utf8' });
    const streams = JSON.parse(probe(['-show_streams', '-of', 'json'])) as Line;
    const video = (streams['streams'] as Line[]).find((s) => s['codec_name'] === 'vp9')!;
    assert.ok(video, `${file}: no picture`);
    assert.ok((streams['streams'] as Line[]).some((s) => s['codec_name'] === 'opus'), `${file}: no voice`);
    const frames = probe(['-select_streams', 'v', '-show_entries', 'frame=width,height', '-of', 'csv=p=0']).trim().split('\n').map((l) => l.replace(/,+$/, ''));
    assert.equal(frames.length, pictures, `${file}: frames shown for the pictures received`);
    assert.equal(new Set(frames).size, 1, `${file}: sizes ${[...new Set(frames)].join(' ')}`);
  }
  assert.equal(senders.size, 2, files.join(' '));
});

test('a later recording into the same folder leaves the earlier ones as they are', async () => {
  const dir = join(site.dir, 'record-a');
  const content = () => new Map(readdirSync(dir).filter((n) => n.endsWith('.webm')).map((n) => [n, readFileSync(join(dir, n)).toString('base64')]));
  const earlier = content();
  const id = await site.admin.meeting('Again', [EVA]);
  const one = site.admin.join(id, { record: dir });
  await one.event('joined');
  const two = eva.join(id, { camera: media.clip, loop: true });
  await stats(one, EVA, 'camera', (s) => s['frames'] > 10);
  for (const p of [one, two]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([one.exit(), two.exit()]), [0, 0]);
  const later = content();
  for (const [name, bytes] of earlier) assert.ok(later.get(name) === bytes, `${name} was written over`);
  assert.ok([...later.keys()].some((name) => name.startsWith(`${EVA}_`)), [...later.keys()].join(' '));
});

test('a meeting that its organiser ends is over for everybody', async () => {
  const id = await site.admin.meeting('Short', [EVA]);
  const organiser = site.admin.join(id);
  await organiser.event('joined');
  const guest = eva.join(id);
  await guest.event('joined');
  organiser.send({ command: 'end' });
  assert.equal(await guest.exit(), 0, guest.report());
  assert.equal(await organiser.exit(), 0, organiser.report());
});

test('--expect and --duration: the clock runs from when all are there', async () => {
  const id = await site.admin.meeting('Timed', [EVA]);
  const one = site.admin.join(id, { expect: 2, duration: 2 });
  await one.event('joined');
  const two = eva.join(id, { expect: 2, duration: 2 });
  assert.deepEqual(await Promise.all([one.exit(), two.exit()]), [0, 0]);
});
