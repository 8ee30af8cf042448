/** The real browser, for what only a browser decides: which forms may go where, which cookies go along, CORS. */
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Why tests in a browser cannot run here; `false` if they can. In CI a missing browser is a failure. */
export function chromiumMissing(): string | false {
  if (PATHS.some((path) => existsSync(path))) return false;
  const sentence = 'no Chromium: apt-get install chromium, or the package of this system';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

/** Milliseconds for a step in the browser: it ends a test that hangs and says nothing about speed. */
const DEADLINE_MS = 120_000;

export async function startChromium(): Promise<Browser> {
  const executablePath = PATHS.find((path) => existsSync(path)) as string;
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args, timeout: DEADLINE_MS });
  browser.on('context', (context) => context.setDefaultTimeout(DEADLINE_MS));
  return browser;
}

export interface Tab extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained of on the page. */
  readonly complaints: string[];
}

/** A person's browser, with cookies of its own, and one page in it. */
export async function openTab(
  browser: Browser,
  options: { javaScriptEnabled?: boolean; width?: number } = {},
): Promise<Tab> {
  const context = await browser.newContext({
    javaScriptEnabled: options.javaScriptEnabled ?? true,
    viewport: { width: options.width ?? 1_000, height: 800 },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

export interface Site extends AsyncDisposable {
  readonly origin: string;
  /** What was asked of it, in order, with bodies. */
  readonly requests: {
    readonly url: string;
    readonly method: string;
    readonly referrer: string;
    readonly body: string;
  }[];
}

async function textOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString();
}

export interface SiteOptions {
  readonly host?: string;
  /** Path to where it leads. */
  readonly redirects?: Readonly<Record<string, string>>;
  /** Path to the HTML that stands there; everywhere else stands the same page. */
  readonly pages?: Readonly<Record<string, string>>;
}

const PAGE = '<!doctype html><html lang="en"><title>client</title><link rel="icon" href="data:,"><p>here</p>';

/** A client's site, which remembers what it was asked. */
export async function startSite({
  host = '127.0.0.1',
  redirects = {},
  pages = {},
}: SiteOptions = {}): Promise<Site> {
  const requests: Site['requests'] = [];
  const server = createServer(async (request, response) => {
    const { url = '', method = '', headers } = request;
    requests.push({ url, method, referrer: headers.referer ?? '', body: await textOf(request) });
    const { pathname } = new URL(url, 'http://site');
    const location = redirects[pathname];
    if (location !== undefined) {
      response.writeHead(302, { location }).end();
      return;
    }
    response.setHeader('content-type', 'text/html');
    response.end(pages[pathname] ?? PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
