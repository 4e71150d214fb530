// SPDX-License-Identifier: Apache-2.0
// The whole main job, as `make demo` does it, on the shipped clips and on clips of another size, rate and length.
// What depends on how busy the machine is (delays, gaps, pictures left out) is judged on a quiet machine only.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { build, media, source } from '../lib/build';
import { unquiet, type Machine } from '../demo/load';
import { run, type Line } from '../lib/process';

const dir = mkdtempSync(join(tmpdir(), 'conclave-demo-test-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function demo(name: string, clips: string[] = []): Promise<Line> {
  const out = join(dir, name);
  await run('node', [join(build, 'tests/demo/demo.mjs'), out, ...clips], { env: { CONCLAVE_BUILD: build } });
  assert.ok(existsSync(join(out, 'contact-sheet.png')));
  return reportOf(name);
}

const reportOf = (name: string) => JSON.parse(readFileSync(join(dir, name, 'report.json'), 'utf8')) as Line;

const KBIT_LEAST = 50;
const mean = (pairs: Line[], field: string) => pairs.reduce((n, p) => n + (p[field] as number), 0) / pairs.length;

function checkMeeting(report: Line): void {
  assert.match(report['tls']['version'], /^TLSv1\.3$/);
  assert.equal(report['uninvited']['exit'], 3);
  assert.equal(report['removed']['reason'], 'removed');
  assert.equal(report['removed']['rejoin_exit'], 3);
  const { before, after: behind } = report['removed']['frames'] as { before: Line; after: Line };
  assert.ok(before['captured'] > 60 && behind['captured'] > 60, 'frames from before and after the removal');
  assert.equal(before['by_removed'], before['captured'], 'the removed client opens what was its');
  assert.equal(behind['by_member'], behind['captured'], 'a member opens what came after');
  assert.equal(behind['by_removed'], 0, 'frames from after the removal that the removed client opens');
  assert.equal(report['removed']['frames_decrypted_after_removal'], 0);
  assert.deepEqual(report['removed']['later_epochs_sent_to_it'], []);
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
    const picture = `${p['receiver']} < ${p['sender']}: ${p['psnr_y_mean']} dB, at least ${p['psnr_y_min']}, ${p['kbit_per_s']} kbit/s`;
    // A blank picture costs nothing and is perfect.
    assert.ok(p['kbit_per_s'] >= KBIT_LEAST && p['psnr_y_mean'] > 25 && p['psnr_y_mean'] < 60, picture);
    assert.ok(p['psnr_y_crossed'] < p['psnr_y_mean'] - 8, `${picture}; somebody else's picture: ${p['psnr_y_crossed']} dB`);
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
  const camera = join(dir, 'other.webm');
  const voice = join(dir, 'other.wav');
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  execFileSync('ffmpeg', [...quiet, '-f', 'lavfi', '-i', 'testsrc2=size=482x270:rate=17:duration=13', '-pix_fmt', 'yuv420p', '-c:v', 'libvpx', '-crf', '4', '-b:v', '8M', '-f', 'webm', '-live', '1', camera]);
  // Noise in bursts: what a voice codec can follow, without repeating itself.
  const bursts = 'anoisesrc=color=brown:sample_rate=44100:duration=13:seed=7,lowpass=f=3000,volume=0.5+0.5*sin(2*PI*t*1.7):eval=frame';
  execFileSync('ffmpeg', [...quiet, '-f', 'lavfi', '-i', bursts, '-ac', '2', voice]);
  const report = await demo('other', [camera, voice]);
  for (const p of report['pairs'] as Line[]) assert.equal(p['size'], '482x270');
  checkMeeting(report);
});

