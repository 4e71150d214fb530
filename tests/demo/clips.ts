// SPDX-License-Identifier: Apache-2.0
// What each sender shows and says: another stretch of the clip (every other one mirrored) and another stretch of the
// voice, so that a picture or voice that reaches the wrong place scores low.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const STRETCH_MAX = 10; // seconds of picture: long clips need not be converted whole
const RAW_MAX = 20e6; // bytes per second

/** What ffprobe says of a file; its last words when it says nothing. */
async function probe(file: string, args: string[]): Promise<string> {
  try {
    return (await exec('ffprobe', ['-v', 'error', ...args, file], { maxBuffer: 1 << 28 })).stdout;
  } catch (err) {
    const words = (err as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new Error(words?.includes(file) ? words : `${file}: ${words || 'cannot be read'}`);
  }
}

async function seconds(file: string, kind: 'v' | 'a'): Promise<number> {
  const show = ['-select_streams', kind, '-show_entries', 'stream=codec_type:format=duration', '-of', 'json'];
  const out = JSON.parse(await probe(file, show)) as { streams?: unknown[]; format?: { duration?: string } };
  if (!out.streams?.length) throw new Error(`${file} holds no ${kind === 'v' ? 'picture' : 'sound'}`);
  if (Number(out.format?.duration) > 0) return Number(out.format!.duration);
  // What was streamed, such as a browser's recording, does not say how long it is: the last packet does.
  const times = (await probe(file, ['-select_streams', `${kind}:0`, '-show_entries', 'packet=pts_time', '-of', 'csv=p=0'])).split('\n').map(parseFloat);
  const length = times.reduce((most, t) => (t > most ? t : most), 0);
  if (!(length > 0)) throw new Error(`${file}: its length cannot be told`);
  return length;
}

/** Fails when these cannot be a camera and a microphone. */
export async function check(clip: string, voice: string): Promise<void> {
  await Promise.all([seconds(clip, 'v'), seconds(voice, 'a'), codec(clip)]);
}

/**
 * A real camera costs its computer nothing to decode, so a clip is played unpacked; one too large for that is packed
 * so well that what is lost cannot be seen. (Rows of unpacked pictures in Matroska are not padded: the client knows.)
 */
async function codec(clip: string): Promise<string[]> {
  const show = ['-select_streams', 'v:0', '-show_entries', 'stream=width,height,avg_frame_rate', '-of', 'json'];
  const { streams } = JSON.parse(await probe(clip, show)) as { streams: { width: number; height: number; avg_frame_rate: string }[] };
  if (!streams[0]) throw new Error(`${clip} holds no picture`);
  const { width, height, avg_frame_rate: rate } = streams[0];
  const [n, d] = rate.split('/').map(Number);
  const raw = width * height * 1.5 * (n! / (d || 1)) <= RAW_MAX;
  return raw ? ['-c:v', 'rawvideo'] : ['-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '4'];
}

export interface Source {
  camera: string;
  voice: string;
}

/** The i-th of `count` disjoint stretches of both files, as files of their own in `dir`. */
export async function stretch(clip: string, voice: string, dir: string, i: number, count: number): Promise<Source> {
  const [pictures, sound, packed] = await Promise.all([seconds(clip, 'v'), seconds(voice, 'a'), codec(clip)]);
  const source = { camera: join(dir, `camera-${i}.mkv`), voice: join(dir, `voice-${i}.wav`) };
  const part = (length: number, most: number) => ['-ss', String((length / count) * i), '-t', String(Math.min(length / count, most))];
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  const even = 'crop=trunc(iw/2)*2:trunc(ih/2)*2';
  await Promise.all([
    exec('ffmpeg', [
      ...quiet, ...part(pictures, STRETCH_MAX), '-i', clip, '-an', '-vf', i % 2 ? `${even},hflip` : even,
      ...packed, '-pix_fmt', 'yuv420p', source.camera,
    ]),
    exec('ffmpeg', [...quiet, ...part(sound, 600), '-i', voice, '-vn', '-c:a', 'pcm_s16le', source.voice]),
  ]);
  return source;
}
