// SPDX-License-Identifier: Apache-2.0
// A hostile relay: sits in the relay's place with the relay's own key, and changes, holds back or adds messages on
// their way to the clients. Unknown to clients: the pin is the right one.
import { type Server } from 'node:net';
import { type TLSSocket } from 'node:tls';
import { inRelaysPlace } from './proxy';
import type { Site } from './site';

export const HANDSHAKE = 2;
export const MEDIA = 4;
export const FILE = 5;

/** What becomes of a message from the relay to a client: the messages that are sent instead of it. */
export type Change = (message: Buffer, link: Link) => Buffer[];

/** One client's connection; `number` counts them from 0 in the order of their coming. */
export class Link {
  private rest: Buffer = Buffer.alloc(0);
  private upgraded = false;
  private held: Buffer[] | undefined;
  private readonly chunks: Buffer[] = [];

  constructor(
    readonly number: number,
    readonly client: TLSSocket,
    readonly relay: TLSSocket,
    private readonly hostile: Hostile,
  ) {}

  /** From the relay: WebSocket frames, unmasked, one message each. */
  take(data: Buffer): void {
    this.rest = this.rest.length ? Buffer.concat([this.rest, data]) : data;
    if (!this.upgraded) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.client.write(this.rest.subarray(0, end + 4));
      this.rest = this.rest.subarray(end + 4);
      this.upgraded = true;
    }
    const out: Buffer[] = [];
    while (this.frame(out));
    if (out.length) this.client.write(Buffer.concat(out));
  }

  private frame(out: Buffer[]): boolean {
    const b = this.rest;
    if (b.length < 2) return false;
    const short = b[1]! & 0x7f;
    const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    if (b.length < start) return false;
    const length = short === 126 ? b.readUInt16BE(2) : short === 127 ? Number(b.readBigUInt64BE(2)) : short;
    if (b.length < start + length) return false;
    const whole = b.subarray(0, start + length);
    const message = Buffer.from(whole.subarray(start));
    this.rest = b.subarray(start + length);
    // Pings and the like go on as they are.
    if ((whole[0]! & 0x0f) !== 2) out.push(whole);
    else if (this.held && message[0] === HANDSHAKE) this.held.push(message);
    else if (message[0] === FILE && (this.hostile.chunkMs || this.chunks.length)) this.later(message);
    else for (const m of this.hostile.change ? this.hostile.change(message, this) : [message]) out.push(framed(m));
    return true;
  }

  /** A chunk of a file waits for its turn. */
  private later(chunk: Buffer): void {
    const next = () => {
      const due = this.chunks.shift();
      if (due) this.client.write(framed(due));
      if (this.chunks.length) setTimeout(next, this.hostile.chunkMs);
    };
    if (this.chunks.push(chunk) === 1) setTimeout(next, this.hostile.chunkMs);
  }

  /** Commits and Welcomes do not reach the client until `release`. */
  hold(): void {
    this.held ??= [];
  }

  release(): number {
    const held = this.held ?? [];
    this.held = undefined;
    for (const m of held) this.client.write(framed(m));
    return held.length;
  }

  cut(): void {
    this.chunks.length = 0;
    this.client.destroy();
    this.relay.destroy();
  }
}

function framed(message: Buffer): Buffer {
  const n = message.length;
  const head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
  head[0] = 0x82;
  head[1] = n < 126 ? n : n < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(n, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(n), 2);
  return Buffer.concat([head, message]);
}

export class Hostile {
  readonly links: Link[] = [];
  change: Change | undefined;
  /** One chunk of a file in so many milliseconds reaches each client: long enough in the middle of it, however fast
   * the machine. 0: as they come. */
  chunkMs = 0;
  /** Nobody new gets through. */
  closed = false;
  private constructor(private readonly server: Server) {}

  static async before(site: Site): Promise<Hostile> {
    const { server, start } = await inRelaysPlace(site, (client, relay) => hostile.serve(client, relay));
    const hostile = new Hostile(server);
    await start();
    return hostile;
  }

  private serve(client: TLSSocket, relay: TLSSocket): void {
    if (this.closed) {
      client.destroy();
      return;
    }
    const link = new Link(this.links.length, client, relay, this);
    this.links.push(link);
    relay.on('data', (data: Buffer) => link.take(data));
    client.on('data', (data: Buffer) => relay.write(data));
  }

  close(): void {
    this.server.close();
    this.links.forEach((l) => l.cut());
  }
}

// ---- media messages: kind, leaf (2), stream, unit (4), fragment (2), flags; the first has a media header (8) then

export const fragment = {
  leaf: (m: Buffer) => m.readUInt16BE(1),
  stream: (m: Buffer) => m[3]!,
  unit: (m: Buffer) => m.readUInt32BE(4),
  first: (m: Buffer) => (m[10]! & 1) !== 0,
  last: (m: Buffer) => (m[10]! & 2) !== 0,
};

