import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { identifier, literal } from '../../src/guard/sql/text.ts';
import { postgresMissing } from '../support/postgres.ts';
import {
  type Case,
  claimsText,
  createdRow,
  type Row,
  readVectors,
  readWorld,
  type VectorTable,
  type VectorToken,
  type Visible,
  vectorFiles,
} from '../support/vectors.ts';
import { type GuardedWorld, startGuarded } from './world.ts';

const TYPES = {
  text: 'text',
  integer: 'bigint',
  decimal: 'numeric',
  boolean: 'boolean',
  uuid: 'uuid',
  date: 'date',
  timestamp: 'timestamptz',
} as const;

const world = readWorld();
const { tables } = world;
/** Seconds: the clock of PostgreSQL cannot be set. */
const shift = Math.floor(Date.now() / 1000) - world.now;

const namesOf = (id: string): readonly [schema: string, name: string] =>
  tables[id]?.postgres ?? ['public', id];

function nameOf(id: string): string {
  const [schema, name] = namesOf(id);
  return `${identifier(schema)}.${identifier(name)}`;
}

function viewOf(id: string): string {
  const [schema, name] = namesOf(id);
  return `${identifier(schema === 'public' ? 'api' : `${schema}_api`)}.${identifier(name)}`;
}

const list = (names: readonly string[]): string => names.map(identifier).join(', ');
/** The row as SQL of a record of the type of a table or view. */
const recordAs = (type: string, row: Row): string =>
  `jsonb_populate_record(null::${type}, ${literal(JSON.stringify(row))})`;
const record = (row: Row, id: string): string => recordAs(nameOf(id), row);
/** The same for clients, who may use the view. */
const clientRecord = (row: Row, id: string): string => recordAs(viewOf(id), row);

function createTable(id: string, { columns, key, rows }: VectorTable): string {
  const defined = Object.entries(columns).map(([name, type]) => `${identifier(name)} ${TYPES[type]}`);
  const keys = key.length > 0 ? [`PRIMARY KEY (${list(key)})`] : [];
  const inserted = Object.values(rows).map(
    (row) => `INSERT INTO ${nameOf(id)} SELECT * FROM ${record(row, id)};`,
  );
  return `CREATE TABLE ${nameOf(id)} (${[...defined, ...keys].join(', ')});\n${inserted.join('\n')}\n`;
}

