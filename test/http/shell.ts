/**
 * The shell for tests: the real one on a free port, around routes of the test's own, and clients that can say what
 * `fetch` refuses to.
 */
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Middleware } from 'koa';
import { createTrustedProxies } from '../../src/config/addresses.ts';
import { type AppDeps, createApp } from '../../src/http/app.ts';
import type { HealthDeps } from '../../src/http/health.ts';
import { type Listening, listen, type SocketLimits } from '../../src/http/listen.ts';
import { createLogger } from '../../src/http/log.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createReadFacts } from '../../src/http/request-facts.ts';
import { createViews, type Views } from '../../src/http/views.ts';
import { packageFolder } from '../../src/server/package-folder.ts';
import { until } from '../support/until.ts';

export const ISSUER = 'https://id.acme.example';
export const HOST = 'id.acme.example';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; an empty object if it is not JSON. */
  readonly json: Record<string, any>;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  /** Address to connect from. */
  readonly from?: string;
}

export interface Shell extends AsyncDisposable {
  readonly port: number;
  readonly listening: Listening;
  /** Lines of the log so far, parsed. */
  readonly log: Record<string, any>[];
  /** As they were written. */
  readonly lines: string[];
  /** Under the issuer's host unless a header says otherwise. */
  ask(path: string, options?: AskOptions): Promise<Reply>;
  /** Sends the text as it is. @returns all that came until the server ended the connection */
  raw(message: string | Buffer): Promise<string>;
  /** @param from the address to connect from */
  connect(from?: string): Promise<Socket>;
}

export interface ShellOptions {
  readonly issuer?: string;
  readonly hosts?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly routes?: readonly Middleware[];
  readonly api?: AppDeps['api'];
  readonly health?: Partial<HealthDeps>;
  readonly documents?: Partial<AppDeps['documents']>;
  readonly limits?: Partial<SocketLimits>;
  readonly level?: string;
  readonly views?: Views;
  readonly viewFolders?: readonly string[];
}

export async function startShell(options: ShellOptions = {}): Promise<Shell> {
  const lines: string[] = [];
  const viewFolders = options.viewFolders ?? [packageFolder('views')];
  const issuer = options.issuer ?? ISSUER;
  const trustedProxies = createTrustedProxies(options.trustedProxies ?? []);
  const app = createApp({
    issuer,
    hosts: options.hosts ?? [],
    isFacePath: () => false,
    api: options.api ?? { hasPath: () => false, routes: (_ctx, next) => next() },
    cors: { isPagePath: () => false, isListed: async () => false },
    readFacts: createReadFacts(trustedProxies),
    cookieKeys: () => ['a-key-for-cookies'],
    log: createLogger({
      level: options.level ?? 'info',
      destination: { write: (line: string) => lines.push(line) },
    }),
    views: options.views ?? createViews({ folders: viewFolders, required: ['layout', 'error'] }),
    assetFolders: viewFolders,
    health: {
      findMissing: async () => [],
      metrics: createMetrics({ hashesWaiting: () => 0 }),
      metricsToken: undefined,
      ...options.health,
    },
    documents: { paths: [], version: async () => '1', maxAge: 300, ...options.documents },
    endpoints: new Map(),
    routes: options.routes ?? [],
  });
  const listening = await listen({
    host: '127.0.0.1',
    port: 0,
    limits: { farewell: 20, ...options.limits },
    trustedProxies,
  });
  listening.serve(app.callback());
  const { port } = listening;

  async function open(from = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  }

  return {
    port,
    listening,
    lines,
    get log() {
      return lines.map((line) => JSON.parse(line));
    },
    ask: (path, options = {}) =>
      askAt(port, path, { ...options, headers: { Host: new URL(issuer).host, ...options.headers } }),
    async raw(message) {
      const socket = await open();
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      socket.write(message);
      await new Promise((resolve) => socket.once('error', resolve).once('close', resolve));
      return Buffer.concat(received).toString('latin1');
    },
    connect: open,
    async [Symbol.asyncDispose]() {
      await listening.stop(1);
    },
  };
}

/** A request with any headers, over a connection of its own. */
export function askAt(port: number, path: string, options: AskOptions = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, from = '127.0.0.1' } = options;
  return new Promise((resolve, reject) => {
    const asked = request({
      port,
      host: '127.0.0.1',
      localAddress: from,
      path,
      method,
      headers,
      agent: false,
    });
    asked.once('error', reject);
    asked.once('response', (response) => {
      text(response).then(
        (body) => resolve(toReply(response.statusCode ?? 0, response.headers, body)),
        reject,
      );
    });
    asked.end(body);
  });
}

function toReply(status: number, headers: IncomingHttpHeaders, body: string): Reply {
  let json: Record<string, any> = {};
  try {
    json = JSON.parse(body);
  } catch {
    // Not every answer is JSON.
  }
  return { status, headers, text: body, json };
}

/** Answers everything with what it sees of the request's origin, and makes a URL as careless code would. */
export const mirror: Middleware = (ctx) => {
  ctx.cookies.set('seen', '1', { signed: false });
  ctx.body = {
    path: ctx.path,
    href: ctx.href,
    host: ctx.host,
    hostname: ctx.hostname,
    url: ctx.URL.href,
    protocol: ctx.protocol,
    secure: ctx.secure,
    ip: ctx.ip,
    ips: ctx.ips,
    hostHeader: ctx.req.headers.host,
    address: ctx.state.address,
    requestId: ctx.state.requestId,
  };
};

/** For what the other side of a socket does. */
export const eventually = (holds: () => boolean): Promise<unknown> => until(String(holds), holds);
