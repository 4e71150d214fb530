// SPDX-License-Identifier: Apache-2.0
// A helper program of tests/interop on a pipe: one line in, one line out, in order.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface Waiting {
	resolve: (line: string) => void;
	reject: (err: Error) => void;
}

/** Where meson has built the helpers: $CONCLAVE_BUILD, else two folders above the bundled test. */
function buildFolder(): string {
	return process.env['CONCLAVE_BUILD'] ?? join(dirname(fileURLToPath(import.meta.url)), '../..');
}

export class Peer {
	private readonly child: ChildProcessWithoutNullStreams;
	private readonly waiting: Waiting[] = [];
	private ended: Error | undefined;

	constructor(name: string) {
		this.child = spawn(join(buildFolder(), 'tests/interop', name), { stdio: ['pipe', 'pipe', 'pipe'] });
		createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(line));
		this.child.stderr.pipe(process.stderr);
		this.child.on('error', (err) => this.end(err));
		this.child.on('exit', (code, signal) => this.end(new Error(`${name} ended (${signal ?? code})`)));
		this.child.stdin.on('error', () => {});
	}

	private end(err: Error): void {
		this.ended ??= err;
		for (const w of this.waiting.splice(0)) w.reject(this.ended);
	}

	line(text: string): Promise<string> {
		if (this.ended) return Promise.reject(this.ended);
		return new Promise((resolve, reject) => {
			this.waiting.push({ resolve, reject });
			this.child.stdin.write(text + '\n');
		});
	}

	/** Closes the pipe and waits for a clean end of the process. */
	async close(): Promise<void> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) throw this.ended ?? new Error('ended');
		const code = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
		this.child.stdin.end();
		const ended = await code;
		if (ended !== 0) throw new Error(`helper ended with ${ended}`);
	}
}
