/**
 * What the verdicts of docs/vectors must be, computed in the plainest way: row by row, from the text of the claims, with
 * nothing of the code that the vectors test.
 */
import {
  type Case,
  type ColumnType,
  claimsText,
  createdRow,
  type Row,
  type TokenVerdict,
  type Value,
  type VectorTable,
  type VectorToken,
  type World,
} from './vectors.ts';

const ACTIONS = ['create', 'read', 'update', 'delete'];

/** A right as a token says it: to one table or `*`, and which columns and rows. */
interface Right {
  readonly table: string;
  readonly action: string;
  readonly columns?: readonly string[];
  readonly rows?: readonly (readonly [column: string, values: readonly string[]])[];
}

interface Rights {
  isAdmin: boolean;
  rights: Right[];
}

interface Reading extends Rights {
  verdict: TokenVerdict;
  /** What the other claim says, where a difference takes only what it is about. */
  plain?: Rights;
}

const REFUSED: Reading = { verdict: 'refused', isAdmin: false, rights: [] };
const ODD_NAME: Reading = { ...REFUSED, verdict: 'either' };

/** Something that Grantable never writes. */
class Odd extends Error {}

/** A name that no table or column has: whether a verifier notices makes no difference. */
class OddName extends Odd {}

function must(condition: unknown): asserts condition {
  if (!condition) throw new Odd();
}

/* ---- values ---- */

/** What a text means in a type; two that mean the same have the same result. Undefined if it means nothing. */
function meaning(type: ColumnType, text: string): string | bigint | undefined {
  if (text.includes('\0') || !text.isWellFormed()) return undefined;
  switch (type) {
    case 'text':
      return text;
    case 'integer':
      return /^[+-]?[0-9]+$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
    case 'decimal': {
      const [, sign, whole = '', part = '', power = '0'] =
        /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,4}))?$/.exec(text) ?? [];
      if (sign === undefined || whole + part === '') return undefined;
      // Ten thousand digits after the point are more than any of them has.
      return (
        BigInt(sign === '-' ? -1 : 1) *
        BigInt(whole + part) *
        10n ** BigInt(11_000 - part.length + Number(power))
      );
    }
    case 'boolean':
      if (['true', 't', '1'].includes(text.toLowerCase())) return 'yes';
      return ['false', 'f', '0'].includes(text.toLowerCase()) ? 'no' : undefined;
    case 'uuid': {
      const digits = text.toLowerCase();
      const isUuid = /^[0-9a-f]{32}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(digits);
      return isUuid ? digits.replaceAll('-', '') : undefined;
    }
    case 'date':
      return dayOf(text);
    case 'timestamp':
      return microsecondsOf(text);
  }
}

/** Days since the first of March of the year 0. */
function dayOf(text: string): bigint | undefined {
  const [, y = '', m = '', d = ''] = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(text) ?? [];
  const [year, month, day] = [Number(y), Number(m), Number(d)];
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  if (year < 1 || day < 1 || day > (days[month - 1] ?? 0)) return undefined;
  const before = days.slice(0, month - 1).reduce((sum, each) => sum + each, 0);
  const last = year - 1;
  const leaps = Math.floor(last / 4) - Math.floor(last / 100) + Math.floor(last / 400);
  return BigInt(365 * last + leaps + before + day);
}

function microsecondsOf(text: string): bigint | undefined {
  const [all, date = '', hours = '0', minutes = '0', seconds = '0', part = '', zone = 'Z'] =
    /^(.{10})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)? ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$/.exec(
      text,
    ) ?? [];
  const day = dayOf(date);
  const nanoseconds = part.padEnd(9, '0');
  const [, sign, ahead = '0', aheadMinutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const isTime = Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60;
  const isZone = Number(ahead) < 16 && Number(aheadMinutes) < 60;
  if (all === undefined || day === undefined || !isTime || !isZone || !nanoseconds.endsWith('000'))
    return undefined;
  const offset = (sign === '-' ? -1 : 1) * (Number(ahead) * 60 + Number(aheadMinutes));
  const minute = BigInt(Number(hours) * 60 + Number(minutes) - offset);
  const instant =
    ((day * 1440n + minute) * 60n + BigInt(seconds)) * 1_000_000n + BigInt(nanoseconds.slice(0, 6));
  const days = instant / 86_400_000_000n;
  const isYear = days >= (dayOf('0001-01-01') as bigint) && days <= (dayOf('9999-12-31') as bigint);
  return isYear ? instant : undefined;
}

