/** Checks between the keys of a datasource of the apply file. */
import type { z } from 'zod';
import { findFileProblem } from '../datasources/files.ts';
import { findCollectionProblem, findColumnProblem, findDatabaseProblem } from '../datasources/names.ts';
import { type Contradiction, inEach } from '../nouns/in-file.ts';
import type { nouns } from '../nouns/index.ts';
import { insecureFormats } from '../nouns/password-formats.ts';
import type { shapeOf } from './noun-schema.ts';

type Entry = z.output<z.ZodObject<ReturnType<typeof shapeOf<(typeof nouns)['datasources']['fields']>>>>;
type Table = NonNullable<Entry['userTables']>[number];

/** The database that a user table is in. */
export function databaseOf(
  { kind, database }: Pick<Entry, 'kind' | 'database'>,
  table: Pick<Table, 'database'>,
): string | undefined {
  return table.database ?? (kind === 'sqlite' ? 'main' : database);
}

export function* findDatasourceProblems(entry: Entry): Generator<Contradiction> {
  const { kind, file, host } = entry;
  const isFile = kind === 'sqlite';
  const ofServer = ['host', 'port', 'username', 'password', 'tls', 'ca', 'database'] as const;
  for (const key of isFile ? ofServer : (['file'] as const)) {
    if (entry[key] !== undefined) yield { path: [key], message: `means nothing for ${kind}` };
  }
  if (isFile && file === undefined) yield { path: ['file'], message: 'is missing' };
  if (!isFile && host === undefined) yield { path: ['host'], message: 'is missing' };
  const fileProblem = file === undefined ? undefined : findFileProblem(file);
  if (fileProblem !== undefined) yield { path: ['file'], message: fileProblem };
  yield* inEach('userTables', entry.userTables, (table) => findTableProblems(entry, table));
}

function* findTableProblems(entry: Entry, table: Table): Generator<Contradiction> {
  const { kind, insecurePasswords } = entry;
  const database = databaseOf(entry, table);
  const databaseProblem = database === undefined ? 'is missing' : findDatabaseProblem(kind, database);
  if (databaseProblem !== undefined) yield { path: ['database'], message: databaseProblem };
  const collectionProblem = findCollectionProblem(kind, table.collection);
  if (collectionProblem !== undefined) yield { path: ['collection'], message: collectionProblem };
  const { passwordColumn, saltColumn } = table;
  const columns: [string[], string][] = [
    ...Object.entries(table).flatMap(([key, name]): [string[], string][] =>
      key.endsWith('Column') ? [[[key], String(name)]] : [],
    ),
    ...Object.keys(table.conditions ?? {}).map((name): [string[], string] => [['conditions', name], name]),
    ...(table.nullColumns ?? []).map((name): [string[], string] => [['nullColumns'], name]),
    ...Object.entries(table.claims ?? {}).map(([name, from]): [string[], string] => [['claims', name], from]),
  ];
  for (const [path, name] of columns) {
    const problem = findColumnProblem(kind, name);
    if (problem !== undefined) yield { path, message: problem };
    const isOfPassword = path[0] === 'passwordColumn' || path[0] === 'saltColumn';
    if (!isOfPassword && (name === passwordColumn || name === saltColumn))
      yield { path, message: 'is where the password or its salt is stored' };
  }
  if (insecureFormats.has(table.passwordFormat) && !insecurePasswords) {
    yield { path: ['passwordFormat'], message: 'needs insecurePasswords: true of the datasource' };
  }
  if (table.passwordSecret !== undefined && table.passwordFormat !== 'hmac-sha256') {
    yield { path: ['passwordSecret'], message: 'is for hmac-sha256 only' };
  }
  if (table.roleMap && table.roleColumn === undefined) {
    yield { path: ['roleColumn'], message: 'is missing, which roleMap needs' };
  }
}
