// SPDX-License-Identifier: Apache-2.0
// Real processes under test: started with a bounded life, watched line by line, ended by their process id.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export type Line = Record<string, any>;

const LIFE_MS = 10 * 60 * 1000;
/** How long something may take that is going to happen: no measure of speed, only the end of hope. */
export const WAIT_MS = 60000;
const KEEP = 64 * 1024;
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export interface ProcOptions {
  /** Goes to standard input at once; the pipe then stays open unless `end` is set. */
  input?: string;
  end?: boolean;
  env?: Record<string, string>;
  cwd?: string;
}

export class Proc {
  readonly child: ChildProcess;
  readonly name: string;
  /** Exit code, or the name of the signal. */
  readonly exited: Promise<number | string>;
  code: number | string | undefined;
  /** Lines of standard output that are JSON objects. */
  readonly events: Line[] = [];
  stdout = '';
  stderr = '';
  private readonly listeners = new Set<() => void>();

  constructor(command: string, args: string[], options: ProcOptions = {}) {
    this.name = `${command.split('/').pop()} ${args.slice(0, 6).join(' ')}`;
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    });
    running.add(this.child);
    const life = setTimeout(() => this.child.kill('SIGKILL'), LIFE_MS);
    life.unref();
    this.child.stdin!.on('error', () => {});
    if (options.input !== undefined) this.child.stdin!.write(options.input);
    if (options.end ?? true) this.child.stdin!.end();
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.take(line));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-KEEP);
      this.notify();
    });
    this.exited = new Promise((resolve) => {
      const finish = (code: number | string) => {
        if (this.code !== undefined) return;
        clearTimeout(life);
        running.delete(this.child);
        this.code = code;
        this.notify();
        resolve(code);
      };
      this.child.on('error', (err) => {
        this.stderr += `${err.message}\n`;
        finish(127);
      });
      this.child.on('close', (code, signal) => finish(code ?? signal ?? 'unknown'));
      // A child of the child may hold the pipes open: what it says later does not count.
      this.child.on('exit', (code, signal) => {
        const cut = () => {
          this.child.stdout!.destroy();
          this.child.stderr!.destroy();
          finish(code ?? signal ?? 'unknown');
        };
        // Not before what is there has been read, should this process itself have been held up.
        const grace = setTimeout(() => setImmediate(cut), 2000);
        this.child.once('close', () => clearTimeout(grace));
      });
    });
  }

  private take(line: string): void {
    this.stdout = (this.stdout + line + '\n').slice(-KEEP);
    if (line.startsWith('{')) {
      try {
        this.events.push(JSON.parse(line));
      } catch {
        // Not JSON after all: it stays in stdout.
      }
    }
    this.notify();
  }

  private notify(): void {
    this.listeners.forEach((fn) => fn());
  }

  /** What the process has said, for the message of a failing test. */
  report(): string {
    const last = this.events.slice(-5).map((e) => JSON.stringify(e).slice(0, 300));
    return `${this.name}: ${this.code === undefined ? 'running' : `ended with ${this.code}`}\n${this.stderr.slice(-3000)}\n${last.join('\n')}`;
  }

  /** Waits until `check` gives something; fails when the process ends or the time is over. */
  async until<T>(what: string, check: () => T | undefined, timeoutMs = WAIT_MS): Promise<T> {
    const first = check();
    if (first !== undefined) return first;
    return new Promise<T>((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        this.listeners.delete(look);
      };
      const look = () => {
        const found = check();
        if (found !== undefined) {
          stop();
          resolve(found);
        } else if (this.code !== undefined) {
          stop();
          reject(new Error(`${what}: the process ended before\n${this.report()}`));
        }
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${what}: not within ${timeoutMs} ms\n${this.report()}`));
      }, timeoutMs);
      this.listeners.add(look);
    });
  }

  /** The first event of this name (and kind), one that has come already too; `from`: of those from this place on. */
  async event(name: string, match: (e: Line) => boolean = () => true, timeoutMs = WAIT_MS, from = 0): Promise<Line> {
    return this.until(
      `event '${name}'`,
      () => this.events.slice(from).find((e) => e['event'] === name && match(e)),
      timeoutMs,
    );
  }

  /** A line of standard error that matches. */
  async said(pattern: RegExp, timeoutMs = WAIT_MS): Promise<RegExpMatchArray> {
    return this.until(`output ${pattern}`, () => (this.stderr + this.stdout).match(pattern) ?? undefined, timeoutMs);
  }

  /** A JSON line to standard input. */
  send(command: Line): void {
    this.child.stdin!.write(JSON.stringify(command) + '\n');
  }

  /** The exit code, within a bounded time. */
  async exit(timeoutMs = WAIT_MS): Promise<number | string> {
    return this.until('the end of the process', () => this.code, timeoutMs).catch((err: Error) => {
      if (this.code !== undefined) return this.code;
      throw err;
    });
  }

  /** Ends the process: SIGTERM, after five seconds SIGKILL. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    if (this.code !== undefined) return this.code;
    this.child.kill(signal);
    const hard = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    const code = await this.exited;
    clearTimeout(hard);
    return code;
  }
}

/** Runs a command to its end and gives it back; throws unless it ends with `code`. */
export async function run(command: string, args: string[], options: ProcOptions & { code?: number } = {}): Promise<Proc> {
  const proc = new Proc(command, args, options);
  const code = await proc.exit(LIFE_MS);
  if (code !== (options.code ?? 0)) throw new Error(proc.report() + proc.stdout.slice(-2000));
  return proc;
}
