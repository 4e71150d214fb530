// SPDX-License-Identifier: Apache-2.0
// The page's password policy against the passwords shared with the clients (tests/data/passwords.json).
// usage: node run.mjs WEB-BUILD-DIR
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const webdir = process.argv[2];
const dir = mkdtempSync(join(tmpdir(), 'conclave-policy-'));
const bundle = join(dir, 'policy.mjs');
await build({
  absWorkingDir: join(here, '..'),
  entryPoints: ['src/policy.ts'],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  logLevel: 'warning',
});
const { loadCommon, rate } = await import(pathToFileURL(bundle).href);
rmSync(dir, { recursive: true });

const list = readFileSync(join(webdir, 'common-passwords.txt'), 'utf8');
loadCommon(list);
const { person, passwords } = JSON.parse(readFileSync(join(here, '../../tests/data/passwords.json'), 'utf8'));
const who = { email: person.email, firstName: person.first_name, lastName: person.last_name };

let failed = 0;
const count = list.split('\n').length - 1;
if (count !== 100000) {
  console.error(`common-passwords.txt holds ${count} passwords`);
  failed++;
}
for (const { password, ok } of passwords) {
  const { fault, guessesLog10 } = rate(password, who);
  if (process.argv.includes('-v')) console.log(ok, fault, guessesLog10.toFixed(1), password.slice(0, 40));
  if ((fault === null) === ok) continue;
  console.error(`${JSON.stringify(password)}: ${fault ?? 'accepted'} (10^${guessesLog10.toFixed(1)})`);
  failed++;
}
console.log(`${passwords.length + 1 - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
