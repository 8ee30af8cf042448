/** Names of databases, tables and columns that may be registered. What a login names is only ever compared with them. */
import type { DatasourceKind } from '../nouns/index.ts';

const MAX_LENGTH = 128;
const FORBIDDEN = /^__proto__$|^constructor$|^prototype$/;
const SYSTEM_DATABASES: Readonly<Record<DatasourceKind, readonly string[]>> = {
  postgres: ['template0', 'template1'],
  mysql: ['mysql', 'information_schema', 'performance_schema', 'sys'],
  mongodb: ['admin', 'local', 'config'],
  sqlite: [],
};
const SYSTEM_TABLES: Readonly<Record<DatasourceKind, RegExp>> = {
  postgres: /^pg_|^information_schema(\.|$)/i,
  mysql: /^$/,
  mongodb: /^system\.|\$/,
  sqlite: /^sqlite_|^pragma_/i,
};

/** Real names hold neither NUL nor other control characters. */
function isPlain(name: string): boolean {
  return (
    name !== '' &&
    name.length <= MAX_LENGTH &&
    name.isWellFormed() &&
    !/\p{C}/u.test(name) &&
    !FORBIDDEN.test(name)
  );
}

/** What is wrong with the name, as the end of a sentence; undefined if nothing is. */
export function findDatabaseProblem(kind: DatasourceKind, name: string): string | undefined {
  if (!isPlain(name)) return 'is not a name of a database';
  if (kind === 'sqlite' && name !== 'main') return 'must be main, the only database of a SQLite file';
  if (kind === 'mongodb' && /[/\\. "$*<>:|?]/.test(name)) return 'is not a name of a database';
  return SYSTEM_DATABASES[kind].includes(name.toLowerCase()) ? 'is a database of the system' : undefined;
}

export function findCollectionProblem(kind: DatasourceKind, name: string): string | undefined {
  if (!isPlain(name)) return 'is not a name of a table or collection';
  const parts = name.split('.');
  if (kind === 'postgres' && (parts.length > 2 || parts.includes(''))) {
    return 'must be a table, or a schema and a table with a dot between them';
  }
  const isSystem = parts.some((_, index) => SYSTEM_TABLES[kind].test(parts.slice(index).join('.')));
  return isSystem ? 'is a table of the system' : undefined;
}

/** Of MongoDB a path may be named, as in `profile.email`. */
export function findColumnProblem(kind: DatasourceKind, name: string): string | undefined {
  const parts = kind === 'mongodb' ? name.split('.') : [name];
  const isNamed = parts.every((part) => isPlain(part) && !(kind === 'mongodb' && part.startsWith('$')));
  return isNamed ? undefined : 'is not a name of a column';
}
