// SPDX-License-Identifier: Apache-2.0
// The whole main job, as `make demo` does it, on the shipped clips and on clips of another size, rate and length.
// What depends on how busy the machine is (delays, gaps) is reported by the demo, not judged here.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { build } from '../lib/build';
import { run, type Line } from '../lib/process';

const dir = mkdtempSync(join(tmpdir(), 'conclave-demo-test-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function demo(name: string, clips: string[] = []): Promise<Line> {
  const out = join(dir, name);
  await run('node', [join(build, 'tests/demo/demo.mjs'), out, ...clips], { env: { CONCLAVE_BUILD: build } });
  assert.ok(existsSync(join(out, 'contact-sheet.png')));
  return JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Line;
}

const mean = (pairs: Line[], field: string) => pairs.reduce((n, p) => n + (p[field] as number), 0) / pairs.length;

function checkMeeting(report: Line): void {
  assert.match(report['tls']['version'], /^TLSv1\.3$/);
  assert.equal(report['uninvited']['exit'], 3);
  assert.equal(report['removed']['exit'], 3);
  assert.equal(report['removed']['rejoin_exit'], 3);
  assert.equal(report['removed']['frames_decrypted_after_removal'], 0);
  assert.deepEqual(report['exits'], { anna: 0, chloe: 0 });
  assert.equal(report['file']['sha256_received'], report['file']['sha256_sent']);
  assert.equal(report['file']['files_at_decliner'], 0);
  assert.ok(report['security_codes']['equal'], 'all members show one code in one epoch');
  assert.ok(report['security_codes']['distinct'], 'each epoch has a code of its own');
  assert.ok(report['epochs'].length >= 4, 'two joins and a removal make epochs');
  const pairs = report['pairs'] as Line[];
  assert.equal(pairs.length, 6, 'everybody recorded both others');
  for (const p of pairs) {
    assert.ok(p['voice_correlation'] >= 0.95, `voice of ${p['sender']} at ${p['receiver']}: ${p['voice_correlation']}`);
    assert.ok(p['voice_correlation_crossed'] < 0.5, `${p['receiver']} hears somebody else as ${p['sender']}`);
  }
}

test('the shipped clips: voice, picture, codes, file, refusals', async () => {
  const report = await demo('shipped');
  checkMeeting(report);
  const pairs = report['pairs'] as Line[];
  assert.ok(mean(pairs, 'psnr_y_mean') >= 40, `mean PSNR ${mean(pairs, 'psnr_y_mean')} dB`);
  for (const p of pairs) assert.ok(p['kbit_per_s'] <= 800, `${p['sender']} sends ${p['kbit_per_s']} kbit/s`);
});

test("anybody's clips: another size, rate and length; sound at another rate, in stereo", async () => {
  const camera = join(dir, 'other.mp4');
  const voice = join(dir, 'other.wav');
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  execFileSync('ffmpeg', [...quiet, '-f', 'lavfi', '-i', 'testsrc2=size=482x270:rate=17:duration=13', '-pix_fmt', 'yuv420p', camera]);
  // Noise in bursts: what a voice codec can follow, without repeating itself.
  const bursts = 'anoisesrc=color=brown:sample_rate=44100:duration=13:seed=7,lowpass=f=3000,volume=0.5+0.5*sin(2*PI*t*1.7):eval=frame';
  execFileSync('ffmpeg', [...quiet, '-f', 'lavfi', '-i', bursts, '-ac', '2', voice]);
  const report = await demo('other', [camera, voice]);
  for (const p of report['pairs'] as Line[]) assert.equal(p['size'], '482x270');
  checkMeeting(report);
});

test('a picture through the camera path is within 1 dB of bare libvpx with the same settings', async () => {
  const log = join(dir, 'shipped/recordings/anna/sent-camera.jsonl');
  const out = await run(join(build, 'client/gst/vpx-bare'), [join(dir, 'shipped', 'camera-0.mkv'), log]);
  const bare = (JSON.parse(out.stdout) as Line)['psnr_y_mean'] as number;
  const report = JSON.parse(readFileSync(join(dir, 'shipped', 'report.json'), 'utf8')) as Line;
  const ours = (report['pairs'] as Line[]).filter((p) => p['sender'] === 'Anna').map((p) => p['psnr_y_mean'] as number);
  assert.ok(bare > 30, `bare libvpx gave ${bare} dB`);
  assert.ok(Math.max(...ours) >= bare - 1, `${ours.join(', ')} dB against ${bare} dB`);
});
