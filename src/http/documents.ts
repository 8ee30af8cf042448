/** Metadata and keys as ready bytes: the same for everybody, so nothing of a request can get into them (HD-02). */
import { hash } from 'node:crypto';
import type { Context, Middleware } from 'koa';

interface Document {
  readonly bytes: Buffer;
  readonly type: string;
  readonly etag: string;
}

export interface DocumentsDeps {
  readonly paths: readonly string[];
  /** Changes whenever a document may have. While it cannot be told (the store is away), the last bytes are good. */
  readonly version: () => Promise<string>;
  /** Seconds that others may keep them. */
  readonly maxAge: number;
}

function toBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

export function toDocument(bytes: Buffer, type: string): Document {
  return { bytes, type, etag: `"${hash('sha256', bytes, 'base64url').slice(0, 22)}"` };
}

/** Of the answer that was made for one request, only the bytes and their type are for all. */
function forgetRequest(ctx: Context): void {
  for (const name of Object.keys(ctx.response.headers)) {
    if (/^(?:vary|access-control-.*)$/i.test(name)) ctx.remove(name);
  }
}

/** @param maxAge seconds that others may keep it */
export function sendDocument(ctx: Context, document: Document, maxAge: number): void {
  forgetRequest(ctx);
  ctx.status = 200;
  ctx.set('Cache-Control', `public, max-age=${maxAge}`);
  ctx.set('ETag', document.etag);
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.set('Content-Type', document.type);
  ctx.body = document.bytes;
}

export function createDocuments({ paths, version, maxAge }: DocumentsDeps): Middleware {
  const kept = new Map<string, Document & { readonly version: string }>();
  const known = new Set(paths);

  /** A HEAD is answered like a GET; Node leaves the body out. */
  const make = async (ctx: Context, next: () => Promise<void>): Promise<void> => {
    const { method } = ctx;
    ctx.method = 'GET';
    await next();
    ctx.method = method;
  };

  return async function documents(ctx, next) {
    if (!known.has(ctx.path) || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    let document = kept.get(ctx.path);
    const current = await version().catch((error: unknown) => {
      if (document) return document.version;
      throw error;
    });
    // Taken from before the answer was made: one that was outdated meanwhile is made again.
    if (document?.version !== current) {
      await make(ctx, next);
      if (ctx.status !== 200) return;
      document = { ...toDocument(toBytes(ctx.body), ctx.response.get('Content-Type')), version: current };
      kept.set(ctx.path, document);
    }
    sendDocument(ctx, document, maxAge);
  };
}
