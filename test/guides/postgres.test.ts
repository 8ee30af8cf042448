/** The page as its reader follows it: its commands, copied out of it, with the real server, its API and a real PostgreSQL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { findProgram } from '../support/programs.ts';
import { openGuide, skip as withoutShell } from './follow.ts';

const skip =
  withoutShell || postgresMissing() || (findProgram('psql') === undefined && 'needs psql of PostgreSQL');

const API = {
  command: 'shop-api.mjs',
  address: 'localhost:8080',
  ready: '/.well-known/oauth-protected-resource',
  port: 'PORT',
};

test('the commands of docs/guides/postgres.md print what it shows', { skip }, async () => {
  await using database = await startPostgres();
  const follow = {
    command: 'guard follow',
    isReady: async () => (await database.run('SELECT FROM grantable.feed', 'shop')).length > 0,
  };
  await using guide = await openGuide('docs/guides/postgres.md', { servers: [API], programs: [follow] });
  await guide.type(`export PGHOST=127.0.0.1 PGPORT=${database.port} PGUSER=owner`);
  assert.ok(guide.steps.length > 20);
  for (const step of guide.steps) await guide.follow(step);
});
