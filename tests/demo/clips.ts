// SPDX-License-Identifier: Apache-2.0
// What each sender shows and says: another stretch of the clip (every other one mirrored) and another stretch of the
// voice, so that a picture or voice that reaches the wrong place scores low.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const STRETCH_MAX = 10; // seconds of picture: long clips need not be converted whole

async function seconds(file: string, kind: 'v' | 'a'): Promise<number> {
  const probe = ['-v', 'error', '-select_streams', kind, '-show_entries', 'stream=codec_type:format=duration', '-of', 'json', file];
  const out = JSON.parse((await exec('ffprobe', probe)).stdout) as { streams?: unknown[]; format?: { duration?: string } };
  if (!out.streams?.length) throw new Error(`${file} holds no ${kind === 'v' ? 'picture' : 'sound'}`);
  const length = Number(out.format?.duration);
  if (!(length > 0)) throw new Error(`${file}: its length cannot be told`);
  return length;
}

export interface Source {
  camera: string;
  voice: string;
}

/** The i-th of `count` disjoint stretches of both files, as files of their own in `dir`. */
export async function stretch(clip: string, voice: string, dir: string, i: number, count: number): Promise<Source> {
  const [pictures, sound] = await Promise.all([seconds(clip, 'v'), seconds(voice, 'a')]);
  const source = { camera: join(dir, `camera-${i}.mkv`), voice: join(dir, `voice-${i}.wav`) };
  const part = (length: number, most: number) => ['-ss', String((length / count) * i), '-t', String(Math.min(length / count, most))];
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  const even = 'crop=trunc(iw/2)*2:trunc(ih/2)*2';
  await Promise.all([
    exec('ffmpeg', [
      ...quiet, ...part(pictures, STRETCH_MAX), '-i', clip, '-an', '-vf', i % 2 ? `${even},hflip` : even,
      '-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '4', '-pix_fmt', 'yuv420p', source.camera,
    ]),
    exec('ffmpeg', [...quiet, ...part(sound, 600), '-i', voice, '-vn', '-c:a', 'pcm_s16le', source.voice]),
  ]);
  return source;
}
