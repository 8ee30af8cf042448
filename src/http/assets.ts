/** The few files that pages need, by exact name: nothing that was sent becomes a path. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Middleware } from 'koa';

const ASSETS: Readonly<Record<string, { file: string; type: string }>> = {
  '/assets/grantable.css': { file: 'grantable.css', type: 'text/css; charset=utf-8' },
};

/** @param folders the operator's first */
export function createAssets({ folders }: { folders: readonly string[] }): Middleware {
  const read = (file: string): Buffer => {
    for (const folder of folders) {
      try {
        return readFileSync(join(folder, file));
      } catch {
        // The next folder may have it.
      }
    }
    throw new Error(`asset ${file} is missing`);
  };
  const contents = new Map(Object.entries(ASSETS).map(([path, { file }]) => [path, read(file)]));
  return async function assets(ctx, next) {
    const asset = ASSETS[ctx.path];
    if (!asset || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    ctx.set('Cache-Control', 'public, max-age=3600');
    ctx.type = asset.type;
    ctx.body = contents.get(ctx.path);
  };
}