test('what is no clip is told in a line, before anything is begun', () => {
  const results = join(dir, 'other');
  const inside = join(results, 'recordings', 'anna', 'bruno@example.org.webm');
  for (const [camera, voice, words] of [
    [join(source, 'README.md'), media.voice, /README\.md/],
    [media.voice, media.voice, /holds no picture/],
    [media.clip, dir, /directory/],
    [inside, media.voice, /copy it elsewhere/],
  ] as const) {
    const { status, stderr, stdout } = spawnSync(process.execPath, [join(build, 'tests/demo/demo.mjs'), results, camera, voice], { encoding: 'utf8' });
    assert.equal(status, 1, stdout);
    assert.equal(stdout, '');
    assert.match(stderr, words);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  }
  assert.ok(existsSync(inside));
});

/** What the demo promises on a machine that does nothing else; the first thing that was missed. */
function missed(report: Line): string | undefined {
  for (const p of report['pairs'] as Line[]) {
    const who = `${p['receiver']} < ${p['sender']}`;
    if (p['share_of_sent'] < 98 || p['share_of_offered'] < 98)
      return `${who}: decoded at full size ${p['share_of_sent']} % of the sent, ${p['share_of_offered']} % of the offered pictures`;
    if (p['gap_max_ms'] > 200) return `${who}: a gap of ${p['gap_max_ms']} ms`;
    if (p['delay_steady_p99_ms'] >= 100) return `${who}: pictures late by ${p['delay_steady_p99_ms']} ms`;
    if (p['voice_delay_steady_p99_ms'] >= 100) return `${who}: voice late by ${p['voice_delay_steady_p99_ms']} ms`;
  }
  return undefined;
}

// Nobody promises that a machine stays quiet: one miss is looked at again, only a repeated one counts.
test('98 % of the pictures, no gap over 200 ms, delays below 100 ms: on a quiet machine', async (t) => {
  let report = reportOf('shipped');
  for (let again = 1; ; again++) {
    const noise = unquiet(report['machine'] as Machine);
    if (noise) return t.diagnostic(`not judged: ${noise}${missed(report) ? ` (${missed(report)})` : ''}`);
    const what = missed(report);
    if (!what) return t.diagnostic(`reached: ${JSON.stringify(report['machine'])}`);
    assert.ok(again < 3, `on a quiet machine, ${again} times, at last ${what}`);
    t.diagnostic(`once more after: ${what}`);
    report = await demo(`again-${again}`);
  }
});

/** All that was received of every sender, against bare libvpx on the pictures that this receiver recorded. */
async function againstBare(name: string): Promise<void> {
  for (const [i, sender] of ['anna', 'bruno', 'chloe'].entries()) {
    const recordings = join(dir, name, 'recordings');
    const receivers = ['anna', 'bruno', 'chloe'].filter((r) => r !== sender);
    const lists = receivers.map((r) => join(recordings, r, `${sender}@example.org.frames.jsonl`));
    const out = await run(join(build, 'client/gst/vpx-bare'), [
      join(dir, name, `camera-${i}.mkv`), join(recordings, sender, 'sent-camera.jsonl'), ...lists,
    ]);
    const bare = (JSON.parse(out.stdout) as Line)['recordings'] as number[];
    const plain = (s: string) => s.normalize('NFD').replace(/[^A-Za-z]/g, '').toLowerCase();
    const pairs = reportOf(name)['pairs'] as Line[];
    for (const [k, receiver] of receivers.entries()) {
      const ours = pairs.find((p) => plain(p['sender']) === sender && plain(p['receiver']) === receiver)!['psnr_y_mean'] as number;
      const text = `${name}, ${receiver} < ${sender}: ${ours} dB, bare libvpx ${bare[k]} dB`;
      assert.ok(bare[k]! > 25 && bare[k]! < 60 && ours >= bare[k]! - 1, text);
      bareFound.push(text);
    }
  }
}
const bareFound: string[] = [];

test('all pictures received are within 1 dB of bare libvpx with the same settings, on both clips', async (t) => {
  await againstBare('shipped');
  await againstBare('other');
  for (const line of bareFound) t.diagnostic(line);
});
