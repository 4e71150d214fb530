// SPDX-License-Identifier: Apache-2.0
// A WebSocket client (RFC 6455) that can also send what no well-behaved client would.
import { randomBytes } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import { WAIT_MS } from './process';

export interface Close {
  /** Close code of the peer; 1006 when the connection ended without one. */
  code: number;
}

export class WebSocketClient {
  readonly messages: Buffer[] = [];
  closed: Close | undefined;
  private buffer = Buffer.alloc(0);
  private parts: Buffer[] = [];
  private wake: (() => void)[] = [];

  private constructor(readonly socket: TLSSocket) {}

  static async open(url: string, path: string, subprotocol: string): Promise<WebSocketClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: '127.0.0.1', servername: hostname, port: Number(port || 443), rejectUnauthorized: false });
    const client = new WebSocketClient(socket);
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      let head = Buffer.alloc(0);
      const onHead = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', onHead);
        const status = head.subarray(0, end).toString('latin1').split('\r\n')[0] ?? '';
        if (!status.includes(' 101 ')) {
          socket.destroy();
          reject(new Error(status));
          return;
        }
        socket.on('data', (data: Buffer) => client.take(data));
        client.take(head.subarray(end + 4));
        resolve();
      };
      socket.on('data', onHead);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed before the handshake')));
      socket.once('secureConnect', () =>
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
            `Sec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
        ),
      );
    });
    socket.on('error', () => undefined);
    socket.on('close', () => client.end(1006));
    return client;
  }

  private end(code: number): void {
    this.closed ??= { code };
    this.notify();
  }

  private notify(): void {
    const wake = this.wake;
    this.wake = [];
    for (const fn of wake) fn();
  }

  private take(data: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, data]);
    for (;;) {
      if (this.buffer.length < 2) return;
      const first = this.buffer[0]!;
      let length = this.buffer[1]! & 0x7f;
      let at = 2;
      if (length === 126) {
        if (this.buffer.length < 4) return;
        length = this.buffer.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (this.buffer.length < 10) return;
        length = Number(this.buffer.readBigUInt64BE(2));
        at = 10;
      }
      if (this.buffer.length < at + length) return;
      const payload = Buffer.from(this.buffer.subarray(at, at + length));
      this.buffer = this.buffer.subarray(at + length);
      this.frame(first & 0x0f, (first & 0x80) !== 0, payload);
    }
  }

  private frame(opcode: number, final: boolean, payload: Buffer): void {
    if (opcode === 8) {
      this.end(payload.length >= 2 ? payload.readUInt16BE(0) : 1005);
    } else if (opcode === 9) {
      this.sendFrame(10, payload);
    } else if (opcode <= 2) {
      this.parts.push(payload);
      if (!final) return;
      this.messages.push(Buffer.concat(this.parts));
      this.parts = [];
      this.notify();
    }
  }

  /** Any frame; `claim` states another length than the payload has. */
  sendFrame(opcode: number, payload: Uint8Array, claim = payload.length): void {
    const head = claim < 126 ? Buffer.alloc(2) : claim < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
    head[0] = 0x80 | opcode;
    if (claim < 126) head[1] = 0x80 | claim;
    else if (claim < 65536) {
      head[1] = 0x80 | 126;
      head.writeUInt16BE(claim, 2);
    } else {
      head[1] = 0x80 | 127;
      head.writeBigUInt64BE(BigInt(claim), 2);
    }
    const mask = randomBytes(4);
    const masked = Buffer.from(payload);
    for (let i = 0; i < masked.length; i++) masked[i]! ^= mask[i & 3]!;
    if (this.socket.writable) this.socket.write(Buffer.concat([head, mask, masked]));
  }

  send(payload: Uint8Array): void {
    this.sendFrame(2, payload);
  }

  /** Waits until `check` gives something; a closed connection or the time's end make it fail. */
  async until<T>(what: string, check: () => T | undefined, timeoutMs = WAIT_MS): Promise<T> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const found = check();
      if (found !== undefined) return found;
      if (this.closed) throw new Error(`${what}: closed with ${this.closed.code}`);
      await this.woken(what, end);
    }
  }

  private woken(what: string, end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what}: not in time`)), Math.max(0, end - Date.now()));
      this.wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async closing(timeoutMs = WAIT_MS): Promise<Close> {
    const end = Date.now() + timeoutMs;
    while (!this.closed) await this.woken('the peer closes', end);
    return this.closed;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
