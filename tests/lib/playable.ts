// SPDX-License-Identifier: Apache-2.0
// Whether a recording plays: ffprobe decodes all of it and counts.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

export interface Playable {
  /** Decoded pictures, and milliseconds of sound. */
  pictures: number;
  voice: number;
  /** What the decoder complained about. */
  complaints: string;
}

export async function play(path: string): Promise<Playable> {
  const args = ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,codec_type,nb_read_frames', '-of', 'json', path];
  const { stdout, stderr } = await exec('ffprobe', args, { maxBuffer: 1 << 24 });
  const streams = (JSON.parse(stdout) as { streams: Record<string, string>[] }).streams;
  const frames = (type: string) => Number(streams.find((s) => s['codec_type'] === type)?.['nb_read_frames'] ?? 0);
  return { pictures: frames('video'), voice: frames('audio') * 20, complaints: stderr };
}

/**
 * The files of one stay of somebody, in their order: voice that came long before the first picture has one of its own
 * (on a busy machine), and so has a camera of another size.
 */
export function partsOf(dir: string, email: string): string[] {
  const number = (name: string) => Number(name.slice(email.length + 1, -'.webm'.length));
  return readdirSync(dir)
    .filter((name) => name === `${email}.webm` || (name.startsWith(`${email}-`) && name.endsWith('.webm')))
    .sort((a, b) => number(a) - number(b))
    .map((name) => join(dir, name));
}

/** All that was recorded of one stay. */
export async function playAll(dir: string, email: string): Promise<Playable> {
  const parts = await Promise.all(partsOf(dir, email).map(play));
  return {
    pictures: parts.reduce((n, p) => n + p.pictures, 0),
    voice: parts.reduce((n, p) => n + p.voice, 0),
    complaints: parts.map((p) => p.complaints).join(''),
  };
}
