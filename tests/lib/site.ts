// SPDX-License-Identifier: Apache-2.0
// A whole organisation on loopback: manager, relay, and people with accounts.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePorts, programs } from './build';
import { validationLink } from './outbox';
import { Proc, run, type Line, type ProcOptions } from './process';

export const ADMIN = 'admin@example.org';
export const PASSWORD = 'seven Otters juggle brass lanterns';

export interface JoinOptions {
  audio?: string;
  camera?: string;
  loop?: boolean;
  record?: string;
  sendFiles?: string[];
  acceptFiles?: string;
  duration?: number;
  expect?: number;
  env?: Record<string, string>;
  program?: string;
}

/** Somebody with a profile of their own. */
export class Person {
  constructor(
    readonly site: Site,
    readonly email: string,
    readonly profile: string,
  ) {}

  /** A command of conclave-cli --json, run to its end. */
  async cli(args: string[], options: ProcOptions & { code?: number } = {}): Promise<Proc> {
    return run(programs.cli(), ['--profile', this.profile, '--json', ...args], options);
  }

  async validate(link: string, first: string, last: string, password = PASSWORD): Promise<Proc> {
    return this.cli(['validate', link, '--first-name', first, '--last-name', last, '--password-stdin'], { input: password + '\n' });
  }

  async login(password = PASSWORD): Promise<Proc> {
    return this.cli(['login', '--manager', this.site.url, '--org', this.site.organisation, this.email, '--password-stdin'], {
      input: password + '\n',
    });
  }

  /** Enters a meeting; the process goes on until it leaves. Commands are sent with Proc.send. */
  join(meeting: string, o: JoinOptions = {}): Proc {
    const args = ['--profile', this.profile, '--json', 'join', meeting];
    if (o.audio) args.push('--audio', o.audio);
    if (o.camera) args.push('--camera', o.camera);
    if (o.loop) args.push('--loop');
    if (o.record) args.push('--record', o.record);
    for (const f of o.sendFiles ?? []) args.push('--send-file', f);
    if (o.acceptFiles) args.push('--accept-files', o.acceptFiles);
    if (o.duration) args.push('--duration', String(o.duration));
    if (o.expect) args.push('--expect', String(o.expect));
    const proc = new Proc(o.program ?? programs.cli(), args, { end: false, env: o.env ?? {} });
    this.site.processes.push(proc);
    return proc;
  }

  /** A meeting that this person organises; its id. */
  async meeting(title: string, invite: string[]): Promise<string> {
    const done = await this.cli(['meeting', 'create', '--title', title, '--invite', ...invite]);
    return (await done.event('meeting-created'))['id'] as string;
  }
}

/** A relay beside the site's own. */
export interface Relay {
  url: string;
  config: string;
  relay: Proc;
}

/** A program whose clock is off. The library itself: faketime's wrapper would not hand on our signals. */
function withClock(clock: string, program: string, args: string[]): Proc {
  if (clock === '') return new Proc(program, args);
  const library = readdirSync('/usr/lib')
    .map((triplet) => join('/usr/lib', triplet, 'faketime/libfaketime.so.1'))
    .find((path) => existsSync(path));
  if (!library) throw new Error("libfaketime is not installed (Debian's package faketime)");
  return new Proc(program, args, { env: { LD_PRELOAD: library, FAKETIME: clock } });
}

export class Site {
  readonly processes: Proc[] = [];
  url = '';
  relayUrl = '';
  organisation = '';
  manager!: Proc;
  relay!: Proc;
  admin!: Person;
  private ports: number[] = [];

  private constructor(readonly dir: string) {}

  get data(): string {
    return join(this.dir, 'manager');
  }
  get relayData(): string {
    return join(this.dir, 'relay');
  }
  get relayConf(): string {
    return join(this.relayData, 'relay.conf');
  }
  get outbox(): string {
    return join(this.data, 'outbox');
  }

  /** Manager and relay set up and running, the administrator validated and signed in. */
  static async create(name: string, organisation = 'Example Hospital'): Promise<Site> {
    const site = await Site.servers(name, organisation);
    try {
      await site.admin.validate(site.adminLink, 'Ada', 'Admin');
      await site.admin.login();
      return site;
    } catch (err) {
      await site.stop();
      throw err;
    }
  }

