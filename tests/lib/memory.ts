// SPDX-License-Identifier: Apache-2.0
// The memory of a running process, as root reads it.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const PIECE = 64 * 1024 * 1024;

/** Every mapping that the process can have written to. It is stopped meanwhile. */
export function memoryOf(pid: number): Buffer {
  const parts: Buffer[] = [];
  process.kill(pid, 'SIGSTOP');
  try {
    const mem = openSync(`/proc/${pid}/mem`, 'r');
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const m = line.match(/^([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \d+\s*(.*)$/);
      if (!m || m[3] === '[vvar]') continue;
      const end = BigInt(`0x${m[2]}`);
      for (let at = BigInt(`0x${m[1]}`); at < end; ) {
        const piece = Buffer.allocUnsafe(Number(end - at > PIECE ? BigInt(PIECE) : end - at));
        let n = 0;
        try {
          n = readSync(mem, piece, 0, piece.length, at as unknown as number);
        } catch (err) {
          if ((err as NodeJS.ErrnoException).code !== 'EIO' && (err as NodeJS.ErrnoException).code !== 'EFAULT') throw err;
        }
        if (n === 0) break; // a hole, or memory of a device
        parts.push(piece.subarray(0, n));
        at += BigInt(n);
      }
    }
    closeSync(mem);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return Buffer.concat(parts);
}

export type Needle = { what: string; bytes: Buffer };

/** Text as UTF-8 and UTF-16, as base64 and hexadecimal would hide it from nobody. */
export function textNeedles(what: string, text: string): Needle[] {
  const utf8 = Buffer.from(text);
  return [
    { what, bytes: utf8 },
    { what: `${what} (UTF-16)`, bytes: Buffer.from(text, 'utf16le') },
    { what: `${what} (hex)`, bytes: Buffer.from(utf8.toString('hex')) },
    // One alignment of three, without the last group that what follows decides.
    { what: `${what} (base64)`, bytes: Buffer.from(utf8.toString('base64url').slice(0, Math.floor(utf8.length / 3) * 4)) },
  ];
}

export function keyNeedles(what: string, hex: string): Needle[] {
  const raw = Buffer.from(hex, 'hex');
  return [
    { what, bytes: raw },
    { what: `${what} (hex)`, bytes: Buffer.from(hex) },
    { what: `${what} (base64)`, bytes: Buffer.from(raw.toString('base64url').slice(0, Math.floor(raw.length / 3) * 4)) },
  ];
}

/** Names of those that occur. */
export function found(haystack: Buffer, needles: Needle[]): string[] {
  return needles.filter((n) => haystack.includes(n.bytes)).map((n) => n.what);
}
