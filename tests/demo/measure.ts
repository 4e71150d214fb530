// SPDX-License-Identifier: Apache-2.0
// What each receiver recorded of each sender, against what that sender sent.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programs } from '../lib/build';
import { type Line } from '../lib/process';
import type { Member } from './demo';

const exec = promisify(execFile);

export interface Pair {
  receiver: string;
  sender: string;
  frames_sent: number;
  frames_received: number;
  frames_decoded: number;
  frames_full_size: number;
  psnr_y_mean: number;
  psnr_y_min: number;
  size: string;
  kbit_per_s: number;
  voice_sent: number;
  voice_received: number;
  voice_correlation: number;
  /** Highest correlation with another sender's voice: low unless streams are crossed. */
  voice_correlation_crossed: number;
  delay_p50_ms: number;
  delay_p99_ms: number;
  gap_max_ms: number;
  sheet: string;
}

async function compare(sender: Member, base: string, sheet?: string): Promise<Line> {
  const args = ['--camera', sender.source.camera, '--voice', sender.source.voice, '--loop'];
  for (const log of ['sent-camera.jsonl', 'sent-voice.jsonl']) args.push('--sent', join(sender.record, log));
  if (sheet) args.push('--sheet', sheet, '--pairs', '2');
  const { stdout } = await exec(programs.compare(), [...args, base], { maxBuffer: 1 << 24 });
  return (JSON.parse(stdout) as { recordings: Line[] }).recordings[0]!;
}

/** The voice of a recording against a voice that it should not hold. */
async function crossed(other: Member, sender: Member, base: string): Promise<number> {
  const args = ['--voice', other.source.voice, '--loop', '--sent', join(sender.record, 'sent-voice.jsonl'), base];
  const { stdout } = await exec(programs.compare(), args, { maxBuffer: 1 << 24 });
  return Math.abs((JSON.parse(stdout) as { recordings: Line[] }).recordings[0]!['voice']['correlation'] as number);
}

function bitrate(sender: Member): number {
  const rates = sender
    .proc!.events.filter((e) => e['event'] === 'stats')
    .flatMap((e) => (e['streams'] as Line[]).filter((s) => s['direction'] === 'out' && s['stream'] === 'camera'))
    .map((s) => ({ bytes: s['bytes'] as number, at: s['frames'] as number }));
  const first = rates[0];
  const last = rates.at(-1);
  // Stats come once a second.
  return first && last && rates.length > 1 ? ((last.bytes - first.bytes) * 8) / 1000 / (rates.length - 1) : 0;
}

export async function measure(members: Member[]): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const receiver of members)
    for (const sender of members) {
      const base = join(receiver.record, sender.email);
      if (receiver === sender || !existsSync(`${base}.webm`)) continue;
      const sheet = `${base}.png`;
      const r = await compare(sender, base, sheet);
      const others = members.filter((m) => m !== sender);
      const wrong = await Promise.all(others.map((o) => crossed(o, sender, base)));
      pairs.push({
        receiver: receiver.name,
        sender: sender.name,
        frames_sent: r['picture']['sent'],
        frames_received: r['picture']['received'],
        frames_decoded: r['picture']['decoded'],
        frames_full_size: r['picture']['full'],
        psnr_y_mean: r['picture']['psnr_y_mean'],
        psnr_y_min: r['picture']['psnr_y_min'],
        size: `${r['picture']['width']}x${r['picture']['height']}`,
        kbit_per_s: Math.round(bitrate(sender)),
        voice_sent: r['voice']['sent'],
        voice_received: r['voice']['received'],
        voice_correlation: r['voice']['correlation'],
        voice_correlation_crossed: Math.max(...wrong),
        delay_p50_ms: r['picture']['delay_p50_ms'],
        delay_p99_ms: r['picture']['delay_p99_ms'],
        gap_max_ms: r['picture']['gap_max_ms'],
        sheet,
      });
    }
  if (!pairs.length) throw new Error('nothing was recorded');
  return pairs;
}

/** One row per receiver and sender: sent, received, sent, received, with their names above. */
export async function contactSheet(pairs: Pair[], path: string): Promise<void> {
  const inputs = pairs.flatMap((p) => ['-i', p.sheet]);
  const label = (p: Pair) => `${p.receiver} sees ${p.sender}   (sent | received | sent | received)   ${p.psnr_y_mean.toFixed(1)} dB`;
  const rows = pairs.map(
    (p, i) =>
      `[${i}]scale=1280:-2,pad=iw:ih+36:0:36:color=white,` +
      `drawtext=text='${label(p).replace(/[:'\\%]/g, ' ')}':x=12:y=9:fontsize=18:fontcolor=black[r${i}]`,
  );
  const stack = pairs.length > 1 ? `${pairs.map((_, i) => `[r${i}]`).join('')}vstack=inputs=${pairs.length}[out]` : '[r0]copy[out]';
  await exec('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...inputs, '-filter_complex', [...rows, stack].join(';'), '-map', '[out]', '-frames:v', '1', path]);
}
