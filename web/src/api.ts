// SPDX-License-Identifier: Apache-2.0
// Account validation at the manager (docs/protocol.md, section 3) and the worker that computes for the page.
import type { Person, Rating } from './rules';
import type { Reply, Request, Started } from './worker';

export interface Account {
  email: string;
  first_name: string;
  last_name: string;
  organisation: string;
  user_id: string;
}

/** `link`: the token is unknown, used or expired; `busy`: throttled; `network`: no answer; `server`: anything else. */
export type FailureKind = 'link' | 'used' | 'expired' | 'busy' | 'network' | 'server' | 'browser';

export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    detail = '',
  ) {
    super(detail === '' ? kind : detail);
  }
}

const PROBLEM = 'urn:conclave:problem:';

function failureOf(status: number, type: string, detail: string): Failure {
  const name = type.startsWith(PROBLEM) ? type.slice(PROBLEM.length) : '';
  if (name.includes('expired')) return new Failure('expired', detail);
  if (name.includes('used')) return new Failure('used', detail);
  if (status === 429) return new Failure('busy', detail);
  if (name.startsWith('link') || [400, 401, 403, 404, 410].includes(status)) return new Failure('link', detail);
  return new Failure('server', detail);
}

async function post(path: string, body: object): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/validation/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.timeout(20000),
    });
  } catch {
    throw new Failure('network');
  }
  if (answer.status === 204) return null;
  const content = (await answer.json().catch(() => null)) as { type?: unknown; detail?: unknown } | null;
  if (answer.ok && content !== null) return content;
  throw failureOf(answer.status, String(content?.type ?? ''), String(content?.detail ?? ''));
}

export const show = (token: string): Promise<Account> => post('show', { token }) as Promise<Account>;

class Computer {
  #worker = new Worker('/web/validate-worker.js', { type: 'module' });
  #next = 1;
  #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (reason: Failure) => void }>();

  constructor() {
    this.#worker.addEventListener('message', (event: MessageEvent<Reply>) => {
      const reply = event.data;
      const waiter = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiter?.resolve(reply.value);
      else waiter?.reject(new Failure('browser'));
    });
    this.#worker.addEventListener('error', () => {
      for (const waiter of this.#waiting.values()) waiter.reject(new Failure('browser'));
      this.#waiting.clear();
    });
  }

  #ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  rate(password: string, person: Person): Promise<Rating> {
    return this.#ask({ id: this.#next++, kind: 'rate', password, person }) as Promise<Rating>;
  }

  start(password: string): Promise<Started> {
    return this.#ask({ id: this.#next++, kind: 'start', password }) as Promise<Started>;
  }

  finish(password: string, state: string, response: string): Promise<string> {
    return this.#ask({ id: this.#next++, kind: 'finish', password, state, response }) as Promise<string>;
  }
}

export const computer = new Computer();

/** OPAQUE registration: the password leaves this browser in no form from which it could be read. */
export async function register(token: string, person: Person, password: string): Promise<void> {
  const started = await computer.start(password);
  const answer = (await post('start', { token, registration_request: started.request })) as {
    registration_response?: unknown;
  };
  if (typeof answer.registration_response !== 'string') throw new Failure('server');
  const record = await computer.finish(password, started.state, answer.registration_response);
  await post('finish', {
    token,
    first_name: person.firstName,
    last_name: person.lastName,
    registration_record: record,
  });
}