function isSame(type: ColumnType, one: Value, other: Value): boolean {
  if (one === null || other === null) return false;
  const meant = meaning(type, String(one));
  return meant !== undefined && meant === meaning(type, String(other));
}

/* ---- claims ---- */

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function knowsOnly(object: Json, names: readonly string[]): void {
  must(Object.keys(object).every((name) => names.includes(name)));
}

/** Names that some languages give every object: Grantable writes them for no language. */
const RESERVED = ['prototype', ...Object.getOwnPropertyNames(Object.prototype)];

function nameOf(value: unknown): string {
  must(typeof value === 'string' && value !== '');
  const isUsual = value.length <= 128 && value.trim() === value && value !== '@' && !RESERVED.includes(value);
  if (!isUsual || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(value)) throw new OddName();
  return value;
}

function namesOf(value: unknown): string[] {
  must(Array.isArray(value) && value.length > 0);
  return value.map(nameOf);
}

function actionsOf(value: unknown): string[] {
  const names = namesOf(value);
  must(names.every((name) => ACTIONS.includes(name)));
  return names;
}

function readPermissions(claim: unknown): Rights & { isOdd: boolean } {
  must(isObject(claim));
  knowsOnly(claim, ['isAdmin', 'tables']);
  const { isAdmin = false, tables = {} } = claim;
  must(typeof isAdmin === 'boolean' && isObject(tables));
  const flags = Object.entries(tables).flatMap(([table, actions]) => {
    must(isObject(actions));
    knowsOnly(actions, ACTIONS);
    return Object.entries(actions).map(([action, flag]) => {
      must(typeof flag === 'boolean');
      return { table: nameOf(table), action, flag };
    });
  });
  const rights = flags.filter(({ flag }) => flag).map(({ table, action }): Right => ({ table, action }));
  // It would take nothing away.
  const isOdd = flags.some(
    ({ flag, action }) => !flag && rights.some((each) => each.table === '*' && each.action === action),
  );
  return { isAdmin, rights: isAdmin ? [] : rights, isOdd };
}

function readDetail(detail: Json, world: World): Rights {
  if ('locations' in detail) {
    must(namesOf(detail.locations).every((location) => isOurs(location, world)));
  }
  if (detail.type === 'table_access') {
    if ('privileges' in detail) {
      knowsOnly(detail, ['type', 'locations', 'privileges']);
      must(namesOf(detail.privileges).every((privilege) => privilege === 'admin'));
      return { isAdmin: true, rights: [] };
    }
    knowsOnly(detail, ['type', 'locations', 'identifier', 'actions']);
    const table = nameOf(detail.identifier);
    return { isAdmin: false, rights: actionsOf(detail.actions).map((action) => ({ table, action })) };
  }
  knowsOnly(detail, ['type', 'locations', 'tables', 'actions', 'columns', 'rows']);
  const actions = actionsOf(detail.actions);
  const columns = detail.columns === undefined ? undefined : namesOf(detail.columns);
  const rows = detail.rows === undefined ? undefined : readRows(detail.rows);
  const limit = { ...(columns && { columns }), ...(rows && { rows }) };
  must(!columns || !actions.includes('delete'));
  const tables = namesOf(detail.tables);
  must(Object.keys(limit).length === 0 || !tables.includes('*'));
  return {
    isAdmin: false,
    rights: tables.flatMap((table) => actions.map((action) => ({ table, action, ...limit }))),
  };
}

function readRows(rows: unknown): [string, string[]][] {
  must(isObject(rows) && Object.keys(rows).length > 0);
  return Object.entries(rows).map(([column, values]) => {
    must(Array.isArray(values) && values.length > 0);
    return [
      nameOf(column),
      values.map((value) => {
        must(['string', 'boolean'].includes(typeof value) || Number.isSafeInteger(value));
        must(!String(value).startsWith('\0'));
        return String(value);
      }),
    ];
  });
}

function isOurs(identifier: unknown, { resource }: World): boolean {
  return identifier === resource || `${identifier}/` === resource;
}

const isWhole = (right: Right): boolean => !right.columns && !right.rows;

/** Whether one of both allows it without limits and the other does not. */
function disagree(one: Rights, other: Rights, table: string, action: string): boolean {
  const [first, second] = [one, other].map(
    ({ isAdmin, rights }) =>
      isAdmin ||
      rights.some((right) => isWhole(right) && right.action === action && [table, '*'].includes(right.table)),
  );
  return first !== second;
}

