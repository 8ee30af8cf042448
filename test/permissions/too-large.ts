/** Permissions of far more members than are taken, in every form that a request may send. */
import { parseAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { parseDetailsText } from '../../src/permissions/details.ts';
import { parsePermissions, parsePermissionsText } from '../../src/permissions/permissions-json.ts';
import { splitTableScopes } from '../../src/permissions/table-scopes.ts';

const LENIENT = { unknownFlags: 'ignore' } as const;
const SHOP = 'https://api.acme.example/';

/** Each attempt throws a PermissionsError `too_large`. */
export function createTooLarge() {
  const flags = { create: true, read: true, update: true, delete: true };
  const tables = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`table${n}`, flags]));
  const details = Array.from({ length: 100_000 }, (_, n) => ({
    type: 'table_access',
    identifier: `t${n}`,
    actions: ['read'],
  }));
  let nested: unknown = {};
  for (let depth = 0; depth < 1000; depth++) nested = depth % 2 === 0 ? { a: nested } : [nested];
  const scopes = Array.from({ length: 100_000 }, (_, n) => `t${n}:read`);
  const alternatives = Array.from({ length: 1_800 }, (_, n) => ({
    type: 'table_access_set',
    tables: ['orders'],
    actions: ['create', 'read', 'update', 'delete'],
    rows: { id: [`${n}`] },
  }));
  const rows = Object.fromEntries(
    Array.from({ length: 8 }, (_, n) => [`c${n}`, Array.from({ length: 100 }, (_, value) => `${value}`)]),
  );
  const set = { type: 'table_access_set', tables: scopes.slice(0, 60), actions: ['read'], rows };
  const detailsText = JSON.stringify(details);
  const tablesText = JSON.stringify({ tables });
  const nestedText = JSON.stringify({ tables: {}, extra: nested });
  const attempts: Record<string, () => unknown> = {
    '100,000 tables': () => parsePermissions({ tables }, LENIENT),
    '100,000 tables as text': () => parsePermissionsText(tablesText, LENIENT),
    '100,000 members of one table': () => parsePermissions({ tables: { orders: tables } }, LENIENT),
    '100,000 members beside the tables': () => parsePermissions({ extra: tables }, LENIENT),
    'an array said to be endless': () => parsePermissions({ extra: new Array(4_000_000_000) }, LENIENT),
    '1,000 levels': () => parsePermissions({ extra: nested }, LENIENT),
    '1,000 levels as text': () => parsePermissionsText(nestedText, LENIENT),
    '130,000 levels as text': () => parsePermissionsText('['.repeat(130_000) + ']'.repeat(130_000), LENIENT),
    '50 MB of text': () => parsePermissionsText(' '.repeat(50_000_000), LENIENT),
    '100,000 details': () => parseAuthorizationDetails(details, SHOP),
    '100,000 details as text': () => parseDetailsText(detailsText, SHOP),
    '1,800 alternatives': () => parseAuthorizationDetails(alternatives, SHOP),
    '800 values for each of 60 tables': () => parseAuthorizationDetails([set], SHOP),
    '100,000 scopes': () => splitTableScopes(scopes, () => false),
  };
  return { tables, details, attempts };
}
