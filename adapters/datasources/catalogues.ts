/** Tables and columns as the catalogues of SQL products have them. A type that is not listed is a text. */
import type { ColumnType, FoundTable, Row } from '../../src/datasources/connector.ts';
import type { Product } from './sql.ts';

/** The first that matches counts. */
type Types = readonly (readonly [ColumnType, RegExp])[];

const POSTGRES: Types = [
  ['integer', /^(?:int[248]|oid)$/],
  ['decimal', /^(?:numeric|float[48])$/],
  ['boolean', /^bool$/],
  ['uuid', /^uuid$/],
  ['date', /^date$/],
  ['timestamp', /^timestamp(?:tz)?$/],
];

const MYSQL: Types = [
  // What BOOLEAN is there.
  ['boolean', /^(?:tinyint|bit)\(1\)/],
  ['integer', /^(?:(?:tiny|small|medium|big)?int|year)\b/],
  ['decimal', /^(?:decimal|float|double)\b/],
  ['uuid', /^uuid$/],
  ['date', /^date$/],
  ['timestamp', /^(?:datetime|timestamp)\b/],
];

/** A column may be declared with any words: these are the common ones, then the rules of SQLite's affinity. */
const SQLITE: Types = [
  ['boolean', /^bool/],
  ['uuid', /^(?:uuid|guid)/],
  ['timestamp', /^(?:datetime|timestamp)/],
  ['date', /^date/],
  ['integer', /int/],
  ['text', /char|clob|text|blob/],
  ['decimal', /real|floa|doub|dec|num/],
];

const typesOf: { readonly [product in Product]: Types } = {
  postgres: POSTGRES,
  mysql: MYSQL,
  sqlite: SQLITE,
};

/** @param rows one for each column */
export function toTables(product: Product, rows: readonly Row[]): FoundTable[] {
  const tables = new Map<string, FoundTable & { readonly columns: FoundTable['columns'][number][] }>();
  for (const { schema, name, column, type } of rows as readonly Readonly<Record<string, string | null>>[]) {
    const key = JSON.stringify([schema, name]);
    const table = tables.get(key) ?? { ...(schema && { schema }), name: String(name), columns: [] };
    tables.set(key, table);
    if (column) table.columns.push({ name: column, type: toType(product, type ?? '') });
  }
  return [...tables.values()];
}

function toType(product: Product, declared: string): ColumnType {
  return typesOf[product].find(([, words]) => words.test(declared.toLowerCase()))?.[0] ?? 'text';
}
