// SPDX-License-Identifier: Apache-2.0
// Runs beside the page: password rating and OPAQUE, both too slow for the thread that paints.
import { client, ready } from '@serenity-kit/opaque';
import { loadCommon, rate } from './policy';
import { normalise, type Person, type Rating } from './rules';

export type Request =
  | { id: number; kind: 'rate'; password: string; person: Person }
  | { id: number; kind: 'start'; password: string }
  | { id: number; kind: 'finish'; password: string; state: string; response: string };
export type Reply = { id: number; ok: true; value: unknown } | { id: number; ok: false };
export interface Started {
  state: string;
  request: string;
}

// docs/protocol.md, 'Account validation': Argon2id, 64 MiB, three passes.
const STRETCHING = { 'argon2id-custom': { iterations: 3, memory: 65536, parallelism: 1 } };

let list: Promise<void> | null = null;

async function ensureList(): Promise<void> {
  list ??= fetch('/web/common-passwords.txt').then(async (answer) => {
    if (!answer.ok) throw new Error(`common-passwords.txt: ${answer.status}`);
    loadCommon(await answer.text());
  });
  try {
    await list;
  } catch (error) {
    list = null; // a later attempt fetches again
    throw error;
  }
}

async function serve(request: Request): Promise<Rating | Started | string> {
  switch (request.kind) {
    case 'rate':
      await ensureList();
      return rate(request.password, request.person);
    case 'start': {
      await ready;
      const { clientRegistrationState, registrationRequest } = client.startRegistration({
        password: normalise(request.password),
      });
      return { state: clientRegistrationState, request: registrationRequest };
    }
    case 'finish': {
      await ready;
      return client.finishRegistration({
        password: normalise(request.password),
        registrationResponse: request.response,
        clientRegistrationState: request.state,
        keyStretching: STRETCHING,
      }).registrationRecord;
    }
  }
}

self.addEventListener('message', (event: MessageEvent<Request>) => {
  const { id } = event.data;
  serve(event.data).then(
    (value) => self.postMessage({ id, ok: true, value } satisfies Reply),
    () => self.postMessage({ id, ok: false } satisfies Reply),
  );
});
ensureList().catch(() => undefined);
