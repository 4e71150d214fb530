// SPDX-License-Identifier: Apache-2.0
// What an administrator does for people from a terminal: a lost password, an account that is disabled and enabled
// again, a role (R16, R25).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mails, validationLink } from '../lib/outbox';
import { WAIT_MS } from '../lib/process';
import { PASSWORD, Site, type Person } from '../lib/site';

const REFUSED = 3;
const BOB = 'bob@example.org';
const SECOND = 'another long and unheard-of phrase';
let site: Site;
let bob: Person;

before(async () => {
  site = await Site.create('users');
  bob = await site.user(BOB, 'Bob', 'Berg');
});
after(() => site.stop());

const signIn = (password: string, code = 0) =>
  bob.cli(['login', '--manager', site.url, '--org', site.organisation, BOB, '--password-stdin'], { input: password + '\n', code });
const user = (args: string[], code = 0) => site.admin.cli(['user', ...args], { code });

test('a lost password: a new link, by which another one is chosen; the old one and its session are over', async () => {
  const first = await validationLink(site.outbox, BOB);
  const count = mails(site.outbox).length;
  const sent = await user(['send-link', BOB.toUpperCase()]);
  assert.equal((await sent.event('link-sent'))['email'], BOB.toUpperCase());
  const end = Date.now() + WAIT_MS;
  while (mails(site.outbox).length === count && Date.now() < end) await new Promise((r) => setTimeout(r, 100));
  const link = await validationLink(site.outbox, BOB);
  assert.notEqual(link, first);
  // Nothing has changed until the link is used.
  await bob.cli(['meeting', 'list']);
  await bob.validate(link, 'Bob', 'Berg', SECOND);
  const out = await bob.cli(['meeting', 'list'], { code: REFUSED });
  assert.match(out.stdout + out.stderr, /sign in|signed/i);
  await signIn(PASSWORD, REFUSED);
  await signIn(SECOND);
  await bob.cli(['meeting', 'list']);
});

test('a disabled account is out, and in again when it is enabled', async () => {
  await user(['disable', BOB]);
  await bob.cli(['meeting', 'list'], { code: REFUSED });
  await signIn(SECOND, REFUSED);
  const refused = await user(['send-link', BOB], REFUSED);
  assert.match(refused.stdout + refused.stderr, /disabled/);
  await user(['enable', BOB]);
  await signIn(SECOND);
  await bob.cli(['meeting', 'list']);
});

test('roles decide what one may do, at once', async () => {
  await bob.cli(['meeting', 'create', '--title', 'Mine', '--invite', 'admin@example.org'], { code: REFUSED });
  await user(['set-role', BOB, 'organiser']);
  await bob.cli(['meeting', 'create', '--title', 'Mine', '--invite', 'admin@example.org']);
  await bob.cli(['user', 'enable', BOB], { code: REFUSED });
  await bob.cli(['user', 'send-link', 'admin@example.org'], { code: REFUSED });
});

test('nobody of that name: said so', async () => {
  for (const verb of ['send-link', 'disable', 'enable']) {
    const none = await user([verb, 'nobody@example.org'], REFUSED);
    assert.match(none.stdout + none.stderr, /there is no account nobody@example\.org/);
  }
});
