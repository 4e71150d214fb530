// SPDX-License-Identifier: Apache-2.0
// Whether a recording plays: ffprobe decodes all of it and counts.
import { execFile } from 'node:child_process';
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
