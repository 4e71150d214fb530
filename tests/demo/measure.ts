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
  /** Pictures that the sender did not encode because it was late. */
  frames_left_out: number;
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

const logs = (sender: Member) => ['sent-camera.jsonl', 'sent-voice.jsonl'].flatMap((log) => ['--sent', join(sender.record, log)]);

async function compare(args: string[]): Promise<Line[]> {
  const { stdout } = await exec(programs.compare(), args, { maxBuffer: 1 << 24 });
  return (JSON.parse(stdout) as { recordings: Line[] }).recordings;
}

/** The voices of recordings against a voice that they should not hold. */
async function crossed(other: Member, sender: Member, bases: string[]): Promise<number[]> {
  const found = await compare(['--voice', other.source.voice, '--loop', ...logs(sender), ...bases]);
  return found.map((r) => Math.abs(r['voice']['correlation'] as number));
}

/** What the sender told of its camera, second by second. */
function cameraStats(sender: Member): Line[] {
  return sender
    .proc!.events.filter((e) => e['event'] === 'stats')
    .flatMap((e) => (e['streams'] as Line[]).filter((s) => s['direction'] === 'out' && s['stream'] === 'camera'));
}

const leftOut = (sender: Member) => (cameraStats(sender).at(-1)?.['skipped'] as number | undefined) ?? 0;

function bitrate(sender: Member): number {
  const rates = cameraStats(sender)
    .map((s) => ({ bytes: s['bytes'] as number, at: s['frames'] as number }));
  const first = rates[0];
  const last = rates.at(-1);
  // Stats come once a second.
  return first && last && rates.length > 1 ? ((last.bytes - first.bytes) * 8) / 1000 / (rates.length - 1) : 0;
}

/** All that others recorded of one sender: the source is decoded once. */
async function measureSender(sender: Member, members: Member[]): Promise<Pair[]> {
  const receivers = members.filter((m) => m !== sender && existsSync(join(m.record, `${sender.email}.webm`)));
  if (!receivers.length) return [];
  const bases = receivers.map((m) => join(m.record, sender.email));
  const sheet = join(sender.record, 'seen.png');
  const own = ['--camera', sender.source.camera, '--voice', sender.source.voice, '--loop', '--sheet', sheet, '--pairs', '2'];
  const [found, ...wrong] = await Promise.all([
    compare([...own, ...logs(sender), ...bases]),
    ...members.filter((m) => m !== sender).map((other) => crossed(other, sender, bases)),
  ]);
  return receivers.map((receiver, i) => {
    const { picture, voice } = found[i]! as { picture: Line; voice: Line };
    return {
      receiver: receiver.name,
      sender: sender.name,
      frames_sent: picture['sent'],
      frames_left_out: leftOut(sender),
      frames_received: picture['received'],
      frames_decoded: picture['decoded'],
      frames_full_size: picture['full'],
      psnr_y_mean: picture['psnr_y_mean'],
      psnr_y_min: picture['psnr_y_min'],
      size: `${picture['width']}x${picture['height']}`,
      kbit_per_s: Math.round(bitrate(sender)),
      voice_sent: voice['sent'],
      voice_received: voice['received'],
      voice_correlation: voice['correlation'],
      voice_correlation_crossed: Math.max(...wrong.map((w) => w[i]!)),
      delay_p50_ms: picture['delay_p50_ms'],
      delay_p99_ms: picture['delay_p99_ms'],
      gap_max_ms: picture['gap_max_ms'],
      sheet,
    };
  });
}

export async function measure(members: Member[]): Promise<Pair[]> {
  const pairs = (await Promise.all(members.map((sender) => measureSender(sender, members)))).flat();
  if (!pairs.length) throw new Error('nothing was recorded');
  return pairs;
}

/** A block per sender, in it a row per receiver: sent, received, sent, received. */
export async function contactSheet(pairs: Pair[], path: string): Promise<void> {
  const sheets = [...new Set(pairs.map((p) => p.sheet))];
  const label = (sheet: string) => {
    const rows = pairs.filter((p) => p.sheet === sheet);
    const seen = rows.map((p) => `${p.receiver} ${p.psnr_y_mean.toFixed(1)} dB`).join(', then ');
    return `${rows[0]!.sender}   (sent | received | sent | received)   as seen by ${seen}`.replace(/[:'\\%]/g, ' ');
  };
  const blocks = sheets.map(
    (sheet, i) =>
      `[${i}]scale=1280:-2,pad=iw:ih+36:0:36:color=white,` +
      `drawtext=text='${label(sheet)}':x=12:y=9:fontsize=18:fontcolor=black[r${i}]`,
  );
  const stack = sheets.length > 1 ? `${sheets.map((_, i) => `[r${i}]`).join('')}vstack=inputs=${sheets.length}[out]` : '[r0]copy[out]';
  const inputs = sheets.flatMap((sheet) => ['-i', sheet]);
  await exec('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...inputs, '-filter_complex', [...blocks, stack].join(';'), '-map', '[out]', '-frames:v', '1', path]);
}
