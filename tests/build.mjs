// SPDX-License-Identifier: Apache-2.0
// Bundles every tests/{system,interop,browser}/*.test.ts and the demo to OUTDIR/<folder>/<name>.test.mjs.
// usage: node build.mjs [OUTDIR] [FOLDER...]      (default: ../build/tests, all folders)
// Packages of node_modules stay outside the bundles and are found through a link OUTDIR/node_modules.
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const outdir = resolve(process.argv[2] ?? join(here, '../build/tests'));
const folders = process.argv.length > 3 ? process.argv.slice(3) : ['system', 'interop', 'browser', 'demo'];

const entryPoints = folders
	.filter((folder) => existsSync(join(here, folder)))
	.flatMap((folder) =>
		readdirSync(join(here, folder))
			.filter((name) => name.endsWith('.test.ts') || name === 'demo.ts')
			.map((name) => join(here, folder, name)),
	);

mkdirSync(outdir, { recursive: true });
const link = join(outdir, 'node_modules');
if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link, { recursive: true });
symlinkSync(join(here, 'node_modules'), link);

if (entryPoints.length)
	await build({
		entryPoints,
		outdir,
		outbase: here,
		outExtension: { '.js': '.mjs' },
		bundle: true,
		packages: 'external',
		platform: 'node',
		target: 'node18',
		format: 'esm',
		sourcemap: 'inline',
		logLevel: 'warning',
	});
