// SPDX-License-Identifier: Apache-2.0
// Something between clients and the relay: a wire that can be cut, or (with the relay's own key) an ear inside TLS.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as httpsServer, type Server as HttpsServer } from 'node:https';
import { connect as tcpConnect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as tlsConnect, createServer as tlsServer, type TLSSocket } from 'node:tls';
import { freePorts, programs } from './build';
import { Proc } from './process';
import type { Relay, Site } from './site';

/** The relay now listens elsewhere; gives the port of its URL, where the clients knock, and its own. */
export async function moveRelay(site: Site, other?: Relay): Promise<{ front: number; behind: number }> {
  const config = other?.config ?? site.relayConf;
  const front = Number(new URL(other?.url ?? site.relayUrl).port);
  const [behind] = await freePorts(1);
  await (other?.relay ?? site.relay).stop();
  const conf = readFileSync(config, 'utf8');
  const moved = conf.replace(/^(\s*listen\s*=).*$/m, `$1 127.0.0.1:${behind}`);
  if (moved === conf) throw new Error('relay.conf names no address');
  writeFileSync(config, moved);
  if (other) {
    other.relay = new Proc(programs.relay(), ['run', '--config', config]);
    site.processes.push(other.relay);
    await other.relay.said(/listening/);
  } else {
    await site.startRelay();
  }
  return { front, behind: behind! };
}

export function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

/** Hands on what comes, in order, `late()` ms after it came. */
function passLate(from: Socket, to: Socket, late: () => number): void {
  const waiting: { at: number; what: () => void }[] = [];
  const pump = () => {
    while (waiting.length && waiting[0]!.at <= Date.now()) waiting.shift()!.what();
    if (waiting.length) setTimeout(pump, waiting[0]!.at - Date.now());
  };
  const then = (what: () => void) => {
    waiting.push({ at: Date.now() + late(), what });
    if (waiting.length === 1) setTimeout(pump, late());
  };
  from.on('data', (data) => then(() => to.writable && to.write(data)));
  from.on('end', () => then(() => to.end()));
  from.on('close', () => then(() => to.destroy()));
}

/** Passes bytes on until it is cut. */
export class Wire {
  private readonly pairs = new Set<[Socket, Socket]>();
  /** How long a slow wire takes, each way. */
  delayMs = 0;
  private constructor(private readonly server: Server) {}

  /** A slow wire before a relay. */
  static async slow(site: Site, delayMs: number, other?: Relay): Promise<Wire> {
    const { front, behind } = await moveRelay(site, other);
    const server = createServer((client) => {
      const relay = tcpConnect(behind, '127.0.0.1');
      const pair: [Socket, Socket] = [client, relay];
      wire.pairs.add(pair);
      for (const [from, to] of [pair, [relay, client]] as [Socket, Socket][]) {
        passLate(from.setNoDelay(true), to, () => wire.delayMs);
        from.on('error', () => {});
        from.on('close', () => wire.pairs.delete(pair));
      }
    });
    const wire = new Wire(server);
    wire.delayMs = delayMs;
    await listen(server, front);
    return wire;
  }

  static async before(site: Site): Promise<Wire> {
    const { front, behind } = await moveRelay(site);
    const server = createServer((client) => {
      const relay = tcpConnect(behind, '127.0.0.1');
      const pair: [Socket, Socket] = [client, relay];
      wire.pairs.add(pair);
      for (const [from, to] of [pair, [relay, client]] as [Socket, Socket][]) {
        from.setNoDelay(true).pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          to.destroy();
          wire.pairs.delete(pair);
        });
      }
    });
    const wire = new Wire(server);
    await listen(server, front);
    return wire;
  }

  /** Resets every connection, at both ends; how many there were. */
  reset(): number {
    const n = this.pairs.size;
    for (const pair of [...this.pairs]) pair.forEach((socket) => socket.resetAndDestroy());
    return n;
  }

  close(): void {
    this.server.close();
    this.reset();
  }
}

/** Somebody else's server where ours was. */
export class Impostor {
  requests = 0;
  private constructor(private readonly server: HttpsServer) {}

