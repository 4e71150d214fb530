// SPDX-License-Identifier: Apache-2.0
// Where things are: the build folder, its programs, the shipped media.
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** $CONCLAVE_BUILD, else two folders above the bundled test (build/tests/system/x.mjs). */
export const build = process.env['CONCLAVE_BUILD'] ?? join(dirname(fileURLToPath(import.meta.url)), '../..');
export const source = join(build, '..');
export const media = {
  clip: join(source, 'tests/media/signer_640x360_30fps.webm'),
  voice: join(source, 'tests/media/speech_jfk_48k.flac'),
};

export function program(path: string): string {
  const full = join(build, path);
  if (!existsSync(full)) throw new Error(`${full} has not been built`);
  return full;
}

export const programs = {
  manager: () => program('manager/conclave-manager'),
  relay: () => program('relay/conclave-relay'),
  cli: () => program('client/cli/conclave-cli'),
  /** conclave-cli with hooks that hand out keys and ciphertext (client/core/src/test_hooks.h). */
  hooked: () => program('client/cli/conclave-cli-testhooks'),
  compare: () => program('client/gst/media-compare'),
};

/** Ports on 127.0.0.1 that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<import('node:net').Server>((resolve, reject) => {
          const server = createServer();
          server.on('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((s) => (s.address() as import('node:net').AddressInfo).port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}
