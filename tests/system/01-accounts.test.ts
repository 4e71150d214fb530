// SPDX-License-Identifier: Apache-2.0
// Accounts by invitation: validation links, sign-in, device-bound sessions (R15, R16, R19, R60, R63, R67, R68, R74).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Device, parseLink, problem, send } from '../lib/api';
import { source } from '../lib/build';
import { validationLink } from '../lib/outbox';
import { ADMIN, PASSWORD, Site } from '../lib/site';

let site: Site;
let admin: Device;
before(async () => {
  site = await Site.servers('accounts');
  admin = new Device(site.url);
});
after(() => site.stop());

async function invite(email: string): Promise<string> {
  await admin.must('POST', '/users', { email, role: 'user' });
  return validationLink(site.outbox, email);
}

test('the link that init prints shows the account, validates it once, and then is used up', async () => {
  const { token, org } = parseLink(site.adminLink);
  assert.equal(org, site.organisation);
  const shown = await admin.post('/validation/show', { token });
  assert.equal(shown.status, 200);
  assert.equal(shown.json.email, ADMIN);
  assert.equal(shown.json.organisation, 'Example Hospital');
  assert.match(shown.json.user_id, /^[0-9a-f]{32}$/);
  const done = await admin.validate(site.adminLink, 'Ada', 'Admin', PASSWORD);
  assert.equal(done.status, 204, done.text);
  const again = await admin.validate(site.adminLink, 'Eve', 'Other', 'another good password entirely');
  assert.deepEqual([again.status, problem(again)], [410, 'link-used']);
  const shownAgain = await admin.post('/validation/show', { token });
  assert.deepEqual([shownAgain.status, problem(shownAgain)], [410, 'link-used']);
});

test('signing in gives a session bound to the device', async () => {
  const answer = await admin.login(ADMIN, PASSWORD, false);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.user.role, 'administrator');
  assert.equal(answer.json.certificate.length, 2);
  const who = await admin.must('GET', '/auth/whoami');
  assert.equal(who.user.email, ADMIN);
});

test('a proof of another device, for another request, or seen before is refused', async () => {
  await admin.must('GET', '/auth/whoami'); // has a fresh nonce now
  const get = (proof: string) => admin.withProof('GET', '/auth/whoami', proof);
  const good = admin.proof('GET', '/auth/whoami');
  assert.equal((await get(good)).status, 200);
  const replayed = await get(good);
  assert.deepEqual([replayed.status, problem(replayed)], [401, 'proof-invalid']);

  const thief = new Device(site.url);
  thief.token = admin.token;
  thief.nonce = admin.nonce;
  const changed = {
    'another device': thief.proof('GET', '/auth/whoami'),
    'another key in the header': admin.proof('GET', '/auth/whoami', { header: { jwk: { kty: 'OKP', crv: 'Ed25519', x: thief.key.toString('base64url') } } }),
    'another method': admin.proof('POST', '/auth/whoami'),
    'another path': admin.proof('GET', '/users'),
    'another token': admin.proof('GET', '/auth/whoami', { claims: { ath: randomBytes(32).toString('base64url') } }),
    'no algorithm': admin.proof('GET', '/auth/whoami', { header: { alg: 'none' } }),
    'too old': admin.proof('GET', '/auth/whoami', { claims: { iat: Math.floor(Date.now() / 1000) - 120 } }),
    'no proof': '',
  };
  for (const [what, proof] of Object.entries(changed)) {
    const answer = await get(proof);
    assert.deepEqual([answer.status, problem(answer)], [401, 'proof-invalid'], what);
  }
  const stale = await get(admin.proof('GET', '/auth/whoami', { claims: { nonce: 'x' } }));
  assert.deepEqual([stale.status, problem(stale)], [401, 'use_dpop_nonce']);
  assert.ok(stale.headers['dpop-nonce']);
  const without = await send(`${site.url}/api/v1/auth/whoami`, 'GET');
  assert.equal(without.status, 401);
});

test('an unknown, altered or truncated link is not known', async () => {
  const link = await invite('link@example.org');
  const { token } = parseLink(link);
  const wrong = [randomBytes(32).toString('base64url'), token.slice(0, -4), (token[0] === 'A' ? 'B' : 'A') + token.slice(1)];
  for (const t of wrong) {
    const answer = await admin.post('/validation/show', { token: t });
    assert.ok(answer.status === 404 || answer.status === 400, `${answer.status} ${answer.text}`);
  }
  assert.equal((await admin.post('/validation/show', { token })).status, 200);
});

test('wrong password, unknown and not yet validated account cannot be told apart', async () => {
  const link = await invite('bob@example.org');
  assert.equal((await new Device(site.url).validate(link, 'Bob', 'Berg', PASSWORD)).status, 204);
  await invite('carol@example.org'); // never validates
  const seen = new Map<string, string>();
  for (const email of ['bob@example.org', 'nobody@example.org', 'carol@example.org']) {
    const device = new Device(site.url);
    const answer = await device.login(email, 'a wrong but decent password');
    assert.equal(answer.status, 401);
    assert.equal(problem(answer), 'sign-in-failed');
    const names = Object.keys(answer.headers).sort().join(' ');
    seen.set(email, `${answer.text} ${names}`);
  }
  assert.equal(new Set(seen.values()).size, 1, 'the answers differ');
});

