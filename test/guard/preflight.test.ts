import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import type { Guard } from '../../src/guard/model.ts';
import type { Applied } from '../../src/guard/numbered.ts';
import { examineDatabase, type Finding, type Preflight } from '../../src/guard/preflight.ts';
import { readDatabase } from '../../src/guard/read-database.ts';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';
import { ISSUER, RESOURCE } from './world.ts';

const TABLES = `
CREATE ROLE app NOLOGIN; CREATE ROLE gate LOGIN NOINHERIT; GRANT app TO gate;
CREATE ROLE shop NOLOGIN; CREATE ROLE other NOLOGIN;
CREATE TABLE orders (id int PRIMARY KEY, secret text);
CREATE TABLE "odd ""Name" (id int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF "odd ""Name" FOR VALUES IN (1);
ALTER TABLE orders OWNER TO shop; ALTER TABLE "odd ""Name" OWNER TO shop; ALTER TABLE part OWNER TO shop;
REVOKE TEMPORARY ON DATABASE crm FROM PUBLIC;
`;

describe('a database before it is guarded', { skip: postgresMissing() }, () => {
  let server: SqlServer;
  let owner: pg.Client;
  before(async () => {
    server = await startPostgres();
    owner = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'owner', database: 'crm' });
    await owner.connect();
    await owner.query(TABLES);
    await owner.query(`SET search_path = ''`);
  });
  after(async () => {
    await owner.end();
    await server[Symbol.asyncDispose]();
  });

  async function makeGuard(changes: Partial<Guard>, limited: string[] = []): Promise<Guard> {
    const declared = ['orders', 'odd "Name'].map((id) => ({ id, name: id }));
    const { tables } = await readDatabase(owner, declared, {
      defaultSchema: 'public',
      isLimited: (id) => limited.includes(id),
    });
    return {
      issuer: ISSUER,
      resource: RESOURCE,
      tables,
      clientRoles: ['app'],
      exemptRoles: ['shop'],
      viewSchema: 'api',
      defaultSchema: 'public',
      mode: 'enforce',
      serverVersion: 150_000,
      ...changes,
    };
  }

  interface Case {
    readonly guard?: Partial<Guard>;
    readonly limited?: string[];
    readonly accept?: string[];
    readonly last?: Applied;
  }

  /** After statements that are taken back. */
  async function examine(
    sql: string,
    { guard = {}, limited, accept = [], last }: Case = {},
  ): Promise<Preflight> {
    await owner.query('BEGIN');
    try {
      await owner.query(`SET LOCAL search_path = public; ${sql}; SET LOCAL search_path = ''`);
      return await examineDatabase(owner, await makeGuard(guard, limited), last, accept);
    } finally {
      await owner.query('ROLLBACK');
    }
  }

  const refusals = (findings: readonly Finding[]) =>
    findings.flatMap(({ kind, says }) => (kind === 'refused' ? says : []));

  async function assertRefused(sql: string, ...expected: (RegExp | [RegExp, Case])[]): Promise<void> {
    for (const each of expected) {
      const [pattern, options] = each instanceof RegExp ? [each, {}] : each;
      const said = refusals((await examine(sql, options)).findings);
      assert.equal(said.length, 1, said.join('\n'));
      assert.match(said[0] as string, pattern);
    }
  }

  it('finds nothing in a database that is in order', async () => {
    const { findings, roles } = await examine('GRANT SELECT ON orders TO app');
    assert.deepEqual(findings, []);
    assert.deepEqual(roles, [
      'app: client, gets what the token of the request allows',
      'shop: exempt, tokens do not bind it',
    ]);
  });

  it('refuses a role with rights that is neither client nor exempt', async () => {
    const sentence =
      /^The role other has rights on public\.orders, and is neither in --for nor in --exempt\./;
    await assertRefused('GRANT SELECT ON orders TO other', sentence);
    await assertRefused('GRANT UPDATE (secret) ON orders TO other', sentence);
    await assertRefused('GRANT SELECT ON part TO other', /^The role other has rights on public\.part,/);
    await assertRefused('ALTER TABLE orders OWNER TO other', sentence);
    await assertRefused(
      'GRANT SELECT ON orders TO PUBLIC',
      /^Every role has rights on public\.orders\. Run REVOKE/,
    );
    const { roles, findings } = await examine(
      'CREATE ROLE root SUPERUSER; CREATE ROLE dump BYPASSRLS; GRANT SELECT ON orders TO root, dump, other',
    );
    assert.equal(refusals(findings).length, 1);
    assert.deepEqual(roles, [
      'dump: BYPASSRLS, policies do not bind it',
      'other: refused, it has rights on public.orders',
      'root: superuser, policies do not bind it',
      'shop: exempt, tokens do not bind it',
    ]);
  });

  it('refuses roles that are not there, and its own', async () => {
    await assertRefused('SELECT', [
      /^The database has no role apps \(did you mean app\?\)\.$/,
      { guard: { clientRoles: ['apps', 'app'] } },
    ]);
    await assertRefused('CREATE ROLE grantable_reader', [
      /^The role grantable_reader belongs to guard/,
      { guard: { exemptRoles: ['shop', 'grantable_reader'], clientRoles: ['app'] } },
    ]);
  });

  it('refuses client and login roles that policies do not bind', async () => {
    await assertRefused('ALTER ROLE app BYPASSRLS', /^The client role app has BYPASSRLS\./);
  });

  it('refuses client and login roles that may become an unbound one', async () => {
    const become = (role: string, why: string) =>
      new RegExp(`^The login role gate may become ${role}, which ${why}\\.`);
    await assertRefused('CREATE ROLE root SUPERUSER; GRANT root TO gate', become('root', 'is a superuser'));
    await assertRefused('CREATE ROLE dump BYPASSRLS; GRANT dump TO gate', become('dump', 'has BYPASSRLS'));
    await assertRefused('GRANT shop TO gate', become('shop', 'owns a guarded table and is exempt'));
    await assertRefused(
      'GRANT shop TO other; GRANT other TO gate',
      become('shop', 'owns a guarded table and is exempt'),
    );
    await assertRefused(
      'CREATE ROLE grantable_reader; GRANT grantable_reader TO gate',
      become('grantable_reader', 'owns the views'),
    );
    await assertRefused('GRANT pg_read_all_data TO gate', become('pg_read_all_data', 'reaches all tables'));
    await assertRefused('ALTER ROLE gate CREATEROLE', /^The login role gate has CREATEROLE/);
    await assertRefused('ALTER ROLE gate REPLICATION', /^The login role gate has REPLICATION/);
    await assertRefused('ALTER ROLE gate SUPERUSER', /^The login role gate is a superuser\./);
    const { findings } = await examine('GRANT shop TO gate', { guard: { exemptRoles: ['shop', 'gate'] } });
    assert.deepEqual(refusals(findings), []);
  });

  it('refuses rights that the owner of a table cannot revoke', async () => {
    await assertRefused(
      'GRANT SELECT ON orders TO shop WITH GRANT OPTION; GRANT SELECT ON orders TO app WITH GRANT OPTION; SET LOCAL ROLE app; GRANT SELECT ON public.orders TO other; RESET ROLE',
      [
        /^The role app granted rights to other on public\.orders, which the owner/,
        { guard: { exemptRoles: ['shop', 'other'] } },
      ],
    );
  });

  it('refuses an owner of the views that is more than that', async () => {
    const create = 'CREATE ROLE grantable_reader';
    await assertRefused(`${create} LOGIN`, /^The role grantable_reader, which owns the views, may log in/);
    await assertRefused(`${create} BYPASSRLS`, /has BYPASSRLS/);
    await assertRefused(`${create} SUPERUSER`, /is a superuser/);
    await assertRefused(
      `${create}; CREATE TABLE t (); ALTER TABLE t OWNER TO grantable_reader`,
      /owns public\.t:/,
    );
    await assertRefused(`${create}; GRANT other TO grantable_reader`, /is a member of other:/);
  });

  const view = 'CREATE VIEW secrets AS SELECT secret FROM orders';
  it('refuses a view that reads a guarded table as its owner', async () => {
    assert.deepEqual((await examine(view)).findings, []);
    const grant = 'GRANT SELECT ON secrets TO app';
    await assertRefused(
      `${view}; ${grant}`,
      /^The view public\.secrets reaches a guarded table as owner, and app may use it\. .*--accept 'public\.secrets'\.$/,
    );
    await assertRefused(`${view}; GRANT SELECT (secret) ON secrets TO app`, /^The view public\.secrets/);
    await assertRefused(
      `${view}; CREATE VIEW more AS TABLE secrets; GRANT SELECT ON more TO app`,
      /^The view public\.more/,
    );
    await assertRefused(
      'CREATE VIEW of_part AS TABLE part; GRANT SELECT ON of_part TO app',
      /^The view public\.of_part/,
    );
    await assertRefused(
      `CREATE MATERIALIZED VIEW copy AS TABLE orders; GRANT SELECT ON copy TO app`,
      /^The materialized view public\.copy/,
    );
    const invoker = `CREATE VIEW secrets WITH (security_invoker) AS SELECT secret FROM orders; ${grant}`;
    assert.deepEqual((await examine(invoker)).findings, []);
    await assertRefused(
      'CREATE TABLE log (id int); CREATE RULE r AS ON INSERT TO log DO ALSO DELETE FROM orders; GRANT INSERT ON log TO app',
      /^The table with rules public\.log/,
    );
  });

  it('refuses a function that runs as a role which reaches the tables', async () => {
    const define = (owner: string) =>
      `CREATE FUNCTION leak(int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION leak OWNER TO ${owner}`;
    const sentence =
      /^The SECURITY DEFINER function public\.leak\(integer\) runs as (owner|shop|other), .*Revoke EXECUTE/;
    await assertRefused(define('owner'), sentence);
    await assertRefused(define('shop'), sentence);
    await assertRefused(`${define('other')}; GRANT SELECT (id) ON orders TO other`, [
      sentence,
      { guard: { exemptRoles: ['shop', 'other'] } },
    ]);
    for (const harmless of [
      define('other'),
      `${define('shop')}; REVOKE EXECUTE ON FUNCTION leak FROM PUBLIC`,
      `${define('shop')}; CREATE SCHEMA hidden; ALTER FUNCTION leak SET SCHEMA hidden`,
    ])
      assert.deepEqual((await examine(harmless)).findings, []);
  });

  it('refuses a foreign table of the name of a guarded one', async () => {
    const foreign = (
      options: string,
    ) => `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
      CREATE FOREIGN TABLE far (id int) SERVER s ${options}; GRANT SELECT ON far TO app`;
    await assertRefused(
      foreign(`OPTIONS (schema_name 'public', table_name 'orders')`),
      /^The foreign table public\.far leads to/,
    );
    assert.deepEqual((await examine(foreign(''))).findings, []);
  });

  it('takes what the operator accepts by name, and keeps it', async () => {
    const sql = `${view}; GRANT SELECT ON secrets TO app`;
    const { findings, accepted } = await examine(sql, { accept: ['public.secrets'] });
    assert.deepEqual([findings, accepted], [[], ['public.secrets']]);
    const wrong = refusals((await examine(sql, { accept: ['public.secret'] })).findings);
    assert.equal(wrong.length, 2);
    assert.equal(wrong[1], 'There is no public.secret to accept (did you mean public.secrets?).');
  });

  it('refuses other objects where its views are to be', async () => {
    const taken = /^There is a api\.orders of owner already, where guard makes the view of a table\./;
    await assertRefused('CREATE SCHEMA api; CREATE VIEW api.orders AS SELECT 1', taken);
    await assertRefused('CREATE SCHEMA api; CREATE TABLE api.orders ()', taken);
  });

  it('refuses clients that may create objects where names are looked for', async () => {
    await assertRefused(
      'GRANT CREATE ON SCHEMA public TO PUBLIC',
      /^app, gate may create objects in the schema public, .*FROM PUBLIC\.$/,
    );
    await assertRefused('CREATE SCHEMA app AUTHORIZATION app', /^app may create objects in the schema app,/);
    const schema = 'CREATE SCHEMA "My ""tools"; GRANT CREATE ON SCHEMA "My ""tools" TO app';
    assert.deepEqual((await examine(schema)).findings, []);
    const path = `SET search_path = public, "My ""tools"`;
    for (const where of ['ROLE app', 'ROLE gate', 'DATABASE crm', 'ROLE app IN DATABASE crm'])
      await assertRefused(`${schema}; ALTER ${where} ${path}`, /in the schema My "tools,/);
    await assertRefused('CREATE SCHEMA api; GRANT CREATE ON SCHEMA api TO app', /in the schema api,/);
    await assertRefused('GRANT CREATE ON DATABASE crm TO app', /^app may create schemas in the database\./);
  });

  it('refuses a database that is guarded for another resource', async () => {
    await assertRefused('CREATE SCHEMA grantable', /^There is a schema grantable that guard did not make\./);
    const last: Applied = {
      number: 1,
      resource: 'https://other.example/',
      sha256: '',
      accepted: [],
      fingerprint: {},
    };
    await assertRefused('CREATE SCHEMA grantable; CREATE TABLE grantable.before (relation regclass)', [
      /^The database is guarded for another resource, https:\/\/other\.example\/\./,
      { last },
    ]);
  });

  it('notes what does not stop it', async () => {
    const notes = async (sql: string, options: Case = {}) =>
      (await examine(sql, options)).findings.map(({ kind, says }) => `${kind}: ${says}`).join('\n');
    assert.match(
      await notes('GRANT TEMPORARY ON DATABASE crm TO app'),
      /^note: app may create temporary tables/,
    );
    assert.match(
      await notes('ALTER DEFAULT PRIVILEGES FOR ROLE shop IN SCHEMA public GRANT SELECT ON TABLES TO app'),
      /^note: A table that shop makes in the schema public gives app rights at once/,
    );
    assert.match(
      await notes(
        'CREATE ROLE grantable_reader; CREATE SCHEMA api; CREATE VIEW api.orders AS TABLE orders; ALTER VIEW api.orders OWNER TO grantable_reader; CREATE VIEW mine AS TABLE api.orders',
      ),
      /^note: public\.mine reads api\.orders, which guard makes anew whenever it runs\./,
    );
    const customers =
      'CREATE TABLE customers (id int PRIMARY KEY); ALTER TABLE orders ADD of int REFERENCES customers';
    assert.equal(await notes(customers), '');
    assert.match(
      await notes(`${customers} ON DELETE CASCADE`),
      /^note: Deleting a row of public\.customers changes rows of public\.orders by a foreign key,/,
    );
    assert.match(
      await notes('GRANT shop TO other'),
      /^note: The role other has the rights of shop, which is exempt\./,
    );
    assert.match(
      await notes('SELECT', { limited: ['orders', 'odd "Name'] }),
      /^note: Rights to orders, odd "Name may be limited .* ON CONFLICT and MERGE do not work .*\nnote: odd "Name has no primary key/,
    );
  });

  it('notes roles that read large plans with JIT', async () => {
    const compiled = async (sql: string, limited = ['orders']) =>
      (await examine(sql, { limited })).findings.flatMap(
        ({ says }) => /^JIT is on for ([^:]*):/.exec(says)?.[1] ?? [],
      );
    assert.deepEqual(await compiled('SELECT'), ['gate']);
    assert.deepEqual(await compiled('SELECT', []), []);
    assert.deepEqual(await compiled('REVOKE app FROM gate'), ['app']);
    assert.deepEqual(await compiled('ALTER ROLE app SET jit = off'), ['gate']);
    for (const where of ['ROLE gate', 'ROLE gate IN DATABASE crm', 'DATABASE crm', 'ROLE ALL'])
      assert.deepEqual(await compiled(`ALTER ${where} SET jit = off`), [], where);
    assert.deepEqual(await compiled('ALTER DATABASE crm SET jit = off; ALTER ROLE gate SET jit = on'), [
      'gate',
    ]);
    const { findings } = await examine('ALTER ROLE gate RENAME TO "Gate"', { limited: ['orders'] });
    assert.ok(findings.some(({ says }) => says.includes('Run ALTER ROLE "Gate" SET jit = off.')));
  });
});
