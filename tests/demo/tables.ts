// SPDX-License-Identifier: Apache-2.0
// What the demo prints at its end.
import { type Line } from '../lib/process';
import { unquiet, type Machine } from './load';
import type { Pair } from './measure';

function table(head: string[], rows: string[][]): void {
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: string[]) => '  ' + cells.map((c, i) => (i ? c.padStart(width[i]!) : c.padEnd(width[i]!))).join('  ');
  console.log(line(head));
  console.log(line(width.map((w) => '-'.repeat(w))));
  for (const r of rows) console.log(line(r));
}

const yes = (ok: boolean) => (ok ? 'yes' : 'NO');

export function printTables(report: Line, pairs: Pair[]): void {
  const who = (p: Pair) => `${p.receiver} < ${p.sender}`;
  const ms = (...list: number[]) => list.map((n) => n.toFixed(1));
  console.log('\nPictures, as received (offered: what the camera gave; crossed: against another sender\'s picture)');
  table(
    ['receiver < sender', 'offered', 'sent', 'full size', 'of sent', 'of offered', 'PSNR dB', 'crossed', 'kbit/s', 'p50 ms', 'p99 ms', 'steady', 'gap'],
    pairs.map((p) => [
      who(p),
      String(p.frames_offered),
      String(p.frames_sent),
      String(p.frames_full_size),
      `${p.share_of_sent.toFixed(1)} %`,
      `${p.share_of_offered.toFixed(1)} %`,
      p.psnr_y_mean.toFixed(2),
      p.psnr_y_crossed.toFixed(1),
      String(p.kbit_per_s),
      ...ms(p.delay_p50_ms, p.delay_p99_ms, p.delay_steady_p99_ms),
      p.gap_max_ms.toFixed(0),
    ]),
  );
  console.log('\nVoices, as received');
  table(
    ['receiver < sender', 'sent', 'received', 'correlation', 'crossed', 'p50 ms', 'p99 ms', 'steady'],
    pairs.map((p) => [
      who(p),
      String(p.voice_sent),
      String(p.voice_received),
      p.voice_correlation.toFixed(3),
      p.voice_correlation_crossed.toFixed(3),
      ...ms(p.voice_delay_p50_ms, p.voice_delay_p99_ms, p.voice_delay_steady_p99_ms),
    ]),
  );
  console.log('  Delays are from capture to decoded; steady: the 99th percentile without the first second after coming in.');
  const codes = report['security_codes'] as Line;
  const last = Object.values(codes['byMember'] as Record<string, Line[]>)[0]?.at(-1);
  const { after, before } = report['removed']['frames'] as { after: Line; before: Line };
  console.log('\nWhat happened');
  table(
    ['question', 'answer'],
    [
      ['TLS to the relay', `${report['tls']['version']}, ${report['tls']['cipher']}`],
      ['epochs', (report['epochs'] as number[]).join(' ')],
      ['security codes equal within each epoch', yes(codes['equal'] as boolean)],
      ['security codes differ between epochs', yes(codes['distinct'] as boolean)],
      ['last code (epoch)', last ? `${last['code']} (${last['epoch']})` : 'none'],
      ['uninvited account refused', yes(report['uninvited']['exit'] === 3)],
      ['removed participant told, others too', yes(report['removed']['told'] === true && report['removed']['reason'] === 'removed')],
      ['removed participant refused again', yes(report['removed']['rejoin_exit'] === 3)],
      ['frames from after the removal that it could decrypt', `${after['by_removed']} of ${after['captured']}`],
      ['the same, by a member', `${after['by_member']} of ${after['captured']}`],
      ['frames from before, by the removed participant', `${before['by_removed']} of ${before['captured']}`],
      ['file received equals file sent', yes(report['file']['sha256_sent'] === report['file']['sha256_received'])],
    ],
  );
  const m = report['machine'] as Machine;
  console.log(`\nDuring the meeting this machine's ${m.cores} cores were busy for ${m.busy} % of the time, ${m.own} % with the demo; its hypervisor took ${m.stolen} % away.`);
  const noise = unquiet(m);
  if (noise) console.log(`The delays and gaps above are not the programs' alone: ${noise}.`);
  console.log('');
}
