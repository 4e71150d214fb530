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
  /** From the first to the last picture that was received: what the camera gave, what of it was sent. */
  frames_offered: number;
  frames_sent: number;
  /** Pictures that the sender did not encode because it was late: offered less sent. */
  frames_left_out: number;
  frames_received: number;
  frames_decoded: number;
  frames_full_size: number;
  /** Percent decoded at full size. */
  share_of_sent: number;
  share_of_offered: number;
  psnr_y_mean: number;
  psnr_y_min: number;
  /** Against what another sender sent: low unless streams are crossed. */
  psnr_y_crossed: number;
  size: string;
  kbit_per_s: number;
  voice_sent: number;
  voice_received: number;
  voice_correlation: number;
  /** Highest correlation with another sender's voice: low unless streams are crossed. */
  voice_correlation_crossed: number;
  /** Capture to decoded; steady: the 99th percentile without the first second, in which somebody came in. */
  delay_p50_ms: number;
  delay_p99_ms: number;
  delay_steady_p99_ms: number;
  voice_delay_p50_ms: number;
  voice_delay_p99_ms: number;
  voice_delay_steady_p99_ms: number;
  gap_max_ms: number;
  sheet: string;
}

const logs = (sender: Member) => ['sent-camera.jsonl', 'sent-voice.jsonl'].flatMap((log) => ['--sent', join(sender.record, log)]);

async function compare(args: string[]): Promise<Line[]> {
  const { stdout } = await exec(programs.compare(), args, { maxBuffer: 1 << 24 });
  return (JSON.parse(stdout) as { recordings: Line[] }).recordings;
}

interface Crossed {
  psnr: number;
  correlation: number;
}

/** Recordings against a picture (when asked for) and a voice that they should not hold. */
async function crossed(other: Member, sender: Member, bases: string[], picture: boolean): Promise<Crossed[]> {
  const camera = picture ? ['--camera', other.source.camera, '--most', '60'] : [];
  const found = await compare([...camera, '--voice', other.source.voice, '--loop', ...logs(sender), ...bases]);
  return found.map((r) => ({ psnr: r['picture']?.['psnr_y_mean'] ?? 0, correlation: Math.abs(r['voice']['correlation'] as number) }));
}

/** What the sender told of its camera, second by second. */
function cameraStats(sender: Member): Line[] {
  return sender
    .proc!.events.filter((e) => e['event'] === 'stats')
    .flatMap((e) =>
      (e['streams'] as Line[])
        .filter((s) => s['direction'] === 'out' && s['stream'] === 'camera')
        .map((s): Line => ({ ...s, time_ms: e['time_ms'] })),
    );
}

function bitrate(sender: Member): number {
  const stats = cameraStats(sender);
  const first = stats[0];
  const last = stats.at(-1);
  return first && last && last !== first ? ((last['bytes'] - first['bytes']) * 8) / (last['time_ms'] - first['time_ms']) : 0;
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
    // One other picture: decoding takes time, and each is nobody else's.
    ...members.filter((m) => m !== sender).map((other, i) => crossed(other, sender, bases, i === 0)),
  ]);
  return receivers.map((receiver, i) => {
    const { picture, voice } = found[i]! as { picture: Line; voice: Line };
    const share = (of: number) => Math.round((10000 * (picture['full'] as number)) / Math.max(1, of)) / 100;
    return {
      receiver: receiver.name,
      sender: sender.name,
      frames_offered: picture['offered'],
      frames_sent: picture['sent'],
      frames_left_out: picture['offered'] - picture['sent'],
      frames_received: picture['received'],
      frames_decoded: picture['decoded'],
      frames_full_size: picture['full'],
      share_of_sent: share(picture['sent']),
      share_of_offered: share(picture['offered']),
      psnr_y_mean: picture['psnr_y_mean'],
      psnr_y_min: picture['psnr_y_min'],
      psnr_y_crossed: Math.max(...wrong.map((w) => w[i]!.psnr)),
      size: `${picture['width']}x${picture['height']}`,
      kbit_per_s: Math.round(bitrate(sender)),
      voice_sent: voice['sent'],
      voice_received: voice['received'],
      voice_correlation: voice['correlation'],
      voice_correlation_crossed: Math.max(...wrong.map((w) => w[i]!.correlation)),
      delay_p50_ms: picture['delay_p50_ms'],
      delay_p99_ms: picture['delay_p99_ms'],
      delay_steady_p99_ms: picture['delay_steady_ms'],
      voice_delay_p50_ms: voice['delay_p50_ms'],
      voice_delay_p99_ms: voice['delay_p99_ms'],
      voice_delay_steady_p99_ms: voice['delay_steady_ms'],
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
