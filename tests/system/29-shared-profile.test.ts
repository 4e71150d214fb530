// SPDX-License-Identifier: Apache-2.0
// Several commands on one profile at once: none takes back what another has done.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Person, Site } from '../lib/site';

const REFUSED = 3;
let site: Site;
let anna: Person;
let bruno: Person;
let chloe: Person;

before(async () => {
  site = await Site.create('shared');
  [anna, bruno, chloe] = (await Promise.all([
    site.user('anna@example.org', 'Anna', 'Arendt', 'organiser'),
    site.user('bruno@example.org', 'Bruno', 'Bel'),
    site.user('chloe@example.org', 'Chloé', 'Cordier'),
  ])) as [Person, Person, Person];
});
after(() => site.stop());

const stored = (p: Person) =>
  JSON.parse(readFileSync(join(p.profile, 'profile.json'), 'utf8')) as { email: string; contacts: { email: string }[] };
const knows = (p: Person, email: string) => stored(p).contacts.some((c) => c.email === email);

test('who signs out, or in as somebody else, stays so, although a meeting that runs on stores whom it meets', async () => {
  const meeting = await anna.meeting('Ward round', ['bruno@example.org', 'chloe@example.org']);
  const a = anna.join(meeting);
  await a.event('joined');
  const b = bruno.join(meeting);
  await b.event('joined');
  await a.event('participant-joined', (e) => e['email'] === 'bruno@example.org');

  await anna.cli(['logout']);
  await new Person(site, 'anna@example.org', bruno.profile).login();

  const c = chloe.join(meeting);
  await c.event('joined');
  for (const [p, proc] of [[anna, a], [bruno, b]] as const)
    await proc.until('the newcomer is stored', () => (knows(p, 'chloe@example.org') ? true : undefined));
  for (const p of [a, b, c]) p.send({ command: 'leave' });
  assert.deepEqual(await Promise.all([a.exit(), b.exit(), c.exit()]), [0, 0, 0]);

  const nobody = await anna.cli(['whoami'], { code: REFUSED });
  assert.match(nobody.stderr, /nobody is signed in/);
  assert.ok(knows(anna, 'bruno@example.org'));
  const other = await bruno.cli(['whoami']);
  assert.equal((await other.event('whoami'))['email'], 'anna@example.org');
  assert.equal(stored(bruno).email, 'anna@example.org');
});

test('two first sign-ins at once make one device', async () => {
  const twice = site.person('bruno@example.org', '-new');
  await Promise.all([twice.login(), twice.login(), twice.login()]);
  await twice.cli(['whoami']);
  const meeting = await site.admin.meeting('Rounds', ['bruno@example.org']);
  const j = twice.join(meeting, { duration: 1 });
  await j.event('joined');
  assert.equal(await j.exit(), 0, j.report());
});
