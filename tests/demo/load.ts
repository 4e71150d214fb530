// SPDX-License-Identifier: Apache-2.0
// What the machine's processors did during the meeting: delays mean little on a machine that others use as well.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Proc } from '../lib/process';

export interface Machine {
  cores: number;
  /** Percent of the cores' time: doing work of any program, of this demo, of other programs; taken by the hypervisor. */
  busy: number;
  own: number;
  others: number;
  stolen: number;
  /** The most that was taken within one second. */
  stolen_peak: number;
  /** Milliseconds for which a container's quota of processor time was used up: no other figure shows that. */
  throttled_ms: number;
}

// Percent. Beyond these, what the meeting reached tells of the machine and its other users, not of the programs.
const BUSY_MOST = 80;
const OTHERS_MOST = 3;
const STOLEN_MOST = 2;
const STOLEN_PEAK_MOST = 10;

/** Why figures of time are not to be judged; undefined on a quiet machine. */
export function unquiet(m: Machine): string | undefined {
  const why: string[] = [];
  if (m.others > OTHERS_MOST) why.push(`other programs used ${m.others} % of the cores`);
  if (m.stolen > STOLEN_MOST || m.stolen_peak > STOLEN_PEAK_MOST)
    why.push(`the hypervisor took ${m.stolen} %, in its worst second ${m.stolen_peak} %`);
  if (m.throttled_ms > 0) why.push(`the quota of processor time was used up for ${m.throttled_ms} ms`);
  if (m.busy > BUSY_MOST) why.push(`the cores were busy for ${m.busy} % of the time`);
  return why.length ? why.join('; ') : undefined;
}

/** Clock ticks of all cores since the start: user nice system idle iowait irq softirq steal (proc(5)). */
function ticks(): number[] {
  return readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
}

/** For how long the control group of this process has been throttled so far; 0 where there is none. */
function throttledMs(): number {
  for (const [file, field, perMs] of [['cpu.stat', 'throttled_usec', 1e3], ['cpu/cpu.stat', 'throttled_time', 1e6]] as const) {
    try {
      const found = readFileSync(`/sys/fs/cgroup/${file}`, 'utf8').match(new RegExp(`^${field} (\\d+)$`, 'm'));
      if (found) return Math.round(Number(found[1]) / perMs);
    } catch {
      // not here
    }
  }
  return 0;
}

/** Clock ticks of a process; of its children that have ended as well. */
function ticksOf(pid: number | 'self', children = false): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number); // from the third one on
    return field[11]! + field[12]! + (children ? field[13]! + field[14]! : 0);
  } catch {
    return 0;
  }
}

const percent = (n: number, of: number) => Math.round((1000 * n) / Math.max(1, of)) / 10;
const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);

export class Load {
  private readonly start = ticks();
  private readonly own: number;
  private readonly throttled = throttledMs();
  private last = this.start;
  private peak = 0;
  private readonly timer = setInterval(() => this.look(), 1000);

  /** `servers` run from before the start to after the end; all other children end in between. */
  constructor(private readonly servers: Proc[]) {
    this.own = this.ownTicks();
  }

  private ownTicks(): number {
    return ticksOf('self', true) + sum(this.servers.map((p) => (p.child.pid === undefined ? 0 : ticksOf(p.child.pid))));
  }

  private look(): void {
    const now = ticks();
    const spent = now.map((t, i) => t - this.last[i]!);
    this.last = now;
    this.peak = Math.max(this.peak, percent(spent[7] ?? 0, sum(spent)));
  }

  since(): Machine {
    clearInterval(this.timer);
    const spent = ticks().map((t, i) => t - this.start[i]!);
    const all = sum(spent);
    const [, , , idle = 0, waiting = 0, , , stolen = 0] = spent;
    const busy = all - idle - waiting - stolen;
    const own = this.ownTicks() - this.own;
    return {
      cores: cpus().length,
      busy: percent(busy, all),
      own: percent(own, all),
      others: percent(Math.max(0, busy - own), all),
      stolen: percent(stolen, all),
      stolen_peak: this.peak,
      throttled_ms: throttledMs() - this.throttled,
    };
  }
}
