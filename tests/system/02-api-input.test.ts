// SPDX-License-Identifier: Apache-2.0
// Malformed requests get a problem document and leave the manager running.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { problem, send } from '../lib/api';
import { WAIT_MS } from '../lib/process';
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

/** Bytes as they are; what comes back until the server closes, or has sent what it said. */
function raw(bytes: string): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(new URL(site.url).port), host: 'localhost', rejectUnauthorized: false });
    let text = '';
    const whole = () => {
      const [head = '', body = ''] = text.split('\r\n\r\n', 2);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN);
      return { head, body, done: body.length >= length };
    };
    const finish = () => {
      const { head, body } = whole();
      socket.destroy();
      resolve({
        status: Number(/^HTTP\/1\.[01] (\d+)/.exec(head)?.[1] ?? 0),
        type: /^content-type: *(\S+)/im.exec(head)?.[1] ?? '',
        body,
      });
    };
    socket.setEncoding('utf8').setTimeout(WAIT_MS, () => socket.destroy(new Error('no answer')));
    socket.on('secureConnect', () => socket.write(bytes, 'latin1'));
    socket.on('data', (data: string) => {
      text += data;
      if (whole().done) finish();
    });
    socket.on('end', finish);
    socket.on('error', (err) => (text ? finish() : reject(err)));
  });
}

test('what is not HTTP, or too large a head, gets a problem document too', async () => {
  const get = (headers: string) => `GET /api/v1/manifest HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
  const show = (headers: string) => `POST /api/v1/validation/show HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n{}`;
  const cases: [string, string, number, string][] = [
    ['noise', '\x00\x01\x02 noise\r\n\r\n', 400, 'not-http'],
    ['prose', 'hello world, this is no HTTP\r\n\r\n', 400, 'not-http'],
    ['an unknown method', 'FROB /api/v1/manifest HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'not-http'],
    ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'not-http'],
    ['no path', 'GET api HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'not-http'],
    ['a broken escape', 'GET /api/%zz HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'not-http'],
    ['no Host', 'GET /api/v1/manifest HTTP/1.1\r\n\r\n', 400, 'not-http'],
    ['HTTP/2 without ALPN', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'not-http'],
    ['a WebSocket', get('Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'), 400, 'not-http'],
    ['h2c', get('Upgrade: h2c\r\nConnection: Upgrade\r\n'), 400, 'not-http'],
    ['two lengths', show('Content-Length: 2\r\nContent-Length: 40\r\n'), 400, 'not-http'],
    ['a negative length', show('Content-Length: -2\r\n'), 400, 'not-http'],
    ['a length that is no number', show('Content-Length: two\r\n'), 400, 'not-http'],
    ['a length beyond all numbers', show(`Content-Length: ${'9'.repeat(30)}\r\n`), 413, 'too-large'],
    ['a long path', `GET /${'a'.repeat(600)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, 'address-too-long'],
    ['a long query', `GET /api/v1/manifest?a=${'a'.repeat(600)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, 'address-too-long'],
    ['a large header', get(`Cookie: ${'a'.repeat(9000)}\r\n`), 431, 'headers-too-large'],
    ['a method that is not possible here', 'DELETE /api/v1/manifest HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method-not-allowed'],
  ];
  for (const [what, bytes, status, name] of cases) {
    const answer = await raw(bytes);
    assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer)}`);
    assert.equal(answer.type, 'application/problem+json', what);
    assert.equal(JSON.parse(answer.body).type, `urn:conclave:problem:${name}`, what);
  }
  // Beyond 32 KiB of headers the connection just ends.
  const huge = await raw(get(`Cookie: ${'a'.repeat(40000)}\r\n`)).catch((err: Error) => ({ status: 0, body: err.message }));
  assert.equal(huge.status, 0);
  assert.doesNotMatch(huge.body, /no answer|REFUSED/);
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
