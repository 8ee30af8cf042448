import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseAuthorizationDetails,
  toAuthorizationDetails,
} from '../../src/permissions/authorization-details.ts';
import { parseDetailsText } from '../../src/permissions/details.ts';
import {
  createPermissions,
  EVERYTHING,
  equals,
  isEmpty,
  NOTHING,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import {
  parsePermissions,
  parsePermissionsText,
  toPermissionsJson,
} from '../../src/permissions/permissions-json.ts';
import { fromStored, toStored } from '../../src/permissions/stored.ts';
import { splitTableScopes, toTableScopes } from '../../src/permissions/table-scopes.ts';
import {
  claimsSize,
  fitsIntoToken,
  MAX_TOKEN_PERMISSIONS_BYTES,
  type RightsClaim,
  toTokenClaims,
} from '../../src/permissions/token-claims.ts';
import fc from '../support/properties.ts';
import { AWKWARD_TABLE_IDS, alternative, permissions, resource } from './arbitraries.ts';

const RUNS = { numRuns: 10_000 };
const refuse = { unknownFlags: 'refuse' } as const;
const ignore = { unknownFlags: 'ignore' } as const;
const shop = 'https://api.acme.example/';
const orders = createPermissions([['orders', 0b0111]]);

const never = () => false;

function throughScopes(set: Permissions): Permissions {
  const scopes = toTableScopes(set);
  const { permissions: read, rest } = splitTableScopes(scopes, never);
  assert.deepEqual(rest, []);
  for (const scope of scopes) assert.match(scope, /^[\x21\x23-\x5B\x5D-\x7E]+$/);
  return read ?? NOTHING;
}

const ROUND_TRIPS: Record<string, (set: Permissions, resource: string) => Permissions> = {
  'the JSON shape': (set) => parsePermissions(toPermissionsJson(set), refuse),
  'JSON text': (set) => parsePermissionsText(JSON.stringify(toPermissionsJson(set)), refuse),
  'authorization details': (set, at) =>
    parseAuthorizationDetails(toAuthorizationDetails(set, at), at).permissions,
  'authorization details as text': (set, at) =>
    parseDetailsText(JSON.stringify(toAuthorizationDetails(set, at)), undefined).permissions,
  'table scopes': throughScopes,
  'the stored form': (set) => fromStored(JSON.parse(JSON.stringify(toStored(set)))),
};

for (const [spelling, roundTrip] of Object.entries(ROUND_TRIPS)) {
  test(`${spelling} gives back what was written`, async (t) => {
    await t.test('for random sets', () => {
      fc.assert(
        fc.property(permissions, resource, (set, at) => equals(roundTrip(set, at), set)),
        RUNS,
      );
    });
    await t.test('for every awkward table id, alone and all together', () => {
      for (const id of AWKWARD_TABLE_IDS) {
        const alone = roundTrip(createPermissions([[id, 0b1010]]), shop);
        assert.deepEqual([...alone.masks], [[id, 0b1010]]);
      }
      const all = createPermissions(AWKWARD_TABLE_IDS.map((id, index) => [id, 1 + (index % 15)]));
      assert.ok(equals(roundTrip(all, shop), all));
    });
  });
}

test('the JSON shape', async (t) => {
  await t.test('writes all four flags of each table', () => {
    assert.deepEqual(toPermissionsJson(orders), {
      isAdmin: false,
      tables: { orders: { create: true, read: true, update: true, delete: false } },
    });
    assert.deepEqual(toPermissionsJson(EVERYTHING), { isAdmin: true, tables: {} });
  });
  await t.test('takes what is missing as false and a table without flags as no access', () => {
    assert.ok(isEmpty(parsePermissions({}, refuse)));
    assert.ok(isEmpty(parsePermissions({ isAdmin: false }, refuse)));
    assert.ok(isEmpty(parsePermissions({ isAdmin: false, tables: { orders: {} } }, refuse)));
    assert.ok(isEmpty(parsePermissions({ tables: { orders: { read: false, delete: false } } }, refuse)));
    assert.ok(
      equals(
        parsePermissions({ tables: { orders: { read: true } } }, refuse),
        createPermissions([['orders', 2]]),
      ),
    );
  });
  await t.test('takes admin as all there is, whatever tables stand beside it', () => {
    assert.equal(parsePermissions({ isAdmin: true }, refuse), EVERYTHING);
    assert.equal(parsePermissions({ isAdmin: true, tables: { orders: { read: true } } }, refuse), EVERYTHING);
    assert.throws(() => parsePermissions({ isAdmin: true, tables: { '': {} } }, refuse), {
      code: 'malformed',
    });
  });
  await t.test('refuses unknown names on native endpoints and ignores them for faces', () => {
    const odd = { isAdmin: false, note: 'x', tables: { orders: { read: true, write: true, list: [1] } } };
    assert.throws(() => parsePermissions(odd, refuse), { code: 'malformed', message: /note/ });
    assert.throws(() => parsePermissions({ tables: odd.tables }, refuse), {
      code: 'malformed',
      message: /write/,
    });
    assert.ok(equals(parsePermissions(odd, ignore), createPermissions([['orders', 2]])));
  });
  await t.test('refuses text that is not JSON or says one thing twice', () => {
    for (const text of ['', '{', '{isAdmin:true}', '{"isAdmin":true}x', "{'isAdmin':true}"]) {
      assert.throws(() => parsePermissionsText(text, ignore), {
        code: 'malformed',
        message: /not valid JSON/,
      });
    }
    const twice = [
      '{"isAdmin":false,"isAdmin":true}',
      '{"isAdmin":true,"is\\u0041dmin":false}',
      '{"tables":{"a":{"read":true},"b":{},"a":{"delete":true}}}',
      '{"tables":{"a":{"read":true, "read" : false}}}',
      '{"tables":{"a\\"}":{},"a\\"}":{}}}',
    ];
    for (const text of twice) {
      assert.throws(() => parsePermissionsText(text, ignore), { code: 'malformed', message: /stands twice/ });
    }
    const once =
      '{"tables":{"a":{"read":true},"b{":{"read":true}},"note":[{"x":"read"},{"x":"y:"}],"read":"x"}';
    assert.equal(parsePermissionsText(once, ignore).masks.size, 2);
  });
});

test('the stored form', async (t) => {
  await t.test('is an array with letters in the order c, r, u, d', () => {
    const set = createPermissions([
      ['public.users', 0b1111],
      ['$where', 0b1001],
    ]);
    assert.deepEqual(toStored(set), {
      isAdmin: false,
      tables: [
        { table: '$where', actions: 'cd' },
        { table: 'public.users', actions: 'crud' },
      ],
    });
    assert.deepEqual(toStored(EVERYTHING), { isAdmin: true, tables: [] });
  });
  await t.test('says once what tables with the same limits have in common', () => {
    const own = alternative(['id'], [['customer', ['42']]]);
    const tables = ['invoices', 'orders', 'returns'];
    const set = createPermissions([
      ...tables.map((table) => [table, 2, own] as const),
      ['orders', 1],
      ['products', 2],
    ]);
    const limits = [{ actions: 'r', columns: ['id'], rows: [{ column: 'customer', values: ['42'] }] }];
    assert.deepEqual(toStored(set).tables, [
      { table: 'products', actions: 'r' },
      { table: 'invoices', actions: '', limits, also: ['returns'] },
      { table: 'orders', actions: 'c', limits },
    ]);
    assert.ok(equals(fromStored(toStored(set)), set));
  });
  await t.test('is read without a cap on tables, as a union may pass the cap of a request', () => {
    const many = createPermissions(Array.from({ length: 2500 }, (_, n) => [`t${n}`, 2]));
    assert.ok(equals(fromStored(toStored(many)), many));
  });
  await t.test('is refused when damaged, never read as more than it says', () => {
    const damaged: unknown[] = [
      {},
      { isAdmin: 'false', tables: [] },
      { isAdmin: 1, tables: [] },
      { isAdmin: false },
      { isAdmin: false, tables: {} },
      { isAdmin: false, tables: [null] },
      { isAdmin: false, tables: [{ table: 'orders' }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: 'x' }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: '*' }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: ['create'] }] },
      { isAdmin: false, tables: [{ table: '__proto__', actions: 'r' }] },
      { isAdmin: false, tables: [{ actions: 'r' }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: 'r', also: 'products' }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: 'r', also: ['__proto__'] }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: '', limits: [{ actions: 'r' }] }] },
      { isAdmin: false, tables: [{ table: 'orders', actions: '', limits: [{ actions: 'r', columns: [] }] }] },
    ];
    for (const row of damaged) {
      assert.throws(
        () => fromStored(row as never),
        { name: 'PermissionsError', code: 'malformed' },
        JSON.stringify(row),
      );
    }
  });
});

