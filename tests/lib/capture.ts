// SPDX-License-Identifier: Apache-2.0
// Captures of the test client (CONCLAVE_HOOK_CAPTURE): every media message, with its length before it.
import { readFileSync, writeFileSync } from 'node:fs';

const FRAGMENT = 11; // bytes of a fragment's head; the first one has 8 bytes of media header after it
const FIRST = 1;

/** Splits a capture by the epoch (modulo 256) that the KID of each unit names; incomplete units at the start go. */
export function byEpoch(path: string): Map<number, Buffer> {
  const data = readFileSync(path);
  const parts = new Map<number, Buffer[]>();
  const unitEpoch = new Map<string, number>();
  for (let at = 0; at + 4 <= data.length; ) {
    const length = data.readUInt32BE(at);
    const message = data.subarray(at + 4, at + 4 + length);
    if (message.length < length) break; // being written
    const track = `${message.readUInt16BE(1)}/${message[3]}/${message.readUInt32BE(4)}`;
    if (message[10]! & FIRST) {
      const frame = message.subarray(FRAGMENT + 8);
      const kid = 1 + ((frame[0]! >> 4) & 7); // bytes of the KID when it is an extended one (RFC 9605, section 4.3)
      if (!(frame[0]! & 0x80)) throw new Error('a KID of less than four bits');
      unitEpoch.set(track, frame[kid]!);
    }
    const epoch = unitEpoch.get(track);
    if (epoch !== undefined) parts.set(epoch, [...(parts.get(epoch) ?? []), data.subarray(at, at + 4 + length)]);
    at += 4 + length;
  }
  return new Map([...parts].map(([epoch, list]) => [epoch, Buffer.concat(list)]));
}

/** One file per epoch, `prefix`-EPOCH. */
export function splitCapture(path: string, prefix: string): Map<number, string> {
  return new Map(
    [...byEpoch(path)].map(([epoch, data]) => {
      const file = `${prefix}-${epoch}`;
      writeFileSync(file, data);
      return [epoch, file];
    }),
  );
}
