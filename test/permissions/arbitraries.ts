import { Alternative } from '../../src/permissions/limits.ts';
import type { Permissions } from '../../src/permissions/permissions.ts';
import { createPermissions, EVERYTHING } from '../../src/permissions/permissions.ts';
import { findTableIdProblem } from '../../src/permissions/table-ids.ts';
import fc from '../support/properties.ts';

/** Table ids that are allowed and break careless code: document stores, URLs, JSON, scopes, SQL, sorting. */
export const AWKWARD_TABLE_IDS: readonly string[] = [
  'public.users',
  '$where',
  'a$b.c',
  'a:read',
  ':read',
  'orders:',
  '100%',
  '%6Frders',
  'a%2Fb',
  'a/b?c#d&e=f+g',
  'with space',
  '"quoted"',
  "o'brien; DROP TABLE x",
  'back\\slash',
  '{}',
  '[object Object]',
  'null',
  '0',
  '10',
  '9',
  '**',
  '*.read',
  'straße',
  'заказы',
  '注文',
  '😀',
  'e\u0301',
  'é',
  'a\u200db',
  'isAdmin',
  'tables',
  '__proto',
  'Constructor',
  'then',
  'toJSON',
  'x'.repeat(128),
];

/** Few enough that two random sets often share a table. */
const tableId = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('orders', 'products', 'public.users', 'a:read', '100%', '注文') },
  { weight: 1, arbitrary: fc.constantFrom(...AWKWARD_TABLE_IDS) },
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((id) => findTableIdProblem(id) === undefined),
  },
);

const cells = fc.array(fc.tuple(tableId, fc.integer({ min: 0, max: 15 })), { maxLength: 8 });

/** Any permissions; one in sixteen is admin. */
export const permissions: fc.Arbitrary<Permissions> = fc.oneof(
  { weight: 15, arbitrary: cells.map(createPermissions) },
  { weight: 1, arbitrary: fc.constant(EVERYTHING) },
);

export const resource = fc.webUrl();

export const alternative = (
  columns: Iterable<string> | undefined,
  rows: Iterable<readonly [string, Iterable<string>]>,
): Alternative => new Alternative(columns, rows);

/** Few columns and values, so that two of them often compare. */
const limit = fc
  .tuple(
    fc.option(fc.subarray(['id', 'region', 'total'], { minLength: 1 }), { nil: undefined }),
    fc.dictionary(
      fc.constantFrom('id', 'region', 'total'),
      fc.subarray(['1', '2', 'eu', 'us'], { minLength: 1 }),
      { maxKeys: 2 },
    ),
  )
  .map(([columns, rows]) => alternative(columns, Object.entries(rows)));

/** Rights to delete are of whole rows. */
const right = fc
  .tuple(fc.constantFrom('orders', 'products', '注文'), fc.integer({ min: 1, max: 15 }), limit)
  .map(([table, mask, each]) => [table, each.columns ? mask & 7 : mask, each] as const);

/** Permissions of which some rights have limits, and some are for every table. */
export const limitedPermissions: fc.Arbitrary<Permissions> = fc.oneof(
  {
    weight: 15,
    arbitrary: fc
      .tuple(
        fc.array(right, { maxLength: 5 }),
        fc.array(
          fc.tuple(fc.constantFrom('orders', 'products', '*', 'invoices'), fc.integer({ min: 0, max: 15 })),
          { maxLength: 2 },
        ),
      )
      .map(([limits, cells]) => createPermissions([...limits, ...cells])),
  },
  { weight: 1, arbitrary: fc.constant(EVERYTHING) },
);