/** Tries every table that either names and one that neither names. */
function contradict(one: Rights, other: Rights): boolean {
  const tables = [...one.rights, ...other.rights].map(({ table }) => table);
  return [...tables, 'neither names it'].some((table) =>
    ACTIONS.some((action) => disagree(one, other, table, action)),
  );
}

/** Escapes of what `jsonb` cannot hold: NUL, and halves of characters. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/;

/** Who reads the claims: a verifier, or PostgreSQL behind one. */
type Reader = 'verifier' | 'postgres';

function isValid(claims: Json, token: VectorToken, world: World, reader: Reader): boolean {
  const { exp, nbf, aud, iss, active, token_type: type } = claims;
  if (typeof exp !== 'number' || exp <= world.now) return false;
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf > world.now)) return false;
  if (reader === 'verifier') {
    const isBearer = token.form === 'jwt' || (active === true && type === 'Bearer');
    return isOurs(aud, world) && isBearer && !('cnf' in claims) && hasMembers(claims, token, world);
  }
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  const isActive = active === undefined || (active === true && ['Bearer', 'DPoP'].includes(String(type)));
  const hasNodes =
    typeof claims.jti === 'string' && Array.isArray(claims.anc) && typeof claims.iat === 'number';
  return iss === world.issuer && audiences.some((each) => isOurs(each, world)) && isActive && hasNodes;
}

