/** The real browser, for what only a browser decides: which forms may go where, which cookies go along, CORS. */
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Why tests in a browser cannot run here; `false` if they can. In CI a missing browser is a failure. */
export function chromiumMissing(): string | false {
  if (PATHS.some((path) => existsSync(path))) return false;
  const sentence = 'no Chromium: apt-get install chromium, or the package of this system';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

export function startChromium(): Promise<Browser> {
  const executablePath = PATHS.find((path) => existsSync(path)) as string;
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
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

/** A client's site: answers everything with the same page, and remembers what it was asked. */
export async function startSite(): Promise<Site> {
  const requests: Site['requests'] = [];
  const server = createServer(async (request, response) => {
    const { url = '', method = '', headers } = request;
    requests.push({ url, method, referrer: headers.referer ?? '', body: await textOf(request) });
    response.setHeader('content-type', 'text/html');
    response.end(
      '<!doctype html><html lang="en"><title>client</title><link rel="icon" href="data:,"><p>here</p>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
