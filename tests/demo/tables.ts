// SPDX-License-Identifier: Apache-2.0
// What the demo prints at its end.
import { type Line } from '../lib/process';
import type { Machine } from './load';
import type { Pair } from './measure';

const STOLEN_MUCH = 5; // percent

function table(head: string[], rows: string[][]): void {
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: string[]) => '  ' + cells.map((c, i) => (i ? c.padStart(width[i]!) : c.padEnd(width[i]!))).join('  ');
  console.log(line(head));
  console.log(line(width.map((w) => '-'.repeat(w))));
  for (const r of rows) console.log(line(r));
}

const yes = (ok: boolean) => (ok ? 'yes' : 'NO');

export function printTables(report: Line, pairs: Pair[]): void {
  console.log('\nPictures and voices, as received');
  table(
    ['receiver < sender', 'sent', 'left out', 'decoded', 'full size', 'PSNR dB', 'kbit/s', 'voice corr.', 'crossed', 'delay p50', 'p99 ms', 'gap ms'],
    pairs.map((p) => [
      `${p.receiver} < ${p.sender}`,
      String(p.frames_sent),
      String(p.frames_left_out),
      String(p.frames_decoded),
      `${((100 * p.frames_full_size) / Math.max(1, p.frames_sent)).toFixed(1)} %`,
      p.psnr_y_mean.toFixed(2),
      String(p.kbit_per_s),
      p.voice_correlation.toFixed(3),
      p.voice_correlation_crossed.toFixed(3),
      p.delay_p50_ms.toFixed(1),
      p.delay_p99_ms.toFixed(1),
      p.gap_max_ms.toFixed(0),
    ]),
  );
  const codes = report['security_codes'] as Line;
  const last = Object.values(codes['byMember'] as Record<string, Line[]>)[0]?.at(-1);
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
      ['removed participant ended with', `exit code ${report['removed']['exit']}`],
      ['removed participant refused again', yes(report['removed']['rejoin_exit'] === 3)],
      ['frames it could decrypt after removal', String(report['removed']['frames_decrypted_after_removal'])],
      ['file received equals file sent', yes(report['file']['sha256_sent'] === report['file']['sha256_received'])],
    ],
  );
  const { cores, busy, stolen } = report['machine'] as Machine;
  console.log(`\nDuring the meeting this machine's ${cores} cores were busy for ${busy} % of the time; its hypervisor took ${stolen} % away.`);
  if (stolen > STOLEN_MUCH) console.log('That is much: the delays above are the hypervisor\'s as well.');
  console.log('');
}