  /** Manager and relay set up and running; nobody has an account yet. */
  static async servers(name: string, organisation = 'Example Hospital'): Promise<Site> {
    const site = new Site(mkdtempSync(join(tmpdir(), `conclave-${name}-`)));
    try {
      await site.init(organisation);
      await site.startManager();
      await site.enrolRelay();
      await site.startRelay();
      return site;
    } catch (err) {
      await site.stop();
      throw err;
    }
  }

  adminLink = '';

  private async init(organisation: string): Promise<void> {
    this.ports = await freePorts(3);
    const [manager, relay, link] = this.ports;
    this.url = `https://localhost:${manager}`;
    this.relayUrl = `https://localhost:${relay}`;
    const init = await run(programs.manager(), [
      'init',
      '--organisation', organisation,
      '--url', this.url,
      '--listen', `127.0.0.1:${manager}`,
      '--relay-url', `https://localhost:${link}`,
      '--relay-listen', `127.0.0.1:${link}`,
      '--admin-email', ADMIN,
      '--data', this.data,
    ]);
    const printed = init.stdout.match(/https:\/\/\S+\/validate#t=\S+/)?.[0];
    if (!printed) throw new Error(`init printed no validation link\n${init.stdout}`);
    this.adminLink = printed;
    this.organisation = printed.match(/org=([0-9a-f]{64})/)![1]!;
    this.admin = this.person(ADMIN);
  }

  /** `clock`: an offset as faketime takes it, such as '+8d'. */
  async startManager(clock = ''): Promise<void> {
    this.manager = withClock(clock, programs.manager(), ['run', '--data', this.data]);
    this.processes.push(this.manager);
    await this.manager.said(/serving/);
  }

  /** A further relay, enrolled and running. */
  async secondRelay(): Promise<Relay> {
    const [port] = await freePorts(1);
    const url = `https://localhost:${port}`;
    const data = join(this.dir, 'relay2');
    const config = join(data, 'relay.conf');
    await this.enrolRelay(url, port!, data, config);
    const second = { url, config, relay: new Proc(programs.relay(), ['run', '--config', config]) };
    this.processes.push(second.relay);
    await second.relay.said(/listening/);
    return second;
  }

  private async enrolRelay(
    url = this.relayUrl,
    port = this.ports[1]!,
    data = this.relayData,
    config = this.relayConf,
  ): Promise<void> {
    const token = await run(programs.manager(), ['relay-token', '--url', url, '--data', this.data]);
    const line = token.stdout.split('\n').find((l) => l.includes('conclave-relay enrol'));
    if (!line) throw new Error(`relay-token printed no command\n${token.stdout}`);
    // The printed line as an operator would paste it; where the relay listens and keeps its things is added.
    const place = `--listen 127.0.0.1:${port} --data '${data}' --config '${config}'`;
    await run('/bin/sh', ['-c', `${line.trim()} ${place}`], {
      env: { PATH: `${dirname(programs.relay())}:${process.env['PATH']}` },
    });
  }

  async startRelay(clock = ''): Promise<void> {
    this.relay = withClock(clock, programs.relay(), ['run', '--config', this.relayConf]);
    this.processes.push(this.relay);
    await this.relay.said(/listening/);
  }

  person(email: string, suffix = ''): Person {
    const profile = join(this.dir, `profile-${email.split('@')[0]}${suffix}`);
    mkdirSync(profile, { recursive: true, mode: 0o700 });
    return new Person(this, email, profile);
  }

  /** Invites by mail, validates by the link of the mail, signs in. */
  async user(email: string, first: string, last: string, role = 'user'): Promise<Person> {
    await this.admin.cli(['user', 'invite', email, '--role', role]);
    const person = this.person(email);
    await person.validate(await validationLink(this.outbox, email), first, last);
    await person.login();
    return person;
  }

  /** Ends every process and removes the folder (kept with $CONCLAVE_KEEP for looking at). */
  async stop(): Promise<void> {
    await Promise.all([...this.processes].reverse().map((p) => p.stop()));
    if (!process.env['CONCLAVE_KEEP']) rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The last stats entry of a stream at a receiver. */
export function lastStats(proc: Proc, match: (s: Line) => boolean): Line | undefined {
  for (const e of [...proc.events].reverse()) {
    if (e['event'] !== 'stats') continue;
    const found = (e['streams'] as Line[]).find(match);
    if (found) return found;
  }
  return undefined;
}
