// SPDX-License-Identifier: Apache-2.0
// make demo: a whole meeting on this machine, and what it reached. usage: demo.mjs OUTDIR [CAMERA] [VOICE]
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { media, programs } from '../lib/build';
import { splitCapture } from '../lib/capture';
import { type Proc, type Line } from '../lib/process';
import { Person, Site } from '../lib/site';
import { check, stretch, type Source } from './clips';
import { contactSheet, measure, type Pair } from './measure';
import { Load } from './load';
import { printTables } from './tables';

const FILE_SIZE = 20_000_000;
const BOTH_S = 6; // anna and bruno alone, then with chloé, then without bruno
const THREE_S = 9;
const LATE_S = 6;

const started = Date.now();
const say = (text: string) => console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);
const pause = (s: number) => new Promise((done) => setTimeout(done, s * 1000));

export interface Member {
  name: string;
  email: string;
  person: Person;
  source: Source;
  record: string;
  proc?: Proc;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function makeFile(path: string): void {
  writeFileSync(path, randomFillSync(Buffer.alloc(FILE_SIZE)));
}

async function prepare(site: Site, out: string, clip: string, voice: string): Promise<Member[]> {
  const people = [
    ['anna@example.org', 'Anna', 'Arendt', 'organiser'],
    ['bruno@example.org', 'Bruno', 'Bel', 'user'],
    ['chloe@example.org', 'Chloé', 'Cordier', 'user'],
    ['dora@example.org', 'Dora', 'Dietz', 'user'],
  ] as const;
  say('inviting four people by mail; they validate their accounts and sign in');
  const persons = await Promise.all(people.map(([email, first, last, role]) => site.user(email, first, last, role)));
  const sources = await Promise.all([0, 1, 2].map((i) => stretch(clip, voice, out, i, 3)));
  return people.map(([email, name], i) => ({
    name,
    email,
    person: persons[i]!,
    source: sources[i] ?? sources[0]!,
    record: join(out, 'recordings', name.normalize('NFD').replace(/[^A-Za-z]/g, '').toLowerCase()),
  }));
}

/** With `env`, the client of the tests: it keeps ciphertext and keys, and does as `env` says. */
function enter(m: Member, meeting: string, env?: Record<string, string>): Proc {
  mkdirSync(m.record, { recursive: true });
  m.proc = m.person.join(meeting, {
    camera: m.source.camera,
    audio: m.source.voice,
    loop: true,
    record: m.record,
    ...(env ? { program: programs.hooked(), env } : {}),
  });
  return m.proc;
}

const codes = (m: Member) => m.proc!.events.filter((e) => e['event'] === 'security-code');

const epochs = (members: Member[]): number[] =>
  [...new Set(members.flatMap((m) => m.proc!.events.filter((e) => e['event'] === 'epoch').map((e) => e['epoch'] as number)))].sort((a, b) => a - b);

/** The security codes that every pair of members showed in one epoch are equal, those of different epochs differ. */
function compareCodes(members: Member[]): { equal: boolean; distinct: boolean; byMember: Line } {
  const byEpoch = new Map<number, Set<string>>();
  for (const m of members)
    for (const e of codes(m)) byEpoch.set(e['epoch'], (byEpoch.get(e['epoch']) ?? new Set()).add(e['code']));
  const all = [...byEpoch.values()].flatMap((s) => [...s]);
  return {
    equal: byEpoch.size > 0 && [...byEpoch.values()].every((s) => s.size === 1),
    distinct: new Set(all).size === all.length,
    byMember: Object.fromEntries(members.map((m) => [m.email, codes(m).map((e) => ({ epoch: e['epoch'], code: e['code'] }))])),
  };
}

const feed = async (p: Proc, path: string): Promise<Line> => {
  p.send({ command: 'feed', path });
  return p.event('fed', (e) => e['path'] === path);
};

/**
 * What a member sent and received before and after the removal, as ciphertext, given to the clients of the removed
 * participant, which has kept all its keys, and of that member.
 */
async function opened(capture: string, scratch: string, removedIn: number, member: Proc, removed: Proc): Promise<Line> {
  const count = { before: { captured: 0, by_member: 0, by_removed: 0 }, after: { captured: 0, by_member: 0, by_removed: 0 } };
  for (const [epoch, path] of splitCapture(capture, scratch)) {
    const at = count[epoch >= removedIn ? 'after' : 'before'];
    const [m, r] = [await feed(member, path), await feed(removed, path)];
    at.captured += m['units'] as number;
    at.by_member += m['decrypted'] as number;
    at.by_removed += r['decrypted'] as number;
  }
  return count;
}

async function hold(site: Site, out: string, members: Member[]): Promise<Line> {
  const [anna, bruno, chloe, dora] = members as [Member, Member, Member, Member];
  const file = join(out, 'minutes.bin');
  const received = join(out, 'received');
  makeFile(file);
  mkdirSync(received, { recursive: true });
  const meeting = await anna.person.meeting('Ward round', [bruno.email, chloe.email]);
  say(`meeting ${meeting.slice(0, 8)}… created; Anna and Bruno come in`);

  const capture = { bruno: join(site.dir, 'capture-bruno'), chloe: join(site.dir, 'capture-chloe') };
  const load = new Load([site.manager, site.relay]);
  const a = enter(anna, meeting);
  const joined = await a.event('joined');
  const b = enter(bruno, meeting, { CONCLAVE_HOOK_STAY: '1', CONCLAVE_HOOK_CAPTURE: capture.bruno });
  await b.event('joined');
  const refused = dora.person.join(meeting);
  const refusal = await refused.exit();
  say(`Dora, who is not invited, is refused: exit code ${refusal}, "${refused.stderr.trim().split('\n').pop()}"`);
  await pause(BOTH_S);

  const c = enter(chloe, meeting, { CONCLAVE_HOOK_CAPTURE: capture.chloe });
  await c.event('joined');
  say('Chloé joins late');
  await Promise.all([a, b].map((p) => p.event('participant-joined', (e) => e['email'] === chloe.email)));
  a.send({ command: 'send-file', path: file });
  const [offerB, offerC] = await Promise.all([b.event('file-offered'), c.event('file-offered')]);
  b.send({ command: 'decline', transfer: offerB['transfer'] });
  c.send({ command: 'accept', transfer: offerC['transfer'], directory: received });
  const [, done] = await Promise.all([pause(THREE_S), c.event('file-done', () => true, 40000)]);
  say(`a file of ${FILE_SIZE / 1e6} MB: Bruno declines, Chloé has it`);

  const mark = c.events.length;
  a.send({ command: 'remove', user: bruno.email });
  const left = await c.event('participant-left', (e) => e['email'] === bruno.email);
  const told = await b.event('error', (e) => String(e['message']).startsWith('removed'));
  const removedIn = (await c.event('epoch', () => true, 20000, mark))['epoch'] as number;
  say('Anna removes Bruno; his client, a special one, keeps its keys and tries to go on');
  await pause(LATE_S);
  const frames = await opened(capture.chloe, join(site.dir, 'epoch'), removedIn, c, b);
  const later = [...splitCapture(capture.bruno, join(site.dir, 'bruno')).keys()].filter((epoch) => epoch >= removedIn);
  say(`of ${frames['after']['captured']} frames after the removal Chloé's client opens ${frames['after']['by_member']}, Bruno's ${frames['after']['by_removed']}`);
  await b.stop(); // one that stays has nothing to leave
  const again = bruno.person.join(meeting);
  const againExit = await again.exit();
  say(`Bruno asks to come in again and is refused: exit code ${againExit}`);
  for (const p of [a, c]) p.send({ command: 'leave' });
  const [annaExit, chloeExit] = await Promise.all([a.exit(), c.exit()]);
  const machine = load.since();
  say('Anna and Chloé leave');

  return {
    meeting,
    machine,
    tls: { version: joined['tls'], cipher: joined['cipher'] },
    uninvited: { email: dora.email, exit: refusal, message: refused.stderr.trim() },
    removed: {
      email: bruno.email,
      reason: left['reason'],
      told: told !== undefined,
      rejoin_exit: againExit,
      rejoin_message: again.stderr.trim(),
      measured:
        'ciphertext that a member sent and received is given to the removed client, which stayed and kept every key, and to that member',
      frames,
      frames_decrypted_after_removal: frames['after']['by_removed'],
      later_epochs_sent_to_it: later,
    },
    exits: { anna: annaExit, chloe: chloeExit },
    file: {
      size: FILE_SIZE,
      sha256_sent: await sha256(file),
      sha256_received: await sha256(done['path'] as string),
      declined_by: bruno.email,
      files_at_decliner: readdirSync(bruno.record).filter((n) => n.includes('minutes')).length,
    },
    epochs: epochs([anna, bruno, chloe]),
    security_codes: compareCodes([anna, bruno, chloe]),
  };
}

async function main(): Promise<void> {
  const out = resolve(process.argv[2] ?? 'build/demo');
  const clip = resolve(process.argv[3] || media.clip);
  const voice = resolve(process.argv[4] || media.voice);
  await check(clip, voice);
  for (const file of [clip, voice])
    if (file.startsWith(`${out}/`)) throw new Error(`${file} lies in ${out}, which is emptied first: copy it elsewhere`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'recordings'), { recursive: true });

  say('setting up an organisation: manager, relay, database, certificates');
  const site = await Site.create('demo');
  let report: Line;
  let pairs: Pair[];
  let members: Member[] = [];
  try {
    members = await prepare(site, out, clip, voice);
    report = await hold(site, out, members);
    say('measuring what was received against what was sent');
    pairs = await measure(members.slice(0, 3));
    await contactSheet(pairs, join(out, 'contact-sheet.png'));
  } finally {
    await site.stop();
  }
  for (const m of members)
    if (m.proc) writeFileSync(join(m.record, 'events.jsonl'), m.proc.events.map((e) => JSON.stringify(e) + '\n').join(''));
  report['pairs'] = pairs.map(({ sheet: _, ...rest }) => rest);
  report['seconds'] = (Date.now() - started) / 1000;
  writeFileSync(join(out, 'report.json'), JSON.stringify(report, null, 2) + '\n');
  printTables(report, pairs);
  say(`done; recordings, report.json and contact-sheet.png are in ${out}`);
}

main().catch((err: Error) => {
  console.error(`demo: ${err.message}`);
  process.exitCode = 1;
});
