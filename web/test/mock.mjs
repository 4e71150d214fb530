// SPDX-License-Identifier: Apache-2.0
// The pages on a manager that only pretends, for working on their looks: node test/mock.mjs [WEB-BUILD-DIR [PORT]]
// Tokens: anything validates; 'used', 'expired', 'unknown', 'busy', 'broken' fail as their names say.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ready, server } from '@serenity-kit/opaque';

const here = dirname(fileURLToPath(import.meta.url));
const webdir = process.argv[2] ?? join(here, '../../build/web');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' };
const failures = { used: [410, 'link-used'], expired: [410, 'link-expired'], unknown: [404, 'link-unknown'], busy: [429, 'too-many-attempts'], broken: [500, 'internal'] };
await ready;
const setup = server.createSetup();
const USER = '00112233445566778899aabbccddeeff';

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function api(name, request, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const body = JSON.parse(text);
  const failure = failures[body.token];
  if (failure) return answer(response, failure[0], { type: `urn:conclave:problem:${failure[1]}`, title: failure[1], status: failure[0] });
  if (name === 'show')
    return answer(response, 200, { email: 'helene.vasseur@atelier-nord.example', first_name: 'Hélène', last_name: 'Vasseur', organisation: 'Atelier Nord', user_id: USER });
  if (name === 'start') {
    if (body.token === 'lost') return request.socket.destroy();
    const { registrationResponse } = server.createRegistrationResponse({ serverSetup: setup, userIdentifier: USER, registrationRequest: body.registration_request });
    return answer(response, 200, { registration_response: registrationResponse });
  }
  return answer(response, 204);
}

createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (path.startsWith('/api/v1/validation/')) return void api(path.split('/').at(-1), request, response);
  const name = path === '/validate' ? 'validate.html' : path.startsWith('/web/') ? path.slice(5) : '';
  try {
    const content = readFileSync(join(webdir, name.replaceAll('/', '')));
    response.writeHead(200, {
      'Content-Type': types[extname(name)],
      'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(process.argv[3] ?? 8080), '127.0.0.1', function () {
  console.log(`http://127.0.0.1:${this.address().port}/validate#t=x&org=${'0f'.repeat(32)}`);
});
