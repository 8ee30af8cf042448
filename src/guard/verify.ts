/**
 * Whether a guarded database decides as the algebra does: statements run as a client role with the claims of a token, and are rolled
 * back. PostgreSQL wants more for changes: the rows before and after must be readable, and their keys too.
 */
import type { Action } from '../permissions/actions.ts';
import { type ColumnLimit, toLimits } from '../permissions/column-limits.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { toTokenClaims } from '../permissions/token-claims.ts';
import { mayWrite, readableColumns } from '../permissions/verdicts.ts';
import type { Guard, GuardedTable } from './model.ts';
import { pick, type Random } from './random-rights.ts';
import type { Database } from './read-database.ts';
import { declaredTypes } from './sql/conditions.ts';
import { viewOf } from './sql/names.ts';
import { identifier, literal, qualified } from './sql/text.ts';

/** Of tables that are verified: each row is read for each token. */
const MAX_ROWS = 10_000;

/** A row with its values as texts; NULL is null. */
export type Row = Readonly<Record<string, string | null>>;

export interface Verified {
  /** How many times a row and an action were decided. */
  cells: number;
  /** Statements on which a constraint or a trigger decided first. */
  undecided: number;
  /** Whole sentences. */
  readonly differences: string[];
}

/** One token for one table. */
export interface Tried {
  /** Connected as a role that the policies do not bind. */
  readonly database: Database;
  readonly guard: Guard;
  /** The client role that statements run as. */
  readonly role: string;
  readonly random: Random;
  /** Seconds since 1970. */
  readonly now: number;
  readonly table: GuardedTable;
  /** All of the table. */
  readonly rows: readonly Row[];
  readonly permissions: Permissions;
  readonly verified: Verified;
}

/** What a statement of the client came to. */
interface Outcome {
  readonly rows: readonly Row[];
  /** The table afterwards. */
  readonly after: readonly Row[];
  /** Of an error: its SQLSTATE. */
  readonly code: string | undefined;
}

const REFUSED = '42501';
/** SQLSTATE class of violated constraints: checked after the policies. */
const CONSTRAINT = /^23/;

const list = (table: GuardedTable): string =>
  table.columns.map(({ name }) => `t.${identifier(name)}::text as ${identifier(name)}`).join(', ');

/** @returns undefined where there are too many */
export async function readRows(database: Database, table: GuardedTable): Promise<Row[] | undefined> {
  const { rows } = await database.query<Row>(
    `select ${list(table)} from ${qualified(table)} as t limit ${MAX_ROWS + 1}`,
  );
  return rows.length > MAX_ROWS ? undefined : rows;
}

/** In one order, for comparing. */
const inOrder = (rows: readonly Row[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

const isSame = (one: readonly Row[], other: readonly Row[]): boolean =>
  JSON.stringify(inOrder(one)) === JSON.stringify(inOrder(other));

export async function verifyTable(tried: Tried): Promise<void> {
  const { database, table } = tried;
  await database.query('begin');
  try {
    await database.query(
      `set local timezone = 'UTC'; set local datestyle = 'ISO'; set local search_path = ''`,
    );
    await verifyRead(tried);
    await verifyCreate(tried);
    if (table.key.length > 0 || !table.isLimited) {
      await verifyUpdate(tried);
      await verifyDelete(tried);
    }
  } finally {
    await database.query('rollback');
  }
}

/** A limited right gives nothing on a table that is guarded as one without limited rights. */
function limitsOf({ table, permissions }: Tried, action: Action): ColumnLimit[] {
  const limits = toLimits(permissions.cell(table.id, action), declaredTypes(table));
  return table.isLimited ? limits : limits.filter(({ columns, rows }) => !columns && rows.size === 0);
}

/** What a token sees of the row; undefined: nothing. */
function seen(tried: Tried, row: Row): Row | undefined {
  const readable = readableColumns(row, limitsOf(tried, 'read'), declaredTypes(tried.table));
  if (!readable) return row;
  if (readable.size === 0) return undefined;
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, readable.has(column) ? value : null]),
  );
}

const hasKey = ({ table }: Tried, row: Row | undefined): boolean =>
  row !== undefined && table.key.every((column) => row[column] !== null);

async function run(tried: Tried, statement: string): Promise<Outcome> {
  const { database, guard, role, permissions, table, now } = tried;
  const claims = {
    iss: guard.issuer,
    aud: guard.resource,
    ...{ jti: 'verify', anc: [], iat: now, exp: now + 300 },
    ...toTokenClaims(permissions, undefined, guard.resource),
  };
  await database.query('savepoint tried');
  try {
    await database.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
      role,
      JSON.stringify(claims),
    ]);
    const { rows } = await database.query<Row>(statement);
    await database.query('reset role');
    return { rows, after: (await readRows(database, table)) ?? [], code: undefined };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return { rows: [], after: [], code };
  } finally {
    await database.query('rollback to savepoint tried');
  }
}

function differ(tried: Tried, what: string): void {
  const { table, permissions, guard, verified } = tried;
  const rights = JSON.stringify(toTokenClaims(permissions, undefined, guard.resource).authorization_details);
  verified.differences.push(`${table.id}: ${what}. The token has ${rights}.`);
}

async function verifyRead(tried: Tried): Promise<void> {
  const { guard, table, rows, verified } = tried;
  const expected = rows.map((row) => seen(tried, row)).filter((row) => row !== undefined);
  const found = await run(tried, `select ${list(table)} from ${qualified(viewOf(guard, table))} as t`);
  verified.cells += rows.length;
  if (found.code !== undefined) differ(tried, `reading failed with ${found.code}`);
  else if (!isSame(found.rows, expected)) {
    differ(tried, `${found.rows.length} rows are shown instead of ${expected.length}, or others of them`);
  }
}

