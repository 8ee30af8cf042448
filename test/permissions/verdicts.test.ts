import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ColumnTypes, toLimits } from '../../src/permissions/column-limits.ts';
import { ACTIONS, type Action } from '../../src/permissions/permissions.ts';
import { isAllowed, type RowAccess } from '../../src/permissions/verdicts.ts';
import { TokenAccess } from '../../src/resource-server/token-access.ts';
import fc from '../support/properties.ts';
import { limitedPermissions } from './arbitraries.ts';

const TABLE = 'orders';
const TYPES: ColumnTypes = { id: 'integer', region: 'text', total: 'decimal' };
const RUNS = { numRuns: 3_000 };

const columnName = fc.constantFrom('id', 'region', 'total', 'ID', 'other');
const value = fc.constantFrom<unknown>('1', 1, '01', '2', 'eu', 'us', null, 1.5, true, []);
const row = fc.dictionary(columnName, value, { minKeys: 1, maxKeys: 4 });
const columns = fc.uniqueArray(columnName, { maxLength: 4 });
const action = fc.constantFrom(...ACTIONS);
/** All is known of it. */
const access = fc.record({ action, row, columns, changes: row });

const limitsOf = (permissions: Parameters<typeof toLimits>[0]) => toLimits(permissions, TYPES);

test('IN-06 knowing more of an access never takes back a permission', () => {
  fc.assert(
    fc.property(
      limitedPermissions,
      access,
      fc.subarray(['row', 'columns', 'changes'] as const),
      (permissions, whole, unknown) => {
        const limits = limitsOf(permissions.cell(TABLE, whole.action));
        // Columns of an update that are named and have no value could get any: `changes` gives them one.
        const { changes, ...others } = whole;
        const set = Object.fromEntries(whole.columns.map((column) => [column, '2']));
        const known: RowAccess = { ...others, changes: { ...set, ...changes } };
        const vague: Record<string, unknown> = { ...known };
        for (const name of unknown) delete vague[name];
        if (isCompleted(vague, known) && isAllowed(vague as unknown as RowAccess, limits, TYPES)) {
          assert.ok(isAllowed(known, limits, TYPES), JSON.stringify([vague, known]));
        }
      },
    ),
    RUNS,
  );
});

/** Whether `known` adds to `vague` and does not contradict it: the columns of a row that is created are those of the row. */
function isCompleted(vague: Record<string, unknown>, known: RowAccess): boolean {
  if (known.action === 'create' && !('columns' in vague) && 'row' in vague) {
    return (known.columns ?? []).every((column) => Object.hasOwn(known.row ?? {}, column));
  }
  if (known.action === 'update' && !('changes' in vague) && 'columns' in vague) {
    return Object.keys(known.changes ?? {}).every((column) => known.columns?.includes(column));
  }
  return true;
}

test('a verdict on a known access is that of the library for resource servers', () => {
  fc.assert(
    fc.property(limitedPermissions, access, (permissions, { action, row, columns, changes }) => {
      const library = new TokenAccess(permissions, { [TABLE]: TYPES });
      const verdict = (known: Omit<RowAccess, 'action'>) =>
        isAllowed({ action, ...known }, limitsOf(permissions.cell(TABLE, action)), TYPES);
      const demands: { readonly [name in Exclude<Action, 'read'>]: [boolean, () => void] } = {
        create: [verdict({ row, columns }), () => library.demandCreate(TABLE, row, columns)],
        update: [verdict({ row, changes }), () => library.demandUpdate(TABLE, row, changes)],
        delete: [verdict({ row }), () => library.demandDelete(TABLE, row)],
      };
      if (action === 'read') {
        const [seen] = library.filter(TABLE, action, [row]);
        assert.equal(verdict({ row, columns: Object.keys(row) }), isWhole(seen, row));
        return;
      }
      const [allowed, demand] = demands[action];
      if (allowed) demand();
      else assert.throws(demand, { code: 'insufficient_scope' });
    }),
    RUNS,
  );
});

const isWhole = (seen: object | undefined, row: object): boolean =>
  seen !== undefined && Object.keys(seen).length === Object.keys(row).length;
