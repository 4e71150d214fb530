// SPDX-License-Identifier: Apache-2.0
// Files between participants: to those who accepted, whole or not at all (R8, R32, R35, R57, R65).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Proc, WAIT_MS } from '../lib/process';
import { Wire } from '../lib/proxy';
import { Person, Site } from '../lib/site';

const SIZE = 20_000_000;
let site: Site;
let wire: Wire;
let bob: Person;
let eva: Person;
let a: Proc;
let b: Proc;
let e: Proc;
const dir = (name: string) => {
  const path = join(site.dir, name);
  mkdirSync(path, { recursive: true });
  return path;
};
const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
function file(name: string, content: Uint8Array | string): string {
  const path = join(dir('out'), name);
  writeFileSync(path, content);
  return path;
}
const offered = (p: Proc, name: string) => p.event('file-offered', (x) => x['name'] === name && x['mine'] === false);

before(async () => {
  site = await Site.create('files');
  wire = await Wire.slow(site, 0);
  [bob, eva] = await Promise.all([site.user('bob@example.org', 'Bob', 'Berg'), site.user('eva@example.org', 'Eva', 'Ems')]);
  const id = await site.admin.meeting('Files', ['bob@example.org', 'eva@example.org']);
  a = site.admin.join(id);
  await a.event('joined');
  b = bob.join(id);
  e = eva.join(id);
  await Promise.all([b.event('joined'), e.event('joined')]);
});
after(async () => {
  wire?.close();
  await site.stop();
});

test('20 MB arrive unchanged at the one who accepts, and not at the one who declines', async () => {
  const path = file('minutes.bin', randomBytes(SIZE));
  a.send({ command: 'send-file', path });
  const [ob, oe] = await Promise.all([offered(b, 'minutes.bin'), offered(e, 'minutes.bin')]);
  assert.equal(ob['size'], SIZE);
  assert.equal(ob['sha256'], sha(path));
  b.send({ command: 'decline', transfer: ob['transfer'] });
  e.send({ command: 'accept', transfer: oe['transfer'], directory: dir('eva') });
  const done = await e.event('file-done', (x) => x['transfer'] === oe['transfer'] && x['mine'] === false);
  assert.equal(sha(done['path']), sha(path));
  assert.deepEqual(readdirSync(dir('eva')), ['minutes.bin']);
  assert.ok(e.events.some((x) => x['event'] === 'file-progress' && x['transfer'] === oe['transfer']));
  await a.event('file-declined', (x) => x['transfer'] === oe['transfer']);
  // What comes to bob after it comes after all of it.
  a.send({ command: 'send-file', path: file('after.txt', 'after') });
  await offered(b, 'after.txt');
  assert.equal(b.events.some((x) => x['event'] === 'file-progress' || x['event'] === 'file-done'), false);
});

test('a name cannot leave the folder, hide or overwrite', async () => {
  writeFileSync(join(dir('eva'), 'notes.txt'), 'mine');
  const path = file('notes.txt', 'theirs');
  b.send({ command: 'send-file', path });
  const o = await offered(e, 'notes.txt');
  e.send({ command: 'accept', transfer: o['transfer'], directory: dir('eva') });
  const done = await e.event('file-done', (x) => x['transfer'] === o['transfer'] && x['mine'] === false);
  assert.equal(readFileSync(join(dir('eva'), 'notes.txt'), 'utf8'), 'mine');
  assert.equal(readFileSync(done['path'], 'utf8'), 'theirs');
  const hidden = file('.profile', 'x');
  b.send({ command: 'send-file', path: hidden });
  const h = await e.event('file-offered', (x) => x['mine'] === false && x['size'] === 1);
  assert.doesNotMatch(h['name'], /^\.|\//);
});

test('an empty file is a file', async () => {
  b.send({ command: 'send-file', path: file('empty.txt', '') });
  const o = await offered(e, 'empty.txt');
  e.send({ command: 'accept', transfer: o['transfer'], directory: dir('eva') });
  const done = await e.event('file-done', (x) => x['transfer'] === o['transfer'] && x['mine'] === false);
  assert.equal(readFileSync(done['path']).length, 0);
});

test('without the right to share no file is offered; a file that is not there is said so', async () => {
  const from = a.events.length;
  a.send({ command: 'send-file', path: '/nonexistent/file' });
  assert.notEqual((await a.event('error', undefined, WAIT_MS, from))['message'], '');
  a.send({ command: 'set-rights', user: 'bob@example.org', rights: ['microphone', 'camera'] });
  await b.event('rights-changed', (x) => x['email'] === 'bob@example.org' && !x['rights'].includes('share'));
  const at = b.events.length;
  b.send({ command: 'send-file', path: file('forbidden.txt', 'no') });
  await b.event('error', (x) => x['command'] === 'send-file' || /share|right/.test(x['message']), WAIT_MS, at);
  // With the right again the next one is offered; had the forbidden one been, it would have come before.
  a.send({ command: 'set-rights', user: 'bob@example.org', rights: ['microphone', 'camera', 'share'] });
  await b.event('rights-changed', (x) => x['email'] === 'bob@example.org' && x['rights'].includes('share'), WAIT_MS, at);
  b.send({ command: 'send-file', path: file('allowed.txt', 'yes') });
  await offered(e, 'allowed.txt');
  assert.equal(e.events.some((x) => x['name'] === 'forbidden.txt'), false);
});

test('a transfer whose offerer leaves ends without a final file', async () => {
  // At most 2 MiB are under way at once: the file takes seconds on a wire this slow, however fast the machine.
  wire.delayMs = 100;
  const path = file('large.bin', randomBytes(3 * SIZE));
  a.send({ command: 'send-file', path });
  const o = await offered(e, 'large.bin');
  e.send({ command: 'accept', transfer: o['transfer'], directory: dir('part') });
  await e.event('file-progress', (x) => x['transfer'] === o['transfer']);
  await a.stop('SIGKILL');
  await e.event('participant-left', () => true);
  // It may have been lost only for a moment: what is here is kept a little longer.
  const gone = await e.event('file-cancelled', (x) => x['transfer'] === o['transfer']);
  assert.match(gone['message'], /the sender has left/);
  assert.equal(existsSync(join(dir('part'), 'large.bin')), false);
  assert.deepEqual(readdirSync(dir('part')), []);
  assert.equal(e.code, undefined);
});
