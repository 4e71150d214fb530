// SPDX-License-Identifier: Apache-2.0
// The part of smtp-server that the tests use; the package brings no types.
declare module 'smtp-server' {
  import type { Server } from 'node:net';
  import type { Readable } from 'node:stream';

  interface Session {
    secure: boolean;
    user?: unknown;
    envelope: { rcptTo: { address: string }[] };
  }
  interface Options {
    key?: Buffer;
    cert?: Buffer;
    authMethods?: string[];
    onAuth?: (
      auth: { username?: string; password?: string },
      session: Session,
      done: (err: Error | null, answer?: { user: unknown }) => void,
    ) => void;
    onData?: (stream: Readable, session: Session, done: (err?: Error) => void) => void;
  }
  export class SMTPServer {
    constructor(options: Options);
    server: Server;
    listen(port: number, host: string, done: () => void): void;
    close(done: () => void): void;
    on(event: 'error', fn: (err: Error) => void): void;
  }
}
