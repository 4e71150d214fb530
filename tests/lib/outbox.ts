// SPDX-License-Identifier: Apache-2.0
// The manager's outbox folder: the mail that went out, as people would read it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WAIT_MS } from './process';

export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** Soft line breaks and =XX of quoted-printable, base64 bodies, folded headers. */
function decode(raw: string): Mail {
  const [head = '', ...rest] = raw.replace(/\r\n/g, '\n').split('\n\n');
  const headers = head.replace(/\n[ \t]+/g, ' ');
  const field = (name: string) => headers.match(new RegExp(`^${name}: *(.*)$`, 'im'))?.[1] ?? '';
  const body = rest.join('\n\n');
  const quoted = body.replace(/=\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  const blocks = body.match(/(?:^[A-Za-z0-9+/]{40,}={0,2}$\n?)+(?:^[A-Za-z0-9+/]+={0,2}$)?/gm) ?? [];
  const decoded = blocks.map((b) => Buffer.from(b.replace(/\n/g, ''), 'base64').toString('utf8'));
  return { to: field('To'), subject: field('Subject'), text: [quoted, ...decoded].join('\n') };
}

export function mails(outbox: string): Mail[] {
  return readdirSync(outbox)
    .filter((name) => name.endsWith('.eml'))
    .sort()
    .map((name) => decode(readFileSync(join(outbox, name), 'utf8')));
}

export const LINK = /https:\/\/[^\s"<>]+\/validate#t=[A-Za-z0-9_-]+&(?:amp;)?org=[0-9a-f]{64}/;

/** The newest validation link that went to this address; waits for the mail queue. */
export async function validationLink(outbox: string, email: string, timeoutMs = WAIT_MS): Promise<string> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const links = mails(outbox)
      .filter((m) => m.to.toLowerCase().includes(email.toLowerCase()))
      .map((m) => m.text.match(LINK)?.[0])
      .filter((l) => l !== undefined);
    const link = links.at(-1);
    if (link) return link.replace('&amp;', '&');
    if (Date.now() > end) throw new Error(`no validation link for ${email} in ${outbox}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