/** A row like one that is there: with the same key it fails after the policies have judged it. */
async function verifyCreate(tried: Tried): Promise<void> {
  const { guard, table, rows, random, verified } = tried;
  const like = pick(random, rows);
  if (!like) return;
  const settable = table.columns.filter(
    ({ name, generated }) => generated !== 'always' && like[name] !== null,
  );
  const names = settable.map(({ name }) => name);
  const values = settable.map(({ name, type }) => `${literal(like[name] ?? '')}::${type}`);
  if (names.length === 0) return;
  const { code } = await run(
    tried,
    `insert into ${qualified(viewOf(guard, table))} (${names.map(identifier).join(', ')}) values (${values.join(', ')})`,
  );
  verified.cells += 1;
  const isCreated = code === undefined || CONSTRAINT.test(code);
  if (!isCreated && code !== REFUSED) verified.undecided += 1;
  else if (isCreated !== mayWrite(like, names, limitsOf(tried, 'create'), declaredTypes(table))) {
    differ(tried, `a row like ${JSON.stringify(like)} was ${isCreated ? 'created' : 'refused'}`);
  }
}

/**
 * @param expected the rows after the statement; undefined: it is refused
 * @param what the statement is, for a difference
 * @param others what is different where it left other rows than expected
 */
async function verifyChange(
  tried: Tried,
  statement: string,
  expected: readonly Row[] | undefined,
  what: string,
  others = `${what} changed other rows`,
): Promise<void> {
  const { code, after } = await run(tried, statement);
  tried.verified.cells += tried.rows.length;
  if (code !== undefined && code !== REFUSED) tried.verified.undecided += 1;
  else if ((code === REFUSED) !== (expected === undefined)) {
    differ(tried, `${what} was ${code ? 'refused' : 'allowed'}`);
  } else if (expected && !isSame(after, expected)) differ(tried, others);
}

async function verifyUpdate(tried: Tried): Promise<void> {
  const { guard, table, rows, random } = tried;
  const column = pick(
    random,
    table.columns.filter(({ name, generated }) => generated !== 'always' && !table.key.includes(name)),
  );
  const value = column && pick(random, rows)?.[column.name];
  if (!column || value === undefined || value === null) return;
  const { name, type } = column;
  const change = `set ${identifier(name)} = ${literal(value)}::${type}`;
  const computed = await readComputed(tried, change);
  if (!computed) {
    tried.verified.undecided += 1;
    return;
  }
  const expected = updated(tried, name, (row) => ({ ...row, [name]: value, ...computed(row) }));
  await verifyChange(
    tried,
    `update ${qualified(viewOf(guard, table))} ${change}`,
    expected,
    `setting ${name} to ${value}`,
  );
}

/** What the database computes of a row as it is after the change; undefined: that cannot be told. */
async function readComputed(
  { database, table }: Tried,
  change: string,
): Promise<((row: Row) => Row) | undefined> {
  const names = table.columns.filter(({ generated }) => generated === 'always').map(({ name }) => name);
  if (names.length === 0) return () => ({});
  if (table.key.length === 0) return undefined;
  const keyOf = (row: Row) => JSON.stringify(table.key.map((name) => row[name]));
  await database.query('savepoint computed');
  try {
    await database.query(`update ${qualified(table)} ${change}`);
    const changed = new Map(((await readRows(database, table)) ?? []).map((row) => [keyOf(row), row]));
    return (row) => Object.fromEntries(names.map((name) => [name, changed.get(keyOf(row))?.[name] ?? null]));
  } catch (error) {
    if ((error as { code?: string }).code === undefined) throw error;
    return undefined;
  } finally {
    await database.query('rollback to savepoint computed');
  }
}

/** The rows after the update; undefined: it is refused. @param change what the update makes of a row */
function updated(tried: Tried, column: string, change: (row: Row) => Row): Row[] | undefined {
  const [limits, types] = [limitsOf(tried, 'update'), declaredTypes(tried.table)];
  const after: Row[] = [];
  for (const row of tried.rows) {
    const shown = seen(tried, row);
    if (shown && !hasKey(tried, shown)) return undefined;
    if (!shown || !mayWrite(row, [], limits, types)) {
      after.push(row);
      continue;
    }
    const changedRow = change(row);
    const isSet = !tried.table.isLimited || shown[column] !== changedRow[column];
    const changed = isSet ? changedRow : row;
    const isAllowed =
      mayWrite(row, isSet ? [column] : [], limits, types) && mayWrite(changed, [], limits, types);
    if (!isAllowed || !seen(tried, changed)) return undefined;
    after.push(changed);
  }
  return after;
}

async function verifyDelete(tried: Tried): Promise<void> {
  const { guard, table, rows } = tried;
  const [limits, types] = [limitsOf(tried, 'delete'), declaredTypes(table)];
  const visible = rows.map((row) => [row, seen(tried, row)] as const).filter(([, shown]) => shown);
  const isHidden = visible.some(([, shown]) => !hasKey(tried, shown));
  const deleted = new Set(visible.filter(([row]) => mayWrite(row, [], limits, types)).map(([row]) => row));
  const expected = isHidden ? undefined : rows.filter((row) => !deleted.has(row));
  const statement = `delete from ${qualified(viewOf(guard, table))}`;
  await verifyChange(tried, statement, expected, 'deleting all rows', 'other rows were deleted');
}
