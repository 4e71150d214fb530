// SPDX-License-Identifier: Apache-2.0
// Mail by SMTP with STARTTLS and AUTH, and what happens while the mail server is away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { freePorts } from '../lib/build';
import { LINK } from '../lib/outbox';
import { Site } from '../lib/site';

const USER = 'conclave';
const SECRET = 'a mail password';

interface Mail {
  to: string[];
  secure: boolean;
  user: string;
  text: string;
}

let site: Site;
let port: number;
let key: string;
let cert: string;
let server: SMTPServer | undefined;
const received: Mail[] = [];
let arrived: () => void = () => {};

function startServer(): Promise<SMTPServer> {
  const smtp = new SMTPServer({
    key: readFileSync(key),
    cert: readFileSync(cert),
    authMethods: ['PLAIN', 'LOGIN'],
    onAuth: (auth, _session, done) =>
      auth.username === USER && auth.password === SECRET ? done(null, { user: USER }) : done(new Error('no')),
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (d: Buffer) => parts.push(d));
      stream.on('end', () => {
        const raw = Buffer.concat(parts).toString('utf8').replace(/=\r?\n/g, '');
        const text = raw.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
        const to = session.envelope.rcptTo.map((r) => r.address);
        received.push({ to, secure: session.secure, user: String(session.user), text });
        done();
        arrived();
      });
    },
  });
  return new Promise((resolve, reject) => {
    smtp.on('error', (err) => (smtp.server.listening ? undefined : reject(err)));
    smtp.listen(port, '127.0.0.1', () => resolve(smtp));
  });
}

/** The message to this address. */
async function mailTo(address: string, timeoutMs: number): Promise<Mail> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = received.find((m) => m.to.includes(address));
    if (found) return found;
    const left = end - Date.now();
    if (left <= 0) throw new Error(`no mail to ${address} within ${timeoutMs} ms\n${site.manager.report()}`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, left);
      arrived = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

before(async () => {
  site = await Site.create('mail');
  [port] = (await freePorts(1)) as [number];
  key = join(site.dir, 'smtp.key');
  cert = join(site.dir, 'smtp.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  writeFileSync(join(site.data, 'smtp-password'), SECRET + '\n', { mode: 0o600 });
  const conf = join(site.data, 'manager.conf');
  const mail = `smtp = smtp://localhost:${port}\nstarttls = yes\nuser = ${USER}\npassword_file = smtp-password\nca = ${cert}\n`;
  writeFileSync(conf, readFileSync(conf, 'utf8').replace('[mail]\n', `[mail]\n${mail}`));
  await site.manager.stop();
  await site.startManager();
});
after(async () => {
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  await site.stop();
});

test('an invitation waits in the database while the mail server is away, over a restart too', async () => {
  const inOutbox = readdirSync(site.outbox).length;
  await site.admin.cli(['user', 'invite', 'paul@example.org']);
  await site.manager.said(/WARNING mail|NOTICE mail .*(again|later)/);
  await site.manager.stop();
  server = await startServer();
  await site.startManager();
  const mail = await mailTo('paul@example.org', 90000);
  assert.equal(readdirSync(site.outbox).length, inOutbox, 'with SMTP nothing goes to the outbox');
  assert.ok(mail.secure, 'the message came over TLS');
  assert.equal(mail.user, USER);
  const link = mail.text.match(LINK)?.[0];
  assert.ok(link, 'the message holds a validation link');
  const paul = site.person('paul@example.org');
  await paul.validate(link.replace('&amp;', '&'), 'Paul', 'Post');
  await paul.login();
});

test('with the server there, mail goes out at once', async () => {
  await site.admin.cli(['user', 'invite', 'rosa@example.org']);
  assert.ok((await mailTo('rosa@example.org', 90000)).text.match(LINK));
});

test('the mail password is in no log and on no command line', () => {
  assert.ok(!site.manager.stderr.includes(SECRET));
  assert.ok(!readFileSync(`/proc/${site.manager.child.pid}/cmdline`, 'utf8').includes(SECRET));
});