describe('the verdicts of docs/vectors in PostgreSQL', { skip: postgresMissing() }, () => {
  let guarded: GuardedWorld;
  before(async () => {
    const schemas = new Set(Object.values(tables).flatMap(({ postgres }) => postgres?.[0] ?? []));
    const created = Object.entries(tables).map(([id, table]) => createTable(id, table));
    guarded = await startGuarded({
      tables: [...[...schemas].map((schema) => `CREATE SCHEMA ${identifier(schema)};`), ...created].join(
        '\n',
      ),
      declared: Object.entries(tables).map(([id, { columns, rowColumns }]) => ({
        id,
        name: id,
        columns: Object.entries(columns).map(([name, type]) => ({ name, type })),
        ...(rowColumns.length > 0 && { rowColumns: [...rowColumns] }),
      })),
    });
    await guarded.migrate({ issuer: world.issuer, resource: world.resource });
  });
  after(() => guarded[Symbol.asyncDispose]());

  const query = async (text: string): Promise<Record<string, unknown>[]> =>
    (await guarded.owner.query(text)).rows;
  /** Each row of a table or view as texts. */
  const textsOf = (id: string, from: string): Promise<Record<string, unknown>[]> => {
    const columns = Object.keys((tables[id] as VectorTable).columns);
    return query(`SELECT ${columns.map((name) => `${identifier(name)}::text`).join(', ')} FROM ${from}`);
  };
  const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

  /** Does the case as a client; `allowed` if it had its effect and no other. */
  async function judge(given: Case): Promise<{ rows: string[] } | { allowed: boolean }> {
    const { table: id, action } = given;
    const table = tables[id] as VectorTable;
    if (action === 'read') return { rows: sorted(await textsOf(id, viewOf(id))) };
    const others = Object.entries(table.rows).filter(([name]) => action === 'create' || name !== given.row);
    const expected: Row[] = others.map(([, row]) => row);
    let statement: string;
    if (action === 'create') {
      const names = Object.keys(given.set);
      expected.push(createdRow(table, given.set));
      statement = `INSERT INTO ${viewOf(id)} (${list(names)}) SELECT ${list(names)} FROM ${clientRecord(given.set, id)}`;
    } else {
      const row = table.rows[given.row] as Row;
      const found = table.key.length > 0 ? table.key : Object.keys(table.columns);
      const where = found.map((name) => `v.${identifier(name)} = r.${identifier(name)}`).join(' AND ');
      const from = `${viewOf(id)} AS v`;
      if (action === 'delete')
        statement = `DELETE FROM ${from} USING ${clientRecord(row, id)} AS r WHERE ${where}`;
      else {
        expected.push({ ...row, ...given.set });
        const sets = Object.keys(given.set).map((name) => `${identifier(name)} = n.${identifier(name)}`);
        statement = `UPDATE ${from} SET ${sets.join(', ')} FROM ${clientRecord(row, id)} AS r, ${clientRecord(given.set, id)} AS n WHERE ${where}`;
      }
    }
    const count = await guarded.owner.query(statement).then(
      ({ rowCount }) => rowCount,
      (error) => {
        // insufficient_privilege, and what says that a view takes no such statement.
        assert.ok(['42501', '55000'].includes(error.code), `${error.message}: ${statement}`);
        return 0;
      },
    );
    if (count === 0) return { allowed: false };
    await query('RESET ROLE');
    const stored = expected.map((row) => `SELECT * FROM ${record(row, id)}`).join(' UNION ALL ');
    const after = sorted(await textsOf(id, `(${stored}) AS stored`));
    assert.deepEqual(sorted(await textsOf(id, nameOf(id))), after, statement);
    return { allowed: true };
  }

  async function verdictOf(token: VectorToken, given: Case) {
    await query('BEGIN');
    try {
      await guarded.owner.query(
        "SELECT set_config('role', 'app', true), set_config('request.jwt.claims', $1, true)",
        [claimsText(world, token, shift)],
      );
      return await judge(given);
    } finally {
      await query('ROLLBACK');
    }
  }

  const expectedRows = new Map<string, string[]>();
  /** The visible rows as texts, with NULL for what is hidden. */
  async function rowsOf(id: string, visible: Visible): Promise<string[]> {
    const key = JSON.stringify([id, visible]);
    const known = expectedRows.get(key);
    if (known) return known;
    const { rows } = tables[id] as VectorTable;
    const records = Object.entries(visible).map(([name, shown]) => {
      const masked = Object.entries(rows[name] as Row).filter(([column]) => shown.includes(column));
      return `SELECT * FROM ${record(Object.fromEntries(masked), id)}`;
    });
    const found =
      records.length === 0 ? [] : sorted(await textsOf(id, `(${records.join(' UNION ALL ')}) AS seen`));
    expectedRows.set(key, found);
    return found;
  }

  for (const file of vectorFiles()) {
    test(`the guard gives those of ${file}`, async () => {
      for (const token of readVectors(file)) {
        for (const given of token.cases) {
          const expected =
            given.action === 'read'
              ? { rows: await rowsOf(given.table, given.postgres ?? given.rows) }
              : { allowed: given.postgres ?? given.allowed };
          const verdict = await verdictOf(token, given);
          const isNothing = 'rows' in verdict ? verdict.rows.length === 0 : !verdict.allowed;
          if (token.verdict === 'either' && isNothing) continue;
          assert.deepEqual(verdict, expected, `${token.name}: ${JSON.stringify(given)}`);
        }
      }
    });
  }
});
