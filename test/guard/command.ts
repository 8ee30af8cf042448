/** `grantable guard postgres` over a store of its own and databases of one server. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CommandIo } from '../../src/cli/command.ts';
import { type Outcome, openTerminal } from '../cli/run.ts';
import { startPostgres } from '../support/postgres.ts';
import { ISSUER } from './world.ts';

export const SHOP = `
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, secret text);
CREATE TABLE products (id int PRIMARY KEY, name text);
`;

export const TABLES: object[] = [
  {
    id: 'orders',
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'customer_id', type: 'integer' },
    ],
  },
  { id: 'products' },
];

export interface GuardCommand {
  readonly env: Readonly<Record<string, string>>;
  /** A fresh database with these tables; the roles `app` and `owner` are there. */
  database(sql: string): Promise<Shop>;
  /** Makes the store have these tables, and what else of an organization. @param tables undefined: those that it has */
  apply(tables: readonly object[] | undefined, organization?: object): Promise<void>;
  /** Any other command on the same store. */
  command(args: readonly string[]): Promise<Outcome>;
}

export interface Shop {
  readonly port: number;
  readonly name: string;
  readonly dsn: string;
  /** For `app`, with `owner` exempt. */
  guard(...args: string[]): Promise<Outcome>;
  /** Without roles. */
  run(args: readonly string[], io?: Partial<CommandIo> & { input?: string }): Promise<Outcome>;
  query(sql: string): Promise<Record<string, any>[]>;
  /** Runs a text as operators do. */
  psql(text: string): string;
}

export async function startGuardCommand(t: TestContext): Promise<GuardCommand> {
  const server = await startPostgres();
  t.after(() => server[Symbol.asyncDispose]());
  await server.run('CREATE ROLE app NOLOGIN');
  const terminal = await openTerminal(t, {
    GRANTABLE_ISSUER: ISSUER,
    GRANTABLE_TRUSTED_PROXIES: '127.0.0.1',
    GRANTABLE_DATASOURCE_HOSTS: '127.0.0.1',
  });
  let count = 0;
  return {
    command: (args) => terminal.run([...args]),
    env: terminal.env,
    async apply(tables, organization = {}) {
      const resource = { identifier: 'https://api.example/', name: 'shop-db', ...(tables && { tables }) };
      const file = { organizations: [{ name: 'acme', resources: [resource], ...organization }] };
      writeFileSync(join(terminal.dataDir, 'acme.json'), JSON.stringify(file));
      const { code, out, err } = await terminal.run(['apply', 'acme.json']);
      if (code !== 0) throw new Error(out + err);
    },
    async database(sql) {
      count += 1;
      const name = `shop_${count}`;
      await server.run(`CREATE DATABASE ${name}`, 'postgres');
      await server.run(sql, name);
      const dsn = `postgres://owner@127.0.0.1:${server.port}/${name}`;
      const run: Shop['run'] = (args, io = {}) =>
        terminal.run(['guard', 'postgres', 'acme/shop-db', ...args], io);
      return {
        name,
        dsn,
        port: server.port,
        run,
        guard: (...args) => run(['--dsn', dsn, '--for', 'app', '--exempt', 'owner', ...args]),
        query: (text) => server.run(text, name) as Promise<Record<string, any>[]>,
        psql: (text) =>
          execFileSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', dsn], {
            input: text,
            encoding: 'utf8',
            stdio: 'pipe',
            env: { PATH: process.env.PATH, PGOPTIONS: '-c client_min_messages=warning' },
          }),
      };
    },
  };
}
