// SPDX-License-Identifier: Apache-2.0
// A camera and a microphone without hardware: PipeWire's own, of a session of its own, which show a clip and speak a
// voice for as long as they are on.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { media } from './build';
import { Proc, WAIT_MS, run } from './process';

const ROOM = 'room';
const PROGRAMS = ['dbus-daemon', 'pipewire', 'wireplumber', 'pipewire-pulse', 'pw-cli', 'pactl', 'ffmpeg', 'gst-launch-1.0'];

/** Why this cannot be had here; false: it can. */
export function unavailable(): string | false {
  const missing = PROGRAMS.filter((p) => !process.env['PATH']!.split(':').some((dir) => existsSync(join(dir, p))));
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

/** The client would take it, and show whoever sits before it. */
export const ownCamera = (): string | false => existsSync('/dev/video0') && 'this machine has a camera of its own';

export class Devices {
  private readonly processes: Proc[] = [];
  /** For a client that is to find them. */
  readonly env: Record<string, string>;

  private constructor(private readonly dir: string) {
    const home = join(dir, 'home');
    mkdirSync(home, { recursive: true, mode: 0o700 });
    // A session bus of its own: nobody else's devices, portals or settings.
    this.env = { XDG_RUNTIME_DIR: dir, HOME: home, DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(dir, 'bus')}`, PULSE_SERVER: `unix:${join(dir, 'pulse/native')}` };
  }

  static async create(dir: string): Promise<Devices> {
    const d = new Devices(dir);
    try {
      await d.setUp();
    } catch (err) {
      await d.stop();
      throw err;
    }
    return d;
  }

  private async setUp(): Promise<void> {
    const bus = this.start('dbus-daemon', ['--session', '--nofork', '--nopidfile', `--address=${this.env['DBUS_SESSION_BUS_ADDRESS']}`]);
    await this.poll(bus, 'the session bus', async () => existsSync(join(this.dir, 'bus')));
    for (const program of ['pipewire', 'wireplumber', 'pipewire-pulse']) {
      const proc = this.start(program, []);
      // Each finds the one before.
      await this.answers(proc, program === 'pipewire-pulse' ? ['pactl', 'info'] : ['pw-cli', 'info', '0']);
    }
    await this.run('pactl', ['load-module', 'module-null-sink', `sink_name=${ROOM}`]);
    // Once the session manager keeps what the default is.
    await this.answers(bus, ['pactl', 'set-default-source', `${ROOM}.monitor`]);
    this.start('ffmpeg', ['-v', 'error', '-re', '-stream_loop', '-1', '-i', media.voice, '-f', 'pulse', '-device', ROOM, 'voice']);
    await this.cameraOn();
  }

  private async cameraOn(): Promise<void> {
    const clip = join(this.dir, 'long.webm');
    await run('ffmpeg', ['-v', 'error', '-y', '-stream_loop', '24', '-i', media.clip, '-an', '-c', 'copy', clip]);
    const source = ['filesrc', `location=${clip}`, '!', 'matroskademux', '!', 'vp9dec', '!', 'videoconvert', '!', 'video/x-raw,format=I420'];
    const sink = ['pipewiresink', 'mode=provide', 'stream-properties=props,media.class=Video/Source,node.name=camera,media.role=Camera'];
    const camera = this.start('gst-launch-1.0', ['-q', ...source, '!', ...sink]);
    const there = async () => (await this.run('pw-cli', ['ls', 'Node'])).stdout.includes('node.name = "camera"');
    await this.poll(camera, 'the camera', there);
  }

  private start(program: string, args: string[]): Proc {
    const proc = new Proc(program, args, { env: this.env });
    this.processes.push(proc);
    return proc;
  }

  private run(program: string, args: string[]): Promise<Proc> {
    return run(program, args, { env: this.env });
  }

  private answers(proc: Proc, [program, ...args]: string[]): Promise<void> {
    return this.poll(proc, program!, () =>
      this.run(program!, args).then(
        () => true,
        () => false,
      ),
    );
  }

  private async poll(proc: Proc, what: string, check: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + WAIT_MS; !(await check()); await new Promise((next) => setTimeout(next, 100)))
      if (Date.now() > end || proc.code !== undefined) throw new Error(`${what}: not there\n${proc.report()}`);
  }

  async stop(): Promise<void> {
    for (const proc of this.processes.reverse()) await proc.stop();
  }
}
