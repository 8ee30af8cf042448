/**
 * The limits of a right as SQL. Each alternative stays on its own: a column that only some of them have is NULL in the
 * rows that only the others match.
 */
import {
  type ColumnLimit,
  type ColumnTypes,
  hasColumns,
  limitsForWriting,
  typeOf,
} from '../permissions/column-limits.ts';
import { type Bind, type SqlDialect, SYNTAXES, type Syntax } from './sql-dialects.ts';

/** A part of a statement. Values are in the parameters only, in the order of the placeholders. */
export interface SqlPart {
  readonly text: string;
  readonly parameters: readonly string[];
}

export interface WriteSql {
  /**
   * To stand after WHERE or AND: true for the rows that one alternative matches which has all columns that are to be
   * written.
   */
  readonly where: SqlPart;
}

export interface ReadSql {
  /** To stand in the place of the table after FROM or JOIN: its visible rows, in which hidden columns are NULL. */
  readonly from: SqlPart;
  /** To stand after WHERE or AND: true for the visible rows. */
  readonly where: SqlPart;
  /** Visible in every row for which `where` is true; others are visible in some of the rows only. Undefined: all columns. */
  readonly columns: readonly string[] | undefined;
}

export interface SqlOptions {
  /**
   * The columns that are to be read or written. When reading, unless said otherwise: all columns, or, where a limit has
   * columns, those that the limits and the declared types name.
   */
  readonly columns?: readonly string[];
  /** Of the table in the database, with its schema before it; the id of the table unless said otherwise. */
  readonly name?: string | readonly string[];
  /** What the statement calls the table; the last part of its name unless said otherwise. */
  readonly alias?: string;
  /** Number of the first parameter in PostgreSQL: 1 unless said otherwise. */
  readonly firstParameter?: number;
}

/** A table of which something is allowed. */
export interface LimitedTable {
  readonly table: string;
  readonly limits: readonly ColumnLimit[];
  readonly types: ColumnTypes;
}

interface Named {
  readonly syntax: Syntax;
  /** Quoted, with its schema. */
  readonly name: string;
  /** Quoted. */
  readonly alias: string;
  readonly types: ColumnTypes;
  readonly first: number;
}

/** @throws TypeError for names that no table or column of such a database can have */
export function toWriteSql(limited: LimitedTable, dialect: SqlDialect, options: SqlOptions = {}): WriteSql {
  const named = toNamed(limited, dialect, options);
  const columns = requireNames(options.columns ?? [], named.syntax);
  const limits = limitsForWriting(nameable(limited.limits, named.syntax), columns);
  return { where: whereOf(limits, named) };
}

/** @throws TypeError for names that no table or column of such a database can have */
export function toReadSql(limited: LimitedTable, dialect: SqlDialect, options: SqlOptions = {}): ReadSql {
  const named = toNamed(limited, dialect, options);
  const every = nameable(limited.limits, named.syntax);
  const columns = options.columns ? requireNames(options.columns, named.syntax) : knownColumns(every, named);
  const limits = columns
    ? every.filter((limit) => columns.some((column) => hasColumns(limit, [column])))
    : every;
  return {
    from: fromOf(limits, columns, named),
    where: whereOf(limits, named),
    columns: columns?.filter((column) => limits.every((limit) => hasColumns(limit, [column]))),
  };
}

function toNamed({ table, types }: LimitedTable, dialect: SqlDialect, options: SqlOptions): Named {
  if (!Object.hasOwn(SYNTAXES, dialect)) {
    throw new TypeError(
      `Unknown dialect ${JSON.stringify(dialect)}. Use ${Object.keys(SYNTAXES).join(', ')}.`,
    );
  }
  const syntax = SYNTAXES[dialect];
  const parts = requireNames([options.name ?? table].flat(), syntax);
  const [alias = ''] = requireNames([options.alias ?? parts.at(-1) ?? ''], syntax);
  return {
    syntax,
    name: parts.map(syntax.quote).join('.'),
    alias: syntax.quote(alias),
    types,
    first: options.firstParameter ?? 1,
  };
}

