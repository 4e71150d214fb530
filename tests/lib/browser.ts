// SPDX-License-Identifier: Apache-2.0
// Debian's chromium, driven for tests of the pages: no network but loopback, a profile that ends with the test.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';

const CHROMIUM = '/usr/bin/chromium';
export const missing = existsSync(CHROMIUM) ? false : 'chromium is not installed';

export class TestBrowser {
  /** Addresses of all requests that any page has made. */
  readonly requests: string[] = [];
  /** Errors of the pages: exceptions, refused resources, violations of the policy. */
  readonly errors: string[] = [];

  private constructor(
    private readonly browser: Browser,
    private readonly dir: string,
  ) {}

  static async start(): Promise<TestBrowser> {
    const dir = mkdtempSync(join(tmpdir(), 'conclave-browser-'));
    const browser = await puppeteer.launch({
      executablePath: CHROMIUM,
      headless: true,
      acceptInsecureCerts: true, // self-issued; the page cannot pin (docs/threat-model.md)
      userDataDir: dir,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    return new TestBrowser(browser, dir);
  }

  async page(languages: string[] = ['en']): Promise<Page> {
    const page = await (await this.browser.createBrowserContext()).newPage();
    await page.evaluateOnNewDocument((list) => Object.defineProperty(navigator, 'languages', { get: () => list }), languages);
    page.on('request', (r) => this.requests.push(r.url()));
    page.on('pageerror', (e) => this.errors.push(String(e)));
    page.on('console', (m) => m.type() === 'error' && this.errors.push(m.text()));
    return page;
  }

  async stop(): Promise<void> {
    await this.browser.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