const tokenSize = (set: Permissions, at: string, claims?: readonly RightsClaim[]) =>
  claimsSize(toTokenClaims(set, undefined, at, claims));

test('the size in a token is what a JWT grows by', () => {
  const grownBy = (set: Permissions) =>
    Buffer.from(JSON.stringify(toTokenClaims(set, undefined, shop))).toString('base64url').length;
  const some = (count: number) =>
    createPermissions(Array.from({ length: count }, (_, n) => [`注文 ${n}`, 1 + (n % 15)]));
  for (const count of [0, 1, 2, 3, 10, 40]) assert.equal(tokenSize(some(count), shop), grownBy(some(count)));
  assert.ok(tokenSize(EVERYTHING, shop) < 250);
  assert.ok(tokenSize(some(30), shop) < MAX_TOKEN_PERMISSIONS_BYTES);
  assert.ok(tokenSize(some(90), shop) > MAX_TOKEN_PERMISSIONS_BYTES);
});

test('200 tables with four sets of actions fit into a token that groups them', () => {
  const ids = Array.from({ length: 200 }, (_, n) =>
    `table_of_shop_${String(n).padStart(2, '0')}`.slice(0, 16),
  );
  const many = createPermissions(
    ids.map((id, n) => [`${id.slice(0, 12)}_${n}`, [1, 2, 7, 15][n % 4] as number]),
  );
  assert.equal(many.masks.size, 200);
  assert.ok(tokenSize(many, shop, ['authorization_details']) < MAX_TOKEN_PERMISSIONS_BYTES);
  assert.ok(tokenSize(many, shop) > MAX_TOKEN_PERMISSIONS_BYTES);
  const { authorization_details: details } = toTokenClaims(many, undefined, shop, ['authorization_details']);
  assert.equal(details?.length, 4);
  assert.ok(equals(parseAuthorizationDetails(details, shop).permissions, many));
});

test('PM-05 whether permissions fit into a token is decided by their size', () => {
  const many = fc
    .array(fc.tuple(fc.constantFrom(...AWKWARD_TABLE_IDS), fc.nat(40), fc.integer({ min: 1, max: 15 })), {
      maxLength: 80,
      size: 'max',
    })
    .map((cells) =>
      createPermissions(cells.map(([id, n, mask]) => [`${id}${n}`.slice(-128), mask] as const)),
    );
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(fc.oneof(permissions, many), resource, (set, identifier) => {
      const fits = fitsIntoToken(set, identifier, toTokenClaims(set, undefined, identifier));
      seen[`${fits}`] += 1;
      return fits === tokenSize(set, identifier) <= MAX_TOKEN_PERMISSIONS_BYTES;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(seen.true > 500 && seen.false > 500, JSON.stringify(seen));
});
