/** What every product that people log in against does alike: `Connector` in executable form, over real servers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Connector,
  DatasourceAway,
  type RowQuery,
  type Scalar,
} from '../../src/datasources/connector.ts';
import type { Engine } from '../datasources/engines.ts';

export interface OpenedConnector {
  readonly connector: Connector;
  readonly engine: Engine;
}

const ROWS = [
  { id: 1, email: 'ann@acme.example', password: 'a', active: true, note: null },
  { id: 2, email: 'twin@acme.example', password: 'b', active: true, note: 'x' },
  { id: 3, email: 'twin@acme.example', password: 'c', active: false, note: null },
  { id: 4, email: 'twin@acme.example', password: 'd', active: false, note: 'it\'s; -- \\ " ` %' },
  { id: 5, email: 'ünï ✓', password: 'e', active: true, note: null },
];

/** @param open with the table `people` filled; called once */
export function connectorContract(
  name: string,
  open: () => Promise<OpenedConnector>,
  skip: string | false,
): void {
  describe(`connector contract on ${name}`, { skip }, () => {
    let opened: Promise<OpenedConnector> | undefined;
    const get = async (): Promise<OpenedConnector> => {
      opened ??= open().then(async (each) => {
        await each.engine.fill('people', ROWS);
        await each.engine.fill('empty', []).catch(() => undefined);
        return each;
      });
      return opened;
    };
    const find = async (
      where: Readonly<Record<string, Scalar>>,
      columns = ['id', 'email'],
      rest: Partial<RowQuery> = {},
    ) => {
      const { connector, engine } = await get();
      return connector.findRows({
        database: engine.database,
        collection: 'people',
        columns,
        where: Object.entries(where).map(([column, equals]) => ({ column, equals })),
        ...rest,
      });
    };
    const ids = (rows: readonly Readonly<Record<string, unknown>>[]) => rows.map(({ id }) => Number(id));

    test('gives the named columns of at most two rows that match all conditions', async () => {
      const [row, ...none] = await find({ email: 'ann@acme.example' }, ['id', 'email', 'password']);
      assert.deepEqual(none, []);
      assert.deepEqual(Object.keys(row ?? {}).toSorted(), ['email', 'id', 'password']);
      assert.deepEqual([Number(row?.id), row?.email, row?.password], [1, 'ann@acme.example', 'a']);
      assert.equal((await find({ email: 'twin@acme.example' })).length, 2);
      assert.deepEqual(ids(await find({ email: 'twin@acme.example', password: 'c' })), [3]);
      assert.deepEqual(await find({ email: 'nobody' }), []);
    });

    test('compares texts, whole numbers, flags and what is not there', async () => {
      assert.deepEqual(ids(await find({ id: 2 })), [2]);
      assert.deepEqual(ids(await find({ email: 'twin@acme.example', active: true })), [2]);
      assert.deepEqual(ids(await find({ email: 'twin@acme.example', note: null })), [3]);
      assert.deepEqual(ids(await find({ note: 'it\'s; -- \\ " ` %' })), [4]);
      assert.equal((await find({ email: 'ünï ✓' })).length, 1);
    });

    test('DB-03 a value is never part of a query, whatever stands in it', async () => {
      for (const email of [
        "' OR '1'='1",
        '" OR ""="',
        "\\' OR 1=1 -- ",
        '%',
        '_',
        '$ne',
        '{"$ne":null}',
        '\u0000',
      ]) {
        const found = await find({ email }).catch((error: unknown) => {
          assert.ok(error instanceof DatasourceAway);
          return [];
        });
        assert.deepEqual(found, [], email);
      }
    });

    test('DB-02 a name is never part of a query but as a name', async () => {
      for (const hostile of ['people"; DROP TABLE people; --', 'people`; --', "email' --", 'nothing']) {
        const inTable = find({ email: 'x' }, ['id'], { collection: hostile });
        assert.deepEqual(await inTable.catch(() => []), [], hostile);
        const inColumn = find({ [hostile]: 'x' }, ['id']);
        assert.deepEqual(await inColumn.catch(() => []), [], hostile);
      }
      assert.equal((await find({ id: 1 })).length, 1, 'the table is still there');
    });

    test('knows which columns a table has, and which tables there are', async () => {
      const { connector, engine } = await get();
      const columns = await connector.findColumns(engine.database, 'people', ['id', 'email', 'nothing']);
      assert.ok(columns?.has('id') && columns.has('email') && !columns.has('nothing'));
      assert.equal(await connector.findColumns(engine.database, 'never_asked', ['id']), undefined);
      assert.equal(
        await connector.findColumns('nowhere', 'people', ['id']).catch(() => undefined),
        undefined,
      );
    });

    test('reads all tables with their columns and the types of these', async () => {
      const { connector, engine } = await get();
      const schemas = [engine.database === 'crm' && name === 'PostgreSQL' ? 'public' : engine.database];
      const tables = await connector.readCatalogue(engine.database, schemas);
      const people = tables.find((table) => table.name === 'people');
      const columns = people?.columns.filter((column) => column.name !== '_id');
      assert.deepEqual(
        columns?.map((column) => column.name),
        ['id', 'email', 'password', 'active', 'note'],
      );
      assert.deepEqual(
        columns?.map((column) => column.type),
        // SQLite keeps flags as whole numbers.
        ['integer', 'text', 'text', name === 'SQLite' ? 'integer' : 'boolean', 'text'],
      );
    });

    test('answers many at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, index) => find({ id: (index % 4) + 1 })),
      );
      assert.deepEqual(
        answers.map(([row]) => Number(row?.id)),
        Array.from({ length: 40 }, (_, index) => (index % 4) + 1),
      );
    });

    test('is closed for good, and closing again does nothing', async () => {
      const { connector, engine } = await get();
      await connector.close();
      await connector.close();
      await engine[Symbol.asyncDispose]();
    });
  });
}
