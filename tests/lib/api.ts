// SPDX-License-Identifier: Apache-2.0
// A second client of the manager's API, written from docs/protocol.md section 3: OPAQUE, device keys, DPoP.
// It lets tests say what conclave-cli never would.
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { client as opaque, ready } from '@serenity-kit/opaque';
import { WAIT_MS } from './process';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: any;
}

/** 'urn:conclave:problem:link-used' gives 'link-used'. */
export const problem = (a: Answer): string => String(a.json?.type ?? '').replace('urn:conclave:problem:', '');
export const b64 = (data: Uint8Array): string => Buffer.from(data).toString('base64url');
export const unb64 = (text: string): Buffer => Buffer.from(text, 'base64url');
export const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const STRETCHING = { 'argon2id-custom': { iterations: 3, memory: 65536, parallelism: 1 } };

/** One request. Pins are conclave-cli's business (07-pins); here any certificate will do. */
export function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const data = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const req = httpsRequest(
      url,
      {
        method,
        rejectUnauthorized: false,
        agent: false,
        timeout: WAIT_MS,
        headers: {
          ...(data === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(data)) }),
          ...headers,
        },
      },
      (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        res.on('end', () => {
          let json: any = null;
          try {
            json = text === '' ? null : JSON.parse(text);
          } catch {
            // a page
          }
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json });
        });
      },
    );
    req.on('timeout', () => req.destroy(new Error(`${method} ${url}: no answer`)));
    req.on('error', reject);
    req.end(data);
  });
}

export function parseLink(link: string): { manager: string; token: string; org: string } {
  const at = new URL(link);
  const fragment = new URLSearchParams(at.hash.slice(1));
  return { manager: at.origin, token: fragment.get('t') ?? '', org: fragment.get('org') ?? '' };
}

/** A device with a key of its own, and a session after login. */
export class Device {
  readonly secret: KeyObject;
  readonly key: Buffer;
  token = '';
  nonce = '';
  userId = '';

  constructor(readonly manager: string) {
    const pair = generateKeyPairSync('ed25519');
    this.secret = pair.privateKey;
    this.key = unb64(pair.publicKey.export({ format: 'jwk' }).x!);
  }

  sign(label: string, content: Uint8Array): Buffer {
    return sign(null, Buffer.concat([Buffer.from(`Conclave 1 ${label}\0`), content]), this.secret);
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return send(`${this.manager}/api/v1${path}`, 'POST', body, headers);
  }

  /** Registration with a validation link; the answer of the step that failed, or of the last. */
  async validate(link: string, first: string, last: string, password: string): Promise<Answer> {
    await ready;
    const { token } = parseLink(link);
    const started = opaque.startRegistration({ password: password.normalize('NFC') });
    const answer = await this.post('/validation/start', { token, registration_request: started.registrationRequest });
    if (answer.status !== 200) return answer;
    const { registrationRecord } = opaque.finishRegistration({
      password: password.normalize('NFC'),
      registrationResponse: answer.json.registration_response,
      clientRegistrationState: started.clientRegistrationState,
      keyStretching: STRETCHING,
    });
    return this.post('/validation/finish', {
      token,
      first_name: first,
      last_name: last,
      registration_record: registrationRecord,
    });
  }

  /**
   * Sign-in. With a wrong password OPAQUE stops this side before KE3; then, as an attacker would, `forge` sends
   * random bytes for it all the same.
   */
  async login(email: string, password: string, forge = true): Promise<Answer> {
    await ready;
    const started = opaque.startLogin({ password: password.normalize('NFC') });
    const answer = await this.post('/auth/login/start', { email, ke1: started.startLoginRequest });
    if (answer.status !== 200) return answer;
    const finished = opaque.finishLogin({
      password: password.normalize('NFC'),
      loginResponse: answer.json.ke2,
      clientLoginState: started.clientLoginState,
      keyStretching: STRETCHING,
    });
    if (!finished && !forge) throw new Error('OPAQUE: wrong password');
    const ke3 = finished ? finished.finishLoginRequest : b64(randomBytes(64));
    const session = finished ? unb64(finished.sessionKey) : randomBytes(64);
    const content = Buffer.concat([
      Buffer.from(answer.json.login_id, 'hex'),
      sha256(unb64(started.startLoginRequest), unb64(answer.json.ke2), unb64(ke3)),
      this.key,
    ]);
    const macKey = createHmac('sha512', session).update('Conclave 1 Sign-in MAC\x01').digest();
    const result = await this.post('/auth/login/finish', {
      login_id: answer.json.login_id,
      ke3,
      device_key: b64(this.key),
      device_signature: b64(this.sign('Sign-in', content)),
      device_mac: b64(createHmac('sha512', macKey).update(content).digest()),
    });
    if (result.status === 200) {
      this.token = result.json.access_token;
      this.userId = result.json.user.id;
      this.nonce = String(result.headers['dpop-nonce'] ?? '');
    }
    return result;
  }

  /** A DPoP proof; `change` alters header or claims before they are signed. */
  proof(method: string, path: string, change: { header?: object; claims?: object } = {}): string {
    const header = {
      typ: 'dpop+jwt',
      alg: 'EdDSA',
      jwk: { kty: 'OKP', crv: 'Ed25519', x: b64(this.key) },
      ...change.header,
    };
    const claims = {
      htm: method,
      htu: `${this.manager}/api/v1${path}`,
      iat: Math.floor(Date.now() / 1000),
      jti: randomBytes(16).toString('hex'),
      ath: b64(sha256(Buffer.from(this.token))),
      nonce: this.nonce,
      ...change.claims,
    };
    const text = `${b64(Buffer.from(JSON.stringify(header)))}.${b64(Buffer.from(JSON.stringify(claims)))}`;
    return `${text}.${b64(sign(null, Buffer.from(text), this.secret))}`;
  }

  withProof(method: string, path: string, proof: string, body?: unknown): Promise<Answer> {
    return send(`${this.manager}/api/v1${path}`, method, body, { Authorization: `DPoP ${this.token}`, DPoP: proof });
  }

  /** An authorised request; takes a new nonce when the server asks for one. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    for (let turn = 0; ; turn++) {
      const answer = await this.withProof(method, path, this.proof(method, path), body);
      this.nonce = String(answer.headers['dpop-nonce'] ?? this.nonce);
      if (turn > 0 || problem(answer) !== 'use_dpop_nonce') return answer;
    }
  }

  /** As call, for what has to work. */
  async must(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }
}
