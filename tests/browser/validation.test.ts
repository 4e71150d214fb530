// SPDX-License-Identifier: Apache-2.0
// The account validation page in a real browser against the real manager (R15-R17, R72, R75, R78).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'puppeteer-core';
import { Device } from '../lib/api';
import { TestBrowser, missing } from '../lib/browser';
import { validationLink } from '../lib/outbox';
import { ADMIN, PASSWORD, Site } from '../lib/site';

let site: Site;
let admin: Device;
let browser: TestBrowser;

before(async () => {
  if (missing) return;
  site = await Site.servers('browser', 'Hôpital d’Exemple');
  admin = new Device(site.url);
  await admin.validate(site.adminLink, 'Ada', 'Admin', PASSWORD);
  await admin.login(ADMIN, PASSWORD);
  browser = await TestBrowser.start();
});
after(async () => {
  await browser?.stop();
  await site?.stop();
});

async function invited(email: string): Promise<string> {
  await admin.must('POST', '/users', { email, role: 'user', first_name: 'Marie', last_name: 'Durand' });
  return validationLink(site.outbox, email);
}
async function open(link: string, languages = ['en-GB']): Promise<Page> {
  const page = await browser.page(languages);
  await page.goto(link);
  return page;
}
const text = (page: Page, selector: string) => page.$eval(selector, (e) => e.textContent ?? '');
const type = async (page: Page, password: string, again = password) => {
  for (const [name, value] of [['p1', password], ['p2', again]] as const) {
    const field = (await page.waitForSelector(`input[name=${name}]`))!;
    await field.click({ count: 3 });
    await field.type(value);
  }
};
const grade = (page: Page, pattern: string) => page.waitForFunction((p) => new RegExp(p).test(document.querySelector('.strength')?.className ?? ''), {}, pattern);

test('the page names organisation, address and name, refuses weak passwords, and validates', { skip: missing }, async () => {
  const link = await invited('marie.durand@example.org');
  const page = await open(link);
  await page.waitForSelector('form');
  assert.match(await text(page, '.orgname'), /Hôpital d’Exemple/);
  assert.match(await text(page, '.email'), /marie\.durand@example\.org/);
  const names = await page.$$eval('form input:not([name])', (list) => list.map((i) => (i as HTMLInputElement).value));
  assert.deepEqual(names, ['Marie', 'Durand']);

  for (const weak of ['trombone', 'Durand-tulip-harbour-52-cobalt', 'qwertyuiop']) {
    await type(page, weak);
    await grade(page, 'grade-[12]');
    await page.click('button[type=submit]');
    await page.waitForSelector('input[name=p1][aria-invalid=true]');
  }
  await type(page, 'violon brume cerise quai', 'violon brume cerise qua1');
  await grade(page, 'grade-[34]');
  await page.click('button[type=submit]');
  await page.waitForSelector('input[name=p2][aria-invalid=true]');
  assert.equal(await page.$('.done'), null);

  await type(page, 'Żółta gęś śpiewa o świcie 8');
  await page.click('button[type=submit]');
  await page.waitForSelector('.done');
  assert.match(await text(page, '.done code'), new RegExp(`conclave-cli login --manager ${site.url} --org ${site.organisation} marie`));
  assert.equal(new URL(page.url()).hash, '', 'the token stays in the address bar');

  const device = new Device(site.url);
  const answer = await device.login('marie.durand@example.org', 'Żółta gęś śpiewa o świcie 8', false);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.user.first_name, 'Marie');
});

test('a used and an unknown link each get a clear sentence', { skip: missing }, async () => {
  const link = await invited('used@example.org');
  assert.equal((await new Device(site.url).validate(link, 'U', 'Sed', PASSWORD)).status, 204);
  let page = await open(link);
  await page.waitForSelector('[role=alert]');
  assert.match(await text(page, 'h1'), /used already/);
  page = await open(`${site.url}/validate#t=${'A'.repeat(43)}&org=${site.organisation}`);
  await page.waitForSelector('[role=alert]');
  assert.match(await text(page, 'h1'), /does not work/);
  page = await open(`${site.url}/validate`);
  await page.waitForSelector('[role=alert]');
});

test('French and English by the browser, with a switch', { skip: missing }, async () => {
  const page = await open(await invited('langue@example.org'), ['fr-CH', 'en']);
  await page.waitForSelector('form');
  assert.match(await text(page, 'h1'), /Valider votre compte/);
  assert.equal(await page.$eval('html', (e) => e.lang), 'fr');
  await page.click('.language');
  await page.waitForFunction(() => document.documentElement.lang === 'en');
  assert.match(await text(page, 'h1'), /Validate your account/);
});

test('no field is a password field that the browser would offer to store; every field has a label', { skip: missing }, async () => {
  const page = await open(await invited('fields@example.org'));
  await page.waitForSelector('form');
  const fields = await page.$$eval('form input', (list) =>
    list.map((e) => {
      const i = e as HTMLInputElement;
      return { type: i.type, complete: i.autocomplete, spell: i.spellcheck, name: i.name, label: i.labels?.[0]?.textContent ?? '' };
    }),
  );
  assert.equal(fields.length, 4);
  for (const f of fields) assert.notEqual(f.label, '');
  for (const f of fields.filter((x) => x.name)) assert.deepEqual([f.type, f.complete, f.spell], ['text', 'off', false]);
  const drawn = await page.$eval('input[name=p1]', (e) => getComputedStyle(e).getPropertyValue('-webkit-text-security'));
  assert.equal(drawn, 'disc');
});

test('when the manager does not answer, what was typed is kept', { skip: missing }, async () => {
  const page = await open(await invited('net@example.org'));
  await page.waitForSelector('form');
  await type(page, 'violon brume cerise quai');
  await grade(page, 'grade-[34]');
  await site.manager.stop();
  await page.click('button[type=submit]');
  await page.waitForSelector('.banner');
  assert.match(await text(page, '.banner'), /No answer from the server/);
  assert.equal(await page.$eval('input[name=p1]', (e) => (e as HTMLInputElement).value), 'violon brume cerise quai');
  await site.startManager();
  await page.click('button[type=submit]');
  await page.waitForSelector('.done');
});

test('the pages asked nobody but the manager, and broke no policy', { skip: missing }, () => {
  assert.ok(browser.requests.length > 0 && browser.errors.length > 0, 'requests and errors are listened to');
  for (const url of browser.requests) assert.ok(url.startsWith(`${site.url}/`), url);
  assert.equal(browser.requests.some((url) => /[?&]t=/.test(url)), false);
  const broken = browser.errors.filter((e) => !/status of 4\d\d|ERR_CONNECTION_REFUSED|ERR_CONNECTION_CLOSED|ERR_CONNECTION_RESET/.test(e));
  assert.deepEqual(broken, []);
});
