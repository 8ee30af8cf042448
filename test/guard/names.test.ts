import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { toTokenClaims } from '../../src/permissions/token-claims.ts';
import { TokenAccess } from '../../src/resource-server/token-access.ts';
import { postgresMissing } from '../support/postgres.ts';
import { startGuardCommand } from './command.ts';
import { claims, RESOURCE } from './world.ts';

/** Names of tables and columns: quotes, other letters, keywords, placeholders, and as long as a name can be. */
const NAMES = [
  `od"d 'tä`,
  '注文 🛒',
  'select',
  'user',
  '$1 ? %s $$ \\',
  'a.b',
  'Orders',
  'grantable_alternative',
  'é'.repeat(31),
];

test('odd names are the same in imports, guards, claims and toSql', {
  skip: postgresMissing(),
}, async (t) => {
  const { apply, command, database } = await startGuardCommand(t);
  const quoted = NAMES.map((name) => pg.escapeIdentifier(name));
  const columns = quoted.map((name) => `${name} text`).join(', ');
  const shop = await database(
    quoted
      .map(
        (table) =>
          `CREATE TABLE ${table} (id int PRIMARY KEY, ${columns}); INSERT INTO ${table} VALUES (1, ${NAMES.map(() => "'mine'").join(', ')}), (2, ${NAMES.map(() => "'other'").join(', ')});`,
      )
      .join('\n'),
  );
  await apply([]);
  assert.equal((await command(['resource', 'import', 'acme/shop-db', '--dsn', shop.dsn])).code, 0);
  const ids = NAMES.map((name) => (name.includes('.') ? `public.${name}` : name));
  const rights = {
    tables: Object.fromEntries(
      ids.map((id) => [
        id,
        { read: NAMES.map((name) => ({ columns: ['id', name], rows: { [name]: ['mine'] } })) },
      ]),
    ),
  };
  await apply(undefined, { roles: [{ name: 'clerk', permissions: rights }] });
  const guarded = await shop.guard('--apply');
  assert.equal(guarded.code, 0, guarded.err);

  const permissions = parsePermissions(rights, { unknownFlags: 'refuse', limits: { variables: 'refuse' } });
  const said = claims({ ...toTokenClaims(permissions, undefined, RESOURCE, ['authorization_details']) });
  const types = Object.fromEntries(NAMES.map((name) => [name, 'text' as const]));
  const access = new TokenAccess(permissions, Object.fromEntries(ids.map((id) => [id, types])));
  const owner = new pg.Client({ connectionString: shop.dsn });
  await owner.connect();
  await using _closed = { [Symbol.asyncDispose]: () => owner.end() };
  for (const [index, table] of NAMES.entries()) {
    const expected = [{ id: 1, ...Object.fromEntries(NAMES.map((name) => [name, 'mine'])) }];
    const { from } = access.toSql(ids[index] ?? '', 'read', 'postgres', {
      name: table,
      columns: ['id', ...NAMES],
    });
    const bySql = await owner.query(`SELECT * FROM ${from.text}`, [...from.parameters]);
    assert.deepEqual(bySql.rows, expected, table);
    await owner.query('BEGIN');
    await owner.query("SELECT set_config('role', 'app', true), set_config('request.jwt.claims', $1, true)", [
      JSON.stringify(said),
    ]);
    const byView = await owner.query(`SELECT * FROM api.${pg.escapeIdentifier(table)}`);
    await owner.query('ROLLBACK');
    assert.deepEqual(byView.rows, expected, table);
  }
});
