// SPDX-License-Identifier: Apache-2.0
// Malformed requests get a problem document and leave the manager running.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { problem, send } from '../lib/api';
import { Site } from '../lib/site';

let site: Site;
before(async () => {
  site = await Site.servers('input');
});
after(() => site.stop());

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  send(`${site.url}/api/v1${path}`, 'POST', body, headers);

test('what is no JSON object, too large, too deep or of another type is refused', async () => {
  const cases: [string, string, Record<string, string>, number, string][] = [
    ['not JSON', '{', {}, 400, 'bad-request'],
    ['an array', '[]', {}, 400, 'bad-request'],
    ['a field of another type', '{"token": 7}', {}, 400, 'bad-request'],
    ['a field twice', '{"token": "a", "token": "b"}', {}, 400, 'bad-request'],
    ['nested too deeply', `{"token": ${'['.repeat(64)}${']'.repeat(64)}}`, {}, 400, 'bad-request'],
    ['over 64 KiB', JSON.stringify({ token: 'x'.repeat(70_000) }), {}, 413, 'too-large'],
    ['another type', '{"token": "x"}', { 'Content-Type': 'text/plain' }, 415, 'unsupported-media-type'],
  ];
  for (const [what, body, headers, status, name] of cases) {
    const answer = await post('/validation/show', body, headers);
    assert.deepEqual([answer.status, problem(answer)], [status, name], what);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/, what);
    assert.equal(answer.json.status, status, what);
    assert.ok(answer.json.title && answer.json.detail, what);
  }
});

test('unknown paths and methods are told apart', async () => {
  const unknown = await send(`${site.url}/api/v1/nothing`, 'GET');
  assert.deepEqual([unknown.status, problem(unknown)], [404, 'not-found']);
  const method = await send(`${site.url}/api/v1/validation/show`, 'GET');
  assert.deepEqual([method.status, problem(method)], [405, 'method-not-allowed']);
  assert.equal(method.headers['allow'], 'POST');
});

test('the page comes with a strict policy and from this server alone', async () => {
  const page = await send(`${site.url}/validate`, 'GET');
  assert.equal(page.status, 200);
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|https?:/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal(page.headers['referrer-policy'], 'no-referrer');
  assert.doesNotMatch(page.text, /src="https?:|href="https?:/);
  const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => m[1]!);
  assert.ok(parts.length >= 2);
  for (const part of parts) assert.equal((await send(`${site.url}${part}`, 'GET')).status, 200, part);
});

test('paths cannot leave the folder of the pages', async () => {
  for (const path of ['/../manager.conf', '/..%2fmanager.conf', '/%2e%2e/manager.conf', '//etc/passwd', '/.git/config']) {
    const answer = await send(`${site.url}${path}`, 'GET');
    assert.ok(answer.status === 404 || answer.status === 400, `${path}: ${answer.status}`);
  }
});

test('the manager still serves', async () => {
  const answer = await send(`${site.url}/api/v1/manifest`, 'GET');
  assert.equal(answer.status, 200);
  assert.equal(site.manager.code, undefined);
});