test('the fake record of an unknown address is as long as a real one, and stable', async () => {
  const start = async (email: string) => {
    const { client, ready } = await import('@serenity-kit/opaque');
    await ready;
    const { startLoginRequest } = client.startLogin({ password: 'whatever' });
    return admin.post('/auth/login/start', { email, ke1: startLoginRequest });
  };
  const [real, fake] = [await start(ADMIN), await start('ghost@example.org')];
  assert.equal(real.status, 200);
  assert.equal(fake.status, 200);
  assert.equal(real.json.ke2.length, fake.json.ke2.length);
  assert.deepEqual(Object.keys(real.json), Object.keys(fake.json));
});

test('repeated failures are throttled, and the answer says for how long', async () => {
  let throttled;
  for (let i = 0; i < 30 && !throttled; i++) {
    const answer = await new Device(site.url).login('victim@example.org', `guess number ${i}`);
    if (answer.status === 429) throttled = answer;
    else assert.equal(answer.status, 401);
  }
  assert.ok(throttled, 'thirty guesses were answered');
  assert.equal(problem(throttled), 'too-many-attempts');
  assert.ok(Number(throttled.headers['retry-after']) > 0);
});

test('failed sign-ins are logged as the shipped fail2ban filter reads them', async (t) => {
  // Whatever a stranger types cannot look like another address.
  const forged = 'x address=6.6.6.6 y@z WARNING auth sign-in failed address=6.6.6.6 @';
  await new Device(site.url).login(forged, 'guess');
  // The log reaches us by another way than the answers: with the next sign-in (the second one) in it, all is there.
  assert.equal((await new Device(site.url).login(ADMIN, PASSWORD, false)).status, 200);
  await site.manager.until('the log so far', () => (site.manager.stderr.match(/ signed in .*\n/g)?.length === 2 ? true : undefined));
  const filter = readFileSync(join(source, 'manager/fail2ban/conclave-manager.conf'), 'utf8');
  const patterns = filter
    .slice(filter.indexOf('failregex ='), filter.indexOf('ignoreregex'))
    .split('\n')
    .map((line) => line.replace(/^failregex =/, '').trim())
    .filter((line) => line !== '')
    .map((line) => new RegExp(line.replace('<ADDR>', '([0-9a-fA-F:.]+)')));
  assert.equal(patterns.length, 2);
  const match = (line: string) => patterns.map((p) => p.exec(line)?.[1]).find((x) => x !== undefined);
  const lines = site.manager.stderr.split('\n');
  const failed = lines.filter((line) => /sign-in failed/.test(line));
  assert.ok(failed.length >= 3, site.manager.stderr);
  const here = match(failed[0]!);
  assert.match(String(here), /^(127\.0\.0\.1|::1)$/);
  for (const line of lines) assert.ok([undefined, here].includes(match(line)), line);
  for (const line of failed) {
    assert.equal(match(line), here, line);
    assert.equal(match(`host conclave-manager[77]: ${line}`), here, 'as the journal shows it');
  }
  const throttled = lines.filter((line) => /sign-in throttled/.test(line));
  assert.ok(throttled.length > 0);
  for (const line of throttled) assert.equal(match(line), / by=address /.test(line) ? here : undefined, line);
  const log = join(site.dir, 'auth.log');
  writeFileSync(log, lines.map((line) => `Jan  1 00:00:00 host conclave-manager[77]: ${line}`).join('\n'));
  const f2b = spawnSync('fail2ban-regex', [log, join(source, 'manager/fail2ban/conclave-manager.conf')], { encoding: 'utf8' });
  if (f2b.error) t.diagnostic('fail2ban-regex is not installed: its own reading was not tried');
  else assert.match(f2b.stdout, new RegExp(`\\b${lines.filter((l) => match(l)).length} matched`));
});

test('a user invites nobody; a disabled account ends its sessions', async () => {
  const link = await invite('dave@example.org');
  const dave = new Device(site.url);
  await dave.validate(link, 'Dave', 'Dahl', PASSWORD);
  let answer = await dave.login('dave@example.org', PASSWORD);
  for (let i = 0; i < 20 && answer.status === 429; i++) {
    // the guesses above came from this machine, too: wait as told
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers['retry-after'] ?? 1)));
    answer = await dave.login('dave@example.org', PASSWORD);
  }
  assert.equal(answer.status, 200, answer.text);
  for (const [method, path, body] of [
    ['POST', '/users', { email: 'x@example.org', role: 'user' }],
    ['PATCH', `/users/${dave.userId}`, { role: 'administrator' }],
    ['POST', '/meetings', { title: 'Mine', invite: [] }],
  ] as const) {
    const refused = await dave.call(method, path, body);
    assert.deepEqual([refused.status, problem(refused)], [403, 'forbidden'], path);
  }
  await admin.must('PATCH', `/users/${dave.userId}`, { disabled: true });
  assert.equal((await dave.call('GET', '/auth/whoami')).status, 401);
});

test('a link is void after seven days', async () => {
  const link = await invite('late@example.org');
  await site.manager.stop();
  await site.startManager('+8d');
  const answer = await admin.post('/validation/show', { token: parseLink(link).token });
  assert.deepEqual([answer.status, problem(answer)], [410, 'link-expired']);
  const finish = await new Device(site.url).validate(link, 'Too', 'Late', PASSWORD);
  assert.deepEqual([finish.status, problem(finish)], [410, 'link-expired']);
});
