// SPDX-License-Identifier: Apache-2.0
// A second client of the relay's tunnel, from docs/protocol.md section 4 and proto/tunnel.proto; without MLS.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, createFileRegistry, fromBinary, toBinary, type DescMessage } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { b64, sha256, unb64, type Device } from './api';
import { source } from './build';
import { WAIT_MS } from './process';
import { WebSocketClient } from './websocket';

function schema(name: string): DescMessage {
  const dir = mkdtempSync(join(tmpdir(), 'conclave-proto-'));
  const file = join(dir, 'tunnel.set');
  execFileSync('protoc-c', [`--descriptor_set_out=${file}`, `--proto_path=${join(source, 'proto')}`, 'tunnel.proto']);
  const set = readFileSync(file);
  rmSync(dir, { recursive: true });
  const found = createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).getMessage(`conclave.tunnel.v1.${name}`);
  if (!found) throw new Error(`tunnel.proto has no ${name}`);
  return found;
}
const Control = schema('Control');

export const Reason = {
  MALFORMED: 1,
  TICKET_INVALID: 2,
  TICKET_EXPIRED: 3,
  TICKET_USED: 4,
  BANNED: 5,
  REVOKED: 6,
  NO_SUCH_RUN: 8,
  CANNOT_RESUME: 9,
  DENIED: 11,
  REPLACED: 13,
} as const;

export type Body = { case: string; value: any };

/** What the manager's answer to 'join' holds, as bytes. */
export interface Entry {
  run: Buffer;
  ticket: Buffer;
  admission: Buffer;
  grant: Buffer | undefined;
  relays: { id: string; url: string; pins: string[] }[];
}

export async function entry(device: Device, meeting: string): Promise<Entry> {
  const j = await device.must('POST', `/meetings/${meeting}/join`, {});
  return {
    run: Buffer.from(j.run_id, 'hex'),
    ticket: unb64(j.ticket),
    admission: unb64(j.admission),
    grant: j.creation_grant ? unb64(j.creation_grant) : undefined,
    relays: j.relays,
  };
}

export class Tunnel {
  private taken = 0;
  private constructor(
    readonly ws: WebSocketClient,
    readonly device: Device,
  ) {}
  relayId: Buffer = Buffer.alloc(0);
  nonce: Buffer = Buffer.alloc(0);

  /** Connected and greeted. */
  static async open(url: string, device: Device): Promise<Tunnel> {
    const tunnel = new Tunnel(await WebSocketClient.open(url, '/tunnel', 'conclave.tunnel.1'), device);
    const hello = await tunnel.next('hello');
    tunnel.relayId = Buffer.from(hello.relayId);
    tunnel.nonce = Buffer.from(hello.nonce);
    return tunnel;
  }

  control(name: string, value: object): void {
    const message = create(Control, { body: { case: name, value } } as any);
    this.ws.send(Buffer.concat([Buffer.from([1]), toBinary(Control, message)]));
  }

  /** The next control message, which must be `name`. */
  async next(name: string, timeoutMs = WAIT_MS): Promise<any> {
    const body = await this.any(timeoutMs);
    if (body.case !== name) throw new Error(`expected ${name}, got ${body.case}`);
    return body.value;
  }

  async any(timeoutMs = WAIT_MS): Promise<Body> {
    return this.ws.until(
      'a control message',
      () => {
        while (this.taken < this.ws.messages.length) {
          const message = this.ws.messages[this.taken++]!;
          if (message[0] === 1) return (fromBinary(Control, message.subarray(1)) as any).body as Body;
        }
        return undefined;
      },
      timeoutMs,
    );
  }

  proof(object: Uint8Array, nonce: Uint8Array = this.nonce): Buffer {
    return this.device.sign('Device Proof', Buffer.concat([this.relayId, nonce, sha256(object)]));
  }

  /** Sends Enter; `change` replaces fields. */
  enter(e: Entry, change: object = {}): void {
    this.control('enter', {
      ticket: e.ticket,
      deviceKey: this.device.key,
      proof: this.proof(e.ticket),
      ...(e.grant ? { creationGrant: e.grant } : {}),
      ...change,
    });
  }

  /** Sends Enter and gives the reason of the refusal; 0 when it was let in. */
  async tryEnter(e: Entry, change: object = {}): Promise<number> {
    this.enter(e, change);
    const body = await this.any();
    if (body.case === 'entered') return 0;
    if (body.case !== 'refused') throw new Error(`unexpected ${body.case}`);
    return body.value.reason as number;
  }

  close(): void {
    this.ws.destroy();
  }
}

export { b64 };
