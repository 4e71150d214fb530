// SPDX-License-Identifier: Apache-2.0
// What the machine's processors did during the meeting: delays mean little on a machine that others use as well.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Machine {
  cores: number;
  /** Percent of the cores' time: doing work of any program, taken by the hypervisor for other machines. */
  busy: number;
  stolen: number;
}

/** Clock ticks of all cores since the start: user nice system idle iowait irq softirq steal (proc(5)). */
function ticks(): number[] {
  return readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
}

export class Load {
  private readonly start = ticks();

  since(): Machine {
    const spent = ticks().map((t, i) => t - this.start[i]!);
    const all = Math.max(1, spent.reduce((a, b) => a + b, 0));
    const [, , , idle = 0, waiting = 0, , , stolen = 0] = spent;
    const percent = (n: number) => Math.round((1000 * n) / all) / 10;
    return { cores: cpus().length, busy: percent(all - idle - waiting - stolen), stolen: percent(stolen) };
  }
}
