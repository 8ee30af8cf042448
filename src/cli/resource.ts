import {
  defaultSchemas,
  importTables,
  NothingFound,
  type Place,
  type ReadTables,
  readTables,
} from '../admin/resource-import.ts';
import { ApplyRefused } from '../apply/apply.ts';
import { formatReport } from '../apply/report.ts';
import { type Connector, DatasourceAway } from '../datasources/connector.ts';
import { BadDsn, type Dsn, parseDsn } from '../datasources/dsn.ts';
import { findDatabaseProblem } from '../datasources/names.ts';
import { quote } from '../errors/texts.ts';
import type { DatasourceKind, Resource } from '../nouns/index.ts';
import type { Foundations } from '../server/foundations.ts';
import { connectorKinds } from '../server/open-datasources.ts';
import { defined } from '../storage/defined.ts';
import { type Command, CommandFailed, type CommandIo, DONE, FAILED, UsageError } from './command.ts';
import { readDsn, requireDatasource } from './database.ts';
import { flags, type Given, lists, readArguments, texts, writeLines } from './input.ts';
import { openStore, operatorOf, requireResource } from './open.ts';

const options = {
  ...texts('datasource', 'dsn', 'database'),
  ...lists('schema'),
  ...flags('prune', 'dry-run', 'check'),
};

type Values = Partial<Given<typeof options>>;

export const resource: Command = {
  summary: 'Reads the tables of a resource, with their columns, from its database.',
  usage: [
    'resource import RESOURCE [--datasource NAME] [--database NAME] [--schema NAME]... [--prune] [--dry-run | --check]',
    'resource import RESOURCE --dsn URL [--schema NAME]... [--prune] [--dry-run | --check]',
  ],
  details: [
    'Shows what differs and writes it. Names, descriptions, groups and row columns stay. The report says which roles,',
    'applications and connections lose rights.',
    '',
    '  RESOURCE      organization/name, or an identifier',
    '  --datasource  a datasource of the organization; if left out, the one of the last import',
    '  --dsn         a database that is asked this once and not remembered, such as postgres://user@host/database, or -',
    '                for a URL on stdin. Its password may be in PGPASSWORD or MYSQL_PWD instead',
    '  --database    the database; needed if the user tables of the datasource do not name one and the same',
    '  --schema      a schema of PostgreSQL or a database of MySQL; may be repeated. Tables of the first one have their',
    '                names as ids, those of others schema.table',
    '  --prune       removes tables and columns that the database does not have',
    '  --dry-run     only shows what would change',
    '  --check       the same, and the exit code is 1 if anything differs',
  ],
  async run(args, io) {
    const { positionals, values } = readArguments(args, options, 2);
    const [, name = ''] = positionals;
    const url = await readDsn(values, io);
    const dsn = url === undefined ? undefined : requireDsn(url, io);
    await using opened = await openStore(io);
    const wanted = await requireResource(name, opened);
    const { read, importedFrom } = dsn
      ? { read: await readFromDsn(dsn, values), importedFrom: undefined }
      : await readFromDatasource(wanted, values, opened);
    const { check = false, prune = false } = values;
    const report = await tellRefusal(
      importTables(wanted, read, opened, {
        ...defined({ importedFrom: check ? undefined : importedFrom }),
        prune,
        dryRun: check || values['dry-run'] === true,
        author: operatorOf(io),
      }),
    );
    writeLines(io.stdout, formatReport(report));
    const differs = report.added.length + report.changed.length + report.gone.length > 0;
    return check && differs ? FAILED : DONE;
  },
};

/** @throws UsageError */
function requireDsn(url: string, { env }: CommandIo): Dsn {
  try {
    return parseDsn(url, env);
  } catch (error) {
    if (error instanceof BadDsn) throw new UsageError(`The URL of the database ${error.message}`);
    throw error;
  }
}

/** @throws UsageError */
function placeIn(kind: DatasourceKind, database: string, schemas: readonly string[] | undefined): Place {
  const known = defaultSchemas(kind, database);
  if (schemas && known.length === 0) throw new UsageError(`A database of ${kind} has no schemas`);
  const place = { kind, database, schemas: [...new Set(schemas ?? known)] };
  const isSystem = (schema: string): boolean =>
    kind === 'postgres'
      ? /^pg_|^information_schema$/.test(schema)
      : findDatabaseProblem(kind, schema) !== undefined;
  const system = place.schemas.find(isSystem);
  if (system !== undefined) throw new UsageError(`${quote(system)} belongs to the database itself`);
  return place;
}

async function readFromDsn({ kind, database, open }: Dsn, values: Values): Promise<ReadTables> {
  const place = placeIn(kind, database, values.schema);
  return tellAway(async () => {
    const connector = await open(connectorKinds);
    try {
      return await readTables(connector, place);
    } finally {
      await connector.close().catch(() => undefined);
    }
  });
}

async function readFromDatasource(
  { organization, importedFrom: last }: Resource,
  values: Values,
  { store, datasources }: Foundations,
) {
  const name = values.datasource ?? last?.datasource;
  if (name === undefined) throw new UsageError('Say where the tables are: --datasource NAME or --dsn URL');
  const datasource = await requireDatasource(organization, name, store);
  const { kind, userTables } = datasource;
  const remembered = last?.datasource === name ? last : undefined;
  const databases = new Set(userTables.map(({ database }) => database));
  const only = databases.size === 1 ? [...databases][0] : undefined;
  const database = values.database ?? remembered?.database ?? (kind === 'sqlite' ? 'main' : only);
  if (database === undefined) throw new UsageError('Say which database has the tables: --database NAME');
  const schemas = values.schema ?? (values.database === undefined ? remembered?.schemas : undefined);
  const place = placeIn(kind, database, schemas?.length === 0 ? undefined : schemas);
  const read = await tellAway(() =>
    datasources.inspect(datasource, undefined, (connector: Connector) => readTables(connector, place)),
  );
  return { read, importedFrom: { datasource: name, database, schemas: [...place.schemas] } };
}

/** @throws CommandFailed */
async function tellAway<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NothingFound) throw new CommandFailed(`${error.message} Nothing was changed.`);
    if (!(error instanceof DatasourceAway)) throw error;
    throw new CommandFailed(`The tables cannot be read: ${error.message}. Nothing was changed.`);
  }
}

/** @throws CommandFailed */
async function tellRefusal<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApplyRefused)) throw error;
    throw new CommandFailed(['The tables cannot be written:', ...error.problems].join('\n  '));
  }
}
