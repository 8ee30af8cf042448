/** A server with one datasource, `crm`, and its user tables. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../src/http/log.ts';
import { type Answer, startServer, type TestServer } from '../support/server.ts';
import type { Engine, EngineKind } from './engines.ts';

const DATABASE_USER = 'urn:grantable:grant-type:database-user';
export const ALLOWED = { GRANTABLE_DATASOURCE_HOSTS: 'localhost,127.0.0.1' };

export interface Login {
  readonly instance?: string;
  readonly database?: string;
  readonly collection: string;
  readonly usernameColumn?: string;
  readonly passwordColumn?: string;
  readonly username: string;
  readonly password: string;
}

export interface World extends AsyncDisposable {
  readonly engine: Engine;
  readonly server: TestServer;
  logIn(login: Login, client?: string, more?: Record<string, string>): Promise<Answer>;
}

/** As a user table that names nothing special. */
export function userTable(engine: Engine, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    database: engine.database,
    collection: 'customers',
    usernameColumn: 'email',
    passwordColumn: 'password',
    passwordFormat: 'bcrypt',
    subjectColumn: 'id',
    roles: ['clerk'],
    realm: 'shop',
    ...more,
  };
}

export function form(engine: Engine, login: Login): Record<string, string> {
  return {
    grant_type: DATABASE_USER,
    instance: login.instance ?? 'crm',
    database: login.database ?? engine.database,
    collection: login.collection,
    username_column: login.usernameColumn ?? 'email',
    password_column: login.passwordColumn ?? 'password',
    username: login.username,
    password: login.password,
  };
}

export async function startWorld(
  kind: EngineKind,
  fill: (engine: Engine) => Promise<readonly Record<string, unknown>[]>,
  options: {
    readonly datasource?: Record<string, unknown>;
    readonly fixture?: (fixture: any, engine: Engine) => void;
    readonly env?: Record<string, string>;
    readonly log?: Logger;
  } = {},
): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), 'grantable-'));
  const engine = await kind.start(dataDir);
  const userTables = await fill(engine);
  const server = await startServer({
    dataDir,
    ...(options.log && { log: options.log }),
    env: {
      ...ALLOWED,
      GRANTABLE_ADDRESS_LIMIT: '100000/60',
      GRANTABLE_ACCOUNT_LIMIT: '100000/1d',
      ...options.env,
    },
    fixture(fixture) {
      const [acme] = fixture.organizations;
      acme.applications[0].grants.push('database_user', 'token_exchange');
      acme.applications[1].grants.push('database_user');
      acme.datasources = [{ name: 'crm', ...engine.datasource, ...options.datasource, userTables }];
      options.fixture?.(fixture, engine);
    },
  });
  return {
    engine,
    server,
    logIn: (login, client = 'shop', more = {}) =>
      server.post('/oauth/token', client, { ...form(engine, login), ...more }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
}
