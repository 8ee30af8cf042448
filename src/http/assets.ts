/** The few files that pages need, by exact name: nothing that was sent becomes a path. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Middleware } from 'koa';
import { sendDocument, toDocument } from './documents.ts';

const ASSETS = [
  { path: '/assets/grantable.css', file: 'grantable.css', type: 'text/css; charset=utf-8' },
  { path: '/assets/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
];

/** Seconds; short, because the address stays the same when an operator changes a file. */
const MAX_AGE = 300;

/** @param folders the operator's first @throws Error if a file is in none of them */
export function createAssets({ folders }: { folders: readonly string[] }): Middleware {
  const contents = new Map(
    ASSETS.map(({ path, file, type }) => {
      const folder = folders.find((candidate) => existsSync(join(candidate, file)));
      if (folder === undefined) throw new Error(`no folder of views has the file ${file}`);
      return [path, toDocument(readFileSync(join(folder, file)), type)];
    }),
  );
  return async function assets(ctx, next) {
    const asset = contents.get(ctx.path);
    if (!asset || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    sendDocument(ctx, asset, MAX_AGE);
  };
}
