/**
 * The pages of neighbours as their readers follow them, with the real server and PostgreSQL. The neighbours themselves are not here:
 * their part is done as their documentation says.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createLocalJWKSet, createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import pg from 'pg';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';
import { findProgram } from '../support/programs.ts';
import { type Guide, openGuide, skip as withoutShell } from './follow.ts';

const skip =
  withoutShell || postgresMissing() || (findProgram('psql') === undefined && 'needs psql of PostgreSQL');

async function followAll(guide: Guide): Promise<void> {
  assert.ok(guide.steps.length >= 4);
  for (const step of guide.steps) await guide.follow(step);
}

/** With the options that the page gives the neighbour. */
async function verify(guide: Guide, token: string, audience: string): Promise<JWTPayload> {
  const issuer = guide.here('http://localhost:3000');
  const keys = createRemoteJWKSet(new URL(`${issuer}/oauth/jwks`));
  return (await jwtVerify(token, keys, { issuer, audience, algorithms: ['ES256'] })).payload;
}

describe('pages of neighbours', { skip }, () => {
  let database: SqlServer;
  before(async () => {
    database = await startPostgres();
  });
  after(() => database[Symbol.asyncDispose]());

  async function useDatabase(guide: Guide, name: string): Promise<void> {
    await database.run(`CREATE DATABASE ${name}`, 'postgres');
    const { port } = database;
    await guide.type(`export PGHOST=127.0.0.1 PGPORT=${port} PGUSER=owner PGDATABASE=${name}`);
  }

  /** As PostgREST does for a request: a transaction with the role and the claims of the token. */
  async function asRequest(
    login: { user: string; password: string; database: string },
    claims: JWTPayload,
    query: string,
  ): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ host: '127.0.0.1', port: database.port, ...login });
    await client.connect();
    try {
      await client.query('BEGIN READ ONLY');
      await client.query("SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", [
        claims.role,
        JSON.stringify(claims),
      ]);
      return (await client.query(query)).rows;
    } finally {
      await client.end();
    }
  }

  test('PostgREST gets keys, audience and a role that it may become', async () => {
    await using guide = await openGuide('docs/guides/postgrest.md');
    await useDatabase(guide, 'postgrest');
    await followAll(guide);
    const [{ setting } = {}] = await database.run(
      `SELECT unnest(setconfig) AS setting FROM pg_db_role_setting WHERE setrole = 'authenticator'::regrole`,
    );
    const jwks = JSON.parse(String(setting).replace(/^pgrst\.jwt_secret=/, ''));
    const token = (await guide.type('echo "$TOKEN"')).trim();
    const page = await readFile('docs/guides/postgrest.md', 'utf8');
    const audience = /^jwt-aud = "(.*)"$/m.exec(page)?.[1] ?? '';
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), { audience });
    const login = { user: 'authenticator', password: 'choose-another', database: 'postgrest' };
    const rows = await asRequest(
      login,
      payload,
      `SELECT current_user::text AS role, current_setting('request.jwt.claims')::json ->> 'user_id' AS who`,
    );
    assert.deepEqual(rows, [{ role: 'web_user', who: payload.user_id }]);
    assert.match(String(payload.user_id), /^[0-9a-f-]{36}$/);
    await assert.rejects(asRequest(login, { ...payload, role: 'owner' }, 'SELECT 1'), /permission denied/);
  });

  test('Supabase gets its role, and policies find the person', async () => {
    await using guide = await openGuide('docs/guides/supabase.md');
    await useDatabase(guide, 'supabase');
    await database.run(
      `CREATE ROLE authenticated NOLOGIN; CREATE ROLE api LOGIN NOINHERIT PASSWORD 'of-the-api';
       GRANT authenticated TO api; CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO authenticated;
       CREATE FUNCTION auth.jwt() RETURNS jsonb STABLE LANGUAGE sql AS $$ SELECT coalesce(
         nullif(current_setting('request.jwt.claim', true), ''),
         nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
       CREATE FUNCTION auth.uid() RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT coalesce(
         nullif(current_setting('request.jwt.claim.sub', true), ''),
         (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;`,
      'supabase',
    );
    await followAll(guide);
    const token = (await guide.type('echo "$TOKEN"')).trim();
    const claims = await verify(guide, token, 'https://project.supabase.example/');
    await database.run(
      `INSERT INTO orders VALUES (1, '${claims.user_id}'), (2, gen_random_uuid())`,
      'supabase',
    );
    const login = { user: 'api', password: 'of-the-api', database: 'supabase' };
    const own = 'SELECT id FROM orders';
    assert.deepEqual(await asRequest(login, claims, own), [{ id: 1 }]);
    assert.deepEqual(await asRequest(login, { ...claims, aud: 'https://other.example/' }, own), []);
    const { user_id: _, ...machine } = claims;
    assert.deepEqual(await asRequest(login, machine, own), []);
    await assert.rejects(asRequest(login, claims, 'SELECT auth.uid()'), /invalid input syntax for type uuid/);
  });

  test('Hasura gets its session variables, for applications too', async () => {
    await using guide = await openGuide('docs/guides/hasura.md');
    await followAll(guide);
    const page = await readFile('docs/guides/hasura.md', 'utf8');
    const { issuer, audience, jwk_url } = JSON.parse(
      guide.here(/^```json\n([\s\S]*?)^```/m.exec(page)?.[1] ?? ''),
    );
    for (const form of [
      'grant_type=client_credentials',
      'grant_type=password -d username=eva -d password=correct-horse-battery',
    ]) {
      const answer = await guide.type(`curl -s http://localhost:3000/oauth/token -u $STOREFRONT -d ${form}`);
      const { access_token } = JSON.parse(answer);
      const keys = createRemoteJWKSet(new URL(jwk_url));
      const { payload } = await jwtVerify(access_token, keys, { issuer, audience });
      const session = payload['https://hasura.io/jwt/claims'] as Record<string, unknown>;
      const allowed = session['x-hasura-allowed-roles'] as string[];
      assert.ok(allowed.includes(String(session['x-hasura-default-role'])));
    }
  });

  test('Neon gets a token for its audience, with its role', async () => {
    await using guide = await openGuide('docs/guides/neon.md');
    await followAll(guide);
    const token = (await guide.type('echo "$TOKEN"')).trim();
    const claims = await verify(guide, token, 'https://data.demo.example/');
    assert.equal(claims.role, 'authenticated');
    await assert.rejects(verify(guide, token, 'https://other.example/'), /"aud"/);
  });
});
