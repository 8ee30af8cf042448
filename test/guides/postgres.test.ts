/** The page as its reader follows it: its commands, copied out of it, with the real server, its API and a real PostgreSQL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { findProgram } from '../support/programs.ts';
import { type Guide, openGuide, skip as withoutShell } from './follow.ts';

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
  // Managed databases have no superusers to give.
  await database.run("CREATE ROLE builder LOGIN CREATEDB CREATEROLE PASSWORD 'of-the-builder'", 'postgres');
  const follow = {
    command: 'guard follow',
    isReady: async () => (await database.run('SELECT FROM grantable.feed', 'shop')).length > 0,
  };
  await using guide = await openGuide('docs/guides/postgres.md', { servers: [API], programs: [follow] });
  await guide.type(
    `export PGHOST=127.0.0.1 PGPORT=${database.port} PGUSER=builder PGPASSWORD=of-the-builder`,
  );
  assert.ok(guide.steps.length > 20);
  for (const step of guide.steps) await guide.follow(step);
  await trySealed(guide);
});

/** With a function in the place of that of the extension, the setting that a client can write says nothing. */
async function trySealed(guide: Guide): Promise<void> {
  const session = (claims: string) => `psql -qX -v claims="${claims}" 2>/dev/null <<'SQL'
CREATE SCHEMA IF NOT EXISTS auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
SELECT format('CREATE OR REPLACE FUNCTION auth.session() RETURNS jsonb STABLE LANGUAGE sql AS %L', format('SELECT %L::jsonb', :'claims')) \\gexec
SQL
`;
  const count = `as_request $(token) 'SELECT count(*) FROM orders' | sed -n 3p`;
  const refused = await guide.type(`${session('null')} psql -qX -v ON_ERROR_STOP=1 -f sealed.sql; ${count}`);
  assert.equal(refused.trim(), '0');
  const allowed = await guide.type(`${session('$claims')} ${count}`);
  assert.equal(allowed.trim(), '2');
  assert.match(await guide.type('guard --check'), /^The database is as migration 1 made it/);
}
