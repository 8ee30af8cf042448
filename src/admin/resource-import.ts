/**
 * The tables of a resource as its database has them: reading the catalogue, comparing, and writing the difference under the
 * rules of an apply file. What the operator wrote for people, groups and row columns stay.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Apply, ApplyOptions } from '../apply/apply.ts';
import type { ApplyReport } from '../apply/report.ts';
import type { ApplyResource } from '../apply/schema.ts';
import { type Connector, SAMPLED } from '../datasources/connector.ts';
import { tableIdOf } from '../datasources/table-id.ts';
import { quote } from '../errors/texts.ts';
import { type DatasourceKind, MAX_COLUMNS, type Resource } from '../nouns/index.ts';
import { catalogueTable, columnName } from '../nouns/values.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

/** Which tables of a database are meant. */
export interface Place {
  readonly kind: DatasourceKind;
  readonly database: string;
  /** Empty for products without schemas. */
  readonly schemas: readonly string[];
}

type ApplyTable = NonNullable<ApplyResource['tables']>[number];

type Declared = ApplyTable & Required<Pick<ApplyTable, 'columns'>>;

export interface ReadTables {
  readonly tables: readonly Declared[];
  /** Columns are those of some rows: there may be others. */
  readonly isSampled: boolean;
  /** Sentences without an end about what cannot be declared. */
  readonly notes: readonly string[];
}

/** What differs, by ids. */
export interface Drift {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  /** `the table orders`, `the column id of orders`. */
  readonly gone: readonly string[];
}

/** The catalogue has nothing there, so a name is wrong or the user of the database may see nothing. */
export class NothingFound extends Error {
  override readonly name = 'NothingFound';
}

export function defaultSchemas(kind: DatasourceKind, database: string): readonly string[] {
  return { postgres: ['public'], mysql: [database], mongodb: [], sqlite: [] }[kind];
}

/** @throws DatasourceAway; NothingFound */
export async function readTables(connector: Connector, place: Place): Promise<ReadTables> {
  const found = await connector.readCatalogue(place.database, place.schemas);
  const has = new Set(found.map(({ schema }) => schema));
  const empty = place.schemas.find((schema) => !has.has(schema));
  if (empty !== undefined) throw new NothingFound(`The database has no tables in ${quote(empty)}.`);
  if (found.length === 0) throw new NothingFound(`The database ${quote(place.database)} has no tables.`);
  const isSampled = place.kind === 'mongodb';
  const notes = isSampled
    ? [`the columns are those of at most ${SAMPLED} documents of each collection: there may be others`]
    : [];
  const [defaultSchema = ''] = place.schemas;
  const byId = Map.groupBy(found, ({ schema, name }) => tableIdOf(schema, name, defaultSchema));
  const tables = [...byId].flatMap(([id, [first, ...others]]): Declared[] => {
    const problem =
      others.length > 0
        ? 'several tables would have this id'
        : catalogueTable.safeParse(id).error?.issues[0]?.message;
    if (problem !== undefined) notes.push(`the table ${quote(id)} is left out: ${says(problem)}`);
    if (problem !== undefined || !first) return [];
    const columns = first.columns.filter(({ name }) => {
      const wrong = columnName.safeParse(name).error?.issues[0]?.message;
      if (wrong !== undefined) notes.push(`the column ${quote(name)} of ${id} is left out: ${says(wrong)}`);
      return wrong === undefined;
    });
    if (columns.length > MAX_COLUMNS)
      notes.push(`of ${id}, columns after the first ${MAX_COLUMNS} are left out`);
    return [{ id, columns: columns.slice(0, MAX_COLUMNS).map((column) => ({ ...column })) }];
  });
  return { tables, isSampled, notes };
}

/** A problem is the end of a sentence about an id. */
const says = (problem: string): string => (problem.startsWith('must') ? `a name ${problem}` : problem);

/** @param prune what the database does not have goes */
export function mergeTables(
  { tables: known }: Pick<Resource, 'tables'>,
  { tables, isSampled }: ReadTables,
  prune: boolean,
): Drift & { readonly tables: readonly ApplyTable[] } {
  const found = new Map(tables.map((table) => [table.id, table]));
  const ids = new Set(known.map(({ id }) => id));
  const added = tables.filter(({ id }) => !ids.has(id));
  const changed: string[] = [];
  const gone: string[] = [];
  const kept = known.flatMap((table): ApplyTable[] => {
    const { id, columns: had = [], rowColumns } = table;
    const now = found.get(id);
    if (!now) {
      gone.push(`the table ${id}`);
      return prune ? [] : [{ id }];
    }
    const types = new Map(now.columns.map((column) => [column.name, column]));
    const missing = isSampled ? [] : had.filter(({ name }) => !types.has(name));
    gone.push(...missing.map(({ name }) => `the column ${name} of ${id}`));
    const same = had.filter((column) => !missing.includes(column));
    const names = new Set(had.map(({ name }) => name));
    const columns = [
      // A sample does not prove that a type is wrong.
      ...same.map((column) => (isSampled ? column : (types.get(column.name) ?? column))),
      ...now.columns.filter(({ name }) => !names.has(name)),
    ];
    if (!isDeepStrictEqual(columns, same)) changed.push(id);
    const isMissing = (name: string): boolean => missing.some((each) => each.name === name);
    return [
      {
        id,
        columns: (prune ? columns : [...columns, ...missing]).slice(0, MAX_COLUMNS),
        ...defined({ rowColumns: prune ? rowColumns?.filter((name) => !isMissing(name)) : undefined }),
      },
    ];
  });
  return { tables: [...kept, ...added], added: added.map(({ id }) => id), changed, gone };
}

export interface ImportOptions extends Pick<ApplyOptions, 'dryRun' | 'prune' | 'author'> {
  /** What the resource remembers of it; absent: what it remembers stays. */
  readonly importedFrom?: NonNullable<Resource['importedFrom']>;
}

/**
 * @returns the report of an apply file that says the tables, and what differed
 * @throws what applying throws
 */
export async function importTables(
  resource: Resource,
  read: ReadTables,
  { apply, store }: { readonly apply: Apply; readonly store: Pick<DirectoryStore, 'organizations'> },
  { prune = false, importedFrom, ...options }: ImportOptions,
): Promise<ApplyReport & Drift> {
  const { tables, ...drift } = mergeTables(resource, read, prune);
  const { name } = (await store.organizations.get(resource.organization)) ?? { name: '' };
  const stay = new Set(tables.map(({ id }) => id));
  const groups = resource.groups?.map((group) => ({
    ...group,
    tables: group.tables.filter((table) => stay.has(table)),
  }));
  const said = {
    identifier: resource.identifier,
    tables: [...tables],
    ...(prune && resource.catalogue === 'closed' && defined({ groups })),
    ...defined({ importedFrom }),
  } as ApplyResource;
  const report = await apply({ organizations: [{ name, resources: [said] }] }, options);
  const missing = prune
    ? []
    : drift.gone.map((what) => `the database does not have ${what}: --prune removes it`);
  return {
    ...report,
    ...drift,
    unchanged: report.unchanged.filter((each) => each !== `organization ${name}`),
    notes: [...read.notes, ...missing, ...report.notes],
  };
}