  static async at(url: string, dir: string): Promise<Impostor> {
    const key = join(dir, 'impostor.key');
    const cert = join(dir, 'impostor.crt');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
    const server = httpsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, res) => {
      impostor.requests++;
      res.writeHead(500).end();
    });
    const impostor = new Impostor(server);
    await listen(server, Number(new URL(url).port));
    return impostor;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** What a WebSocket connection carries in one direction: HTTP head, then the payloads, unmasked, one after another. */
class Payloads {
  readonly parts: Buffer[] = [];
  private rest: Buffer = Buffer.alloc(0);
  private head = true;

  take(data: Buffer): void {
    this.rest = this.rest.length ? Buffer.concat([this.rest, data]) : data;
    if (this.head) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.parts.push(this.rest.subarray(0, end + 4));
      this.rest = this.rest.subarray(end + 4);
      this.head = false;
    }
    while (this.frame());
  }

  private frame(): boolean {
    const b = this.rest;
    if (b.length < 2) return false;
    const masked = (b[1]! & 0x80) !== 0;
    const short = b[1]! & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = 2 + extra + (masked ? 4 : 0);
    if (b.length < start) return false;
    const length = extra === 2 ? b.readUInt16BE(2) : extra === 8 ? Number(b.readBigUInt64BE(2)) : short;
    if (b.length < start + length) return false;
    const payload = Buffer.from(b.subarray(start, start + length));
    if (masked) for (let i = 0; i < length; i++) payload[i]! ^= b[start - 4 + (i & 3)]!;
    this.parts.push(payload);
    this.rest = b.subarray(start + length);
    return true;
  }
}

/**
 * A TLS server with the relay's own key in the relay's place; each client comes with a connection to the relay, and they
 * end together. It listens from `start` on.
 */
export async function inRelaysPlace(site: Site, serve: (client: TLSSocket, relay: TLSSocket) => void) {
  const { front, behind } = await moveRelay(site);
  const file = (name: string) => readFileSync(join(site.relayData, name));
  const ALPNProtocols = ['http/1.1'];
  const server = tlsServer({ key: file('tls.key'), cert: file('tls.pem'), minVersion: 'TLSv1.3', ALPNProtocols }, (client) => {
    const relay = tlsConnect({ port: behind, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols });
    for (const [side, other] of [[client, relay], [relay, client]] as const) {
      side.setNoDelay(true);
      side.on('error', () => other.destroy());
      side.on('close', () => other.destroy());
    }
    serve(client, relay);
  });
  return { server, start: () => listen(server, front) };
}

/** Sits in the relay's place with the relay's key, and keeps what passes. Unknown to clients: the pin is the right one. */
export class Ear {
  private readonly streams: { in: Payloads; out: Payloads }[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly held = new Set<Socket>();
  private holdAt = Infinity;
  private onHeld: () => void = () => {};
  private constructor(private readonly server: Server) {}

  static async before(site: Site): Promise<Ear> {
    const { server, start } = await inRelaysPlace(site, (client, relay) => ear.serve(client, relay));
    const ear = new Ear(server);
    await start();
    return ear;
  }

  private serve(client: TLSSocket, relay: TLSSocket): void {
    const kept = { in: new Payloads(), out: new Payloads() };
    this.streams.push(kept);
    let sent = 0;
    for (const [from, to, side] of [[client, relay, kept.in], [relay, client, kept.out]] as const) {
      this.sockets.add(from);
      from.on('data', (data: Buffer) => {
        side.take(data);
        if (to.writable && !to.write(data)) {
          from.pause();
          to.once('drain', () => this.held.has(from) || from.resume());
        }
        if (from !== relay || (sent += data.length) < this.holdAt) return;
        from.pause();
        this.held.add(from);
        this.onHeld();
      });
    }
  }

  /** The first client to whom the relay has sent so many bytes gets no more of them until `go`: resolves then. */
  hold(bytes: number): Promise<void> {
    this.holdAt = bytes;
    return new Promise((resolve) => (this.onHeld = resolve));
  }

  go(): void {
    this.holdAt = Infinity;
    this.held.forEach((socket) => socket.resume());
    this.held.clear();
  }

  /** All that reached the relay, and all that it sent. */
  heard(): { in: Buffer; out: Buffer } {
    const side = (s: 'in' | 'out') => Buffer.concat(this.streams.flatMap((stream) => stream[s].parts));
    return { in: side('in'), out: side('out') };
  }

  close(): void {
    this.server.close();
    this.sockets.forEach((s) => s.destroy());
  }
}
