/** Metadata and keys as ready bytes: the same for everybody, so nothing of a request can get into them (HD-02). */
import { createHash } from 'node:crypto';
import type { Middleware } from 'koa';

interface Kept {
  readonly version: string;
  readonly bytes: Buffer;
  readonly type: string;
  readonly etag: string;
}

export interface DocumentsDeps {
  readonly paths: readonly string[];
  /** Changes whenever a document may have. */
  readonly version: () => Promise<string>;
  /** Seconds that others may keep them. */
  readonly maxAge: number;
}

export function createDocuments({ paths, version, maxAge }: DocumentsDeps): Middleware {
  const kept = new Map<string, Kept>();
  return async function documents(ctx, next) {
    if (!paths.includes(ctx.path) || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    const current = await version();
    let document = kept.get(ctx.path);
    if (document?.version !== current) {
      await next();
      if (ctx.status !== 200) return;
      const bytes = Buffer.from(JSON.stringify(ctx.body));
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      document = { version: current, bytes, etag, type: ctx.response.get('Content-Type') };
      kept.set(ctx.path, document);
    }
    ctx.status = 200;
    ctx.remove('Vary');
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.set('Cache-Control', `public, max-age=${maxAge}`);
    ctx.set('Content-Type', document.type);
    ctx.etag = document.etag;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.body = document.bytes;
    ctx.set('Content-Type', document.type);
  };
}
