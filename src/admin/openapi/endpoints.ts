/**
 * Where the description is served, and the page that shows it. They take no token: both are the same on every server of
 * this version, are published with the package, and say nothing about what this server holds.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context, Middleware } from 'koa';
import { sendDocument, toDocument } from '../../http/documents.ts';
import { API } from '../api/paths.ts';
import { PAGE, PAGE_POLICY, START_SCRIPT, swaggerUiFile } from './swagger-ui.ts';

/** Seconds; short, because a new version of the server has other ones at the same address. */
const MAX_AGE = 300;

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

interface Source {
  readonly type: string;
  /** Read at each request: few ask for them, and Swagger UI is large. */
  readonly read: () => Promise<Buffer> | Buffer;
}

const fromText = (text: string, type: string): Source => ({ type, read: () => Buffer.from(text) });
const fromFile = (path: () => string, type: string): Source => ({ type, read: () => readFile(path()) });

function send(source: Source): Middleware {
  return async (ctx: Context) => {
    const bytes = await source.read();
    ctx.set('Content-Security-Policy', PAGE_POLICY);
    sendDocument(ctx, toDocument(bytes, source.type), MAX_AGE);
  };
}

/** @param docsFolder where `openapi.json` is @returns what answers, by method and path */
export function createDescriptionEndpoints(docsFolder: string): ReadonlyMap<string, Middleware> {
  const sources: Readonly<Record<string, Source>> = {
    '/openapi.json': fromFile(() => join(docsFolder, 'openapi.json'), 'application/json'),
    '/docs': fromText(PAGE, 'text/html; charset=utf-8'),
    '/docs/start.js': fromText(START_SCRIPT, SCRIPT),
    '/docs/swagger-ui.css': fromFile(() => swaggerUiFile('swagger-ui.css'), STYLE),
    '/docs/swagger-ui-bundle.js': fromFile(() => swaggerUiFile('swagger-ui-bundle.js'), SCRIPT),
  };
  return new Map(
    Object.entries(sources).flatMap(([path, source]) =>
      ['GET', 'HEAD'].map((method) => [`${method} ${API}${path}`, send(source)] as const),
    ),
  );
}