function hasMembers(claims: Json, { form, typ = 'at+jwt' }: VectorToken, { issuer }: World): boolean {
  if (typeof claims.sub !== 'string' || typeof claims.client_id !== 'string') return false;
  if (form === 'introspection') return true;
  const hasNodes = typeof claims.jti === 'string' && Array.isArray(claims.anc);
  const hasTimes = typeof claims.as_of === 'number' && typeof claims.iat === 'number';
  return typ === 'at+jwt' && claims.iss === issuer && hasNodes && hasTimes;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readToken(token: VectorToken, world: World, reader: Reader): Reading {
  const claims = parse(claimsText(world, token));
  if (!isObject(claims) || !isValid(claims, token, world, reader)) return REFUSED;
  const { permissions, authorization_details: details } = claims;
  if (permissions === undefined && details === undefined) return REFUSED;
  if (reader === 'postgres' && UNSTORABLE.test(JSON.stringify(claims))) return REFUSED;
  let plain: ReturnType<typeof readPermissions> | undefined;
  const whole: Rights = { isAdmin: false, rights: [] };
  let isOdd = false;
  let hasOddName = false;
  try {
    plain = permissions === undefined ? undefined : readPermissions(permissions);
  } catch (error) {
    return error instanceof OddName ? ODD_NAME : REFUSED;
  }
  if (details !== undefined) {
    if (!Array.isArray(details)) return REFUSED;
    for (const detail of details) {
      const type = isObject(detail) ? detail.type : undefined;
      if (typeof type === 'string' && !['table_access', 'table_access_set'].includes(type)) continue;
      try {
        must(isObject(detail) && typeof type === 'string');
        const { isAdmin, rights } = readDetail(detail, world);
        whole.isAdmin ||= isAdmin;
        whole.rights.push(...rights);
      } catch (error) {
        isOdd = true;
        hasOddName ||= error instanceof OddName;
      }
    }
    isOdd ||= whole.rights.some((right) => !isWhole(right) && isVain(right, whole));
    if (plain && plain.isAdmin !== whole.isAdmin) return REFUSED;
    if (plain && reader === 'verifier' && contradict(plain, whole)) return REFUSED;
  }
  isOdd ||= plain?.isOdd ?? false;
  const { isAdmin, rights } = details === undefined && plain ? plain : whole;
  const said = { isAdmin, rights, ...(plain && details !== undefined && { plain }) };
  if (!isOdd) return { verdict: 'accepted', ...said };
  return isAdmin || rights.length > 0 || hasOddName ? { verdict: 'either', ...said } : REFUSED;
}

/** A limit that takes nothing away, because the details give the same without it. */
function isVain({ table, action }: Right, { isAdmin, rights }: Rights): boolean {
  return (
    isAdmin ||
    rights.some((each) => isWhole(each) && [table, '*'].includes(each.table) && each.action === action)
  );
}

/* ---- verdicts ---- */

/** Every right that holds for the row, as the columns that it gives. */
function columnsFor(
  row: Row,
  action: string,
  id: string,
  table: VectorTable,
  { isAdmin, rights, plain }: Reading,
): string[][] {
  const all = Object.keys(table.columns);
  if (plain && disagree(plain, { isAdmin, rights }, id, action)) return [];
  if (isAdmin) return [all];
  return rights
    .filter((right) => right.action === action && [id, '*'].includes(right.table))
    .filter(({ rows = [] }) =>
      rows.every(([column, values]) => {
        const type = Object.hasOwn(table.columns, column) ? table.columns[column] : undefined;
        return type !== undefined && values.some((value) => isSame(type, value, row[column] ?? null));
      }),
    )
    .map(({ columns }) => (columns ? all.filter((column) => columns.includes(column)) : all));
}

const hasAll = (sets: readonly string[][], wanted: readonly string[]): boolean =>
  sets.some((columns) => wanted.every((column) => columns.includes(column)));

/** @returns the case with its verdicts */
function judge(given: Case, world: World, reading: Reading, postgres: Reading): Case {
  const table = world.tables[given.table] as VectorTable;
  const find = (row: Row, action: string, read = reading) =>
    columnsFor(row, action, given.table, table, read);
  const visible = (row: Row, read = reading): string[] => {
    const seen = find(row, 'read', read).flat();
    return Object.keys(table.columns).filter((column) => seen.includes(column));
  };
  // Of a table with the gate only, PostgreSQL gives nothing to limited rights.
  const inPostgres: Reading =
    table.rowColumns.length > 0 ? postgres : { ...postgres, rights: postgres.rights.filter(isWhole) };
  const withPostgres = <T>(verdict: T, other: T) =>
    JSON.stringify(verdict) === JSON.stringify(other) ? {} : { postgres: other };
  if (given.action === 'read') {
    const seenBy = (read: Reading) =>
      Object.fromEntries(
        Object.entries(table.rows).flatMap(([name, row]) => {
          const columns = visible(row, read);
          return columns.length > 0 ? [[name, columns]] : [];
        }),
      );
    const rows = seenBy(reading);
    return { table: given.table, action: 'read', rows, ...withPostgres(rows, seenBy(inPostgres)) };
  }
  const reads = (row: Row) => {
    const columns = visible(row, inPostgres);
    return table.key.length > 0 && table.key.every((column) => columns.includes(column));
  };
  if (given.action === 'create') {
    const row = createdRow(table, given.set);
    const allowed = hasAll(find(row, 'create'), Object.keys(given.set));
    const notNull = Object.keys(given.set).filter((column) => given.set[column] !== null);
    const inside = hasAll(find(row, 'create', inPostgres), notNull);
    return {
      table: given.table,
      action: 'create',
      set: given.set,
      allowed,
      ...withPostgres(allowed, inside),
    };
  }
  const before = table.rows[given.row] as Row;
  if (given.action === 'delete') {
    const allowed = find(before, 'delete').length > 0;
    const inside = find(before, 'delete', inPostgres).length > 0 && reads(before);
    return {
      table: given.table,
      action: 'delete',
      row: given.row,
      allowed,
      ...withPostgres(allowed, inside),
    };
  }
  const after = { ...before, ...given.set };
  const allowed = hasAll(find(before, 'update'), Object.keys(given.set)) && find(after, 'update').length > 0;
  const changed = Object.keys(given.set).filter((column) => {
    const [old, value] = [before[column] ?? null, given.set[column] ?? null];
    return !(old === null && value === null) && !isSame(table.columns[column] as ColumnType, old, value);
  });
  const inside =
    hasAll(find(before, 'update', inPostgres), changed) &&
    find(after, 'update', inPostgres).length > 0 &&
    reads(before) &&
    reads(after);
  const { row, set } = given;
  return { table: given.table, action: 'update', row, set, allowed, ...withPostgres(allowed, inside) };
}

/** The same token with the verdicts that it should have. */
export function withVerdicts({ cases, ...token }: VectorToken, world: World): VectorToken {
  const read = (reader: Reader) => readToken({ ...token, cases }, world, reader);
  const [reading, inPostgres] = [read('verifier'), read('postgres')];
  const { verdict: _, ...given } = token;
  return {
    ...given,
    verdict: reading.verdict,
    cases: cases.map((each) => judge(each, world, reading, inPostgres)),
  };
}