function isName(name: string, syntax: Syntax): boolean {
  return name !== '' && !name.includes('\0') && name.isWellFormed() && syntax.canName(name);
}

function requireNames(names: readonly string[], syntax: Syntax): string[] {
  const wrong = names.find((name) => !isName(name, syntax));
  if (wrong === undefined) return [...new Set(names)];
  throw new TypeError(`${JSON.stringify(wrong.slice(0, 64))} cannot be the name of a table or column there.`);
}

/** Without what the database cannot have: columns, and rows that are limited by them. */
function nameable(limits: readonly ColumnLimit[], syntax: Syntax): ColumnLimit[] {
  return limits.flatMap(({ columns, rows }) => {
    const known = columns && new Set([...columns].filter((column) => isName(column, syntax)));
    const hasRows = [...rows.keys()].every((column) => isName(column, syntax));
    return hasRows && known?.size !== 0 ? { columns: known, rows } : [];
  });
}

/** @returns undefined where every alternative has all columns */
function knownColumns(limits: readonly ColumnLimit[], { types, syntax }: Named): string[] | undefined {
  if (limits.every(({ columns }) => columns === undefined)) return undefined;
  const declared = limits.some(({ columns }) => columns === undefined) ? Object.keys(types) : [];
  const named = limits.flatMap(({ columns, rows }) => (columns ? [...columns] : [...rows.keys()]));
  return [...new Set([...named, ...declared])].filter((column) => isName(column, syntax));
}

function noParameters({ syntax, first }: Named): { parameters: string[]; bind: Bind } {
  const parameters: string[] = [];
  return { parameters, bind: (value) => syntax.placeholder(first + parameters.push(value) - 1) };
}

function whereOf(limits: readonly ColumnLimit[], named: Named): SqlPart {
  const { parameters, bind } = noParameters(named);
  return { text: matchesOne(limits, named, bind, 'by index'), parameters };
}

function fromOf(
  limits: readonly ColumnLimit[],
  columns: readonly string[] | undefined,
  named: Named,
): SqlPart {
  const { name, alias } = named;
  const { parameters, bind } = noParameters(named);
  const seen = columns ? columns.map((column) => visiblePart(column, limits, named, bind)) : ['*'];
  const where = matchesOne(limits, named, bind, 'by index');
  return {
    text: `(SELECT ${seen.join(', ')} FROM ${name} AS ${alias} WHERE ${where}) AS ${alias}`,
    parameters,
  };
}

/** The column in the rows in which it may be seen. */
function visiblePart(column: string, limits: readonly ColumnLimit[], named: Named, bind: Bind): string {
  const quoted = named.syntax.quote(column);
  const having = limits.filter((limit) => hasColumns(limit, [column]));
  if (having.length === 0) return `NULL AS ${quoted}`;
  const whole = `${named.alias}.${quoted}`;
  if (having.length === limits.length) return `${whole} AS ${quoted}`;
  const condition = matchesOne(having, named, bind, 'by value');
  return `CASE WHEN ${condition} THEN ${whole} END AS ${quoted}`;
}

const NO_ROW = '(1 = 0)';
const EVERY_ROW = '(1 = 1)';

function matchesOne(
  limits: readonly ColumnLimit[],
  named: Named,
  bind: Bind,
  search: 'by index' | 'by value',
): string {
  if (limits.length === 0) return NO_ROW;
  if (limits.some(({ rows }) => rows.size === 0)) return EVERY_ROW;
  const { syntax, alias, types } = named;
  const alternatives = limits.map(({ rows }) =>
    [...rows].flatMap(([name, values]) => {
      const [column, type, texts] = [`${alias}.${syntax.quote(name)}`, typeOf(types, name), [...values]];
      const narrow = search === 'by index' ? syntax.narrow(column, type, texts, bind) : undefined;
      return [...(narrow === undefined ? [] : [narrow]), syntax.equalsOne(column, type, texts, bind)];
    }),
  );
  return `(${alternatives.map((conditions) => `(${conditions.join(' AND ')})`).join(' OR ')})`;
}
