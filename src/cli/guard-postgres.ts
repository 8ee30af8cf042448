import { randomInt } from 'node:crypto';
import type { Client, ClientConfig } from 'pg';
import { createAllowedHosts } from '../datasources/addresses.ts';
import { toOneLine } from '../errors/texts.ts';
import { checkGuard } from '../guard/check.ts';
import { inTransaction, toDatasourceConfig, toDsnConfig, withDatabase } from '../guard/connect.ts';
import { readApplied } from '../guard/numbered.ts';
import { applyMigration, type GuardOptions, type GuardPlan, planGuard, writeText } from '../guard/plan.ts';
import { undoStatements, writeUndo } from '../guard/undo.ts';
import { verifyGuard } from '../guard/verify-guard.ts';
import type { Resource } from '../nouns/index.ts';
import type { Foundations } from '../server/foundations.ts';
import { type Command, CommandFailed, type CommandIo, DONE, FAILED, UsageError } from './command.ts';
import { readDsn, requireDatasource } from './database.ts';
import { flags, type Given, lists, readArguments, texts, writeLines } from './input.ts';
import { openStore, requireResource } from './open.ts';

const options = {
  ...texts('dsn', 'datasource', 'database', 'schema', 'views', 'mode'),
  ...lists('for', 'exempt', 'accept'),
  ...flags('apply', 'check', 'verify', 'undo'),
};

type Values = Partial<Given<typeof options>>;

export const guardPostgres: Command = {
  summary: 'Writes the migration that makes PostgreSQL enforce what tokens allow.',
  usage: [
    'guard postgres RESOURCE (--dsn URL | --datasource NAME --database NAME) --for ROLE... --exempt ROLE... [OPTIONS]',
    'guard postgres RESOURCE (--dsn URL | --datasource NAME --database NAME) --undo [--apply]',
  ],
  details: [
    'Prints a migration that makes PostgreSQL enforce what tokens for the resource allow. It can be run again. What would',
    'let a request past it is told on stderr, and the exit code is 1 while --apply would refuse.',
    '',
    '  RESOURCE      organization/name, or an identifier',
    '  --dsn         the database, such as postgres://owner@host/database, or - for a URL on stdin. Its password may be',
    '                in PGPASSWORD instead. TLS is verified except to this machine; sslmode=disable switches it off',
    '  --datasource  or a datasource of the organization, with the --database that has the tables',
    '  --for         a role that requests of clients run as: it gets what the token of the request allows, through views;',
    '                may be repeated',
    '  --exempt      a role that tokens do not bind, such as the owner of the tables; may be repeated',
    '  --schema      the schema whose tables have their names as ids (public)',
    '  --views       the schema of the views that clients use in place of those tables (api)',
    '  --mode        report: what would be refused is logged, and not refused. A new guard enforces',
    '  --accept      a view, function or table that reaches guarded tables, and may; it is written into the migration',
    '  --apply       runs the migration in one transaction, instead of printing it',
    '  --check       changes nothing; the exit code is 1 if the database is not as the migration would make it',
    '  --verify      the same, and tries statements with stored and random rights, all of them rolled back: the database',
    '                must decide as Grantable does. It locks the rows of the tables, so use a copy or a quiet hour',
    '  --undo        prints what takes the guard back, and with --apply runs it. Needs no roles',
  ],
  async run(args, io) {
    const { positionals, values } = readArguments(args, options, 1);
    const asked = readOptions(values);
    const dsn = await readPlace(values, io);
    await using opened = await openStore(io);
    const resource = await requireResource(positionals[0] as string, opened);
    const config =
      dsn === undefined ? await findDatasource(resource, values, opened) : toDsnConfig(dsn, io.env);
    if (values.undo) return await withDatabase(config, (database) => undo(database, resource, values, io));
    const how = values.apply ? 'read write' : 'read only';
    return await withDatabase(config, async (database) => {
      let checked: GuardPlan | undefined;
      const code = await inTransaction(database, how, async () => {
        const plan = await planGuard(database, resource, asked, values.accept ?? [], opened);
        if ('problems' in plan) {
          writeLines(io.stderr, [...plan.problems, 'Nothing was changed.'].map(toOneLine));
          return FAILED;
        }
        if (values.check || values.verify) {
          checked = plan;
          return tellCheck(await checkGuard(database, plan), plan, io);
        }
        tellFindings(plan, io);
        if (!values.apply) {
          const organization = await opened.store.organizations.get(resource.organization);
          io.stdout.write(writeText(plan, `${organization?.name}/${resource.name}`));
          return plan.isRefused ? FAILED : DONE;
        }
        if (plan.isRefused) {
          writeLines(io.stderr, ['Nothing was changed.']);
          return FAILED;
        }
        writeLines(io.stdout, (await applyMigration(database, plan)).map(toOneLine));
        return DONE;
      });
      if (code !== DONE || !values.verify || !checked) return code;
      const seed = randomInt(2 ** 31);
      const verified = await verifyGuard(database, checked.guard, resource, { ...opened, now: io.now, seed });
      writeLines(io.stdout, verified.lines.map(toOneLine));
      return verified.isGood ? DONE : FAILED;
    });
  },
};

async function undo(
  database: Client,
  { identifier }: Resource,
  { apply = false }: Values,
  { stdout }: CommandIo,
): Promise<number> {
  return inTransaction(database, apply ? 'read write' : 'read only', async () => {
    const last = await readApplied(database);
    if (last?.resource !== identifier)
      throw new CommandFailed('The database is not guarded for this resource: nothing was changed.');
    const statements = await undoStatements(database, last);
    if (!apply) {
      stdout.write(writeUndo(statements, last));
      return DONE;
    }
    for (const statement of statements) await database.query(statement);
    writeLines(stdout, ['The guard was taken back. PostgreSQL does not enforce tokens.']);
    return DONE;
  });
}

function tellFindings({ preflight }: GuardPlan, { stderr }: CommandIo): void {
  const findings = preflight.findings.map(({ kind, says }) => `${kind.padEnd(7)}  ${says}`);
  const roles = ['Roles with rights on the tables:', ...preflight.roles.map((role) => `  ${role}`)];
  writeLines(stderr, [...roles, ...findings].map(toOneLine));
}

function tellCheck(differences: readonly string[], { last }: GuardPlan, { stdout }: CommandIo): number {
  const good = `The database is as migration ${last?.number} made it, and guard would make it the same.`;
  writeLines(stdout, (differences.length > 0 ? differences : [good]).map(toOneLine));
  return differences.length > 0 ? FAILED : DONE;
}

/** @throws UsageError */
function readOptions({
  for: clientRoles = [],
  exempt = [],
  schema,
  views,
  mode = 'enforce',
  apply,
  check,
  verify,
  undo,
}: Values): GuardOptions {
  if ((check || verify) && (apply || undo))
    throw new UsageError('Give --check or --verify without --apply and --undo');
  if (verify && mode === 'report')
    throw new UsageError('Nothing is refused with --mode report: there is nothing to verify');
  if (clientRoles.length === 0 && !undo) throw new UsageError('Name the roles of clients: --for ROLE');
  const both = clientRoles.find((role) => exempt.includes(role));
  if (both !== undefined) throw new UsageError(`A role is either --for or --exempt: ${both}`);
  if (mode !== 'enforce' && mode !== 'report')
    throw new UsageError(`Unknown mode ${mode}. Use enforce or report`);
  return {
    clientRoles: [...new Set(clientRoles)],
    exemptRoles: [...new Set(exempt)],
    defaultSchema: schema ?? 'public',
    viewSchema: views ?? 'api',
    mode,
  };
}

/** @returns the URL; undefined: it is a datasource @throws UsageError */
async function readPlace(values: Values, io: CommandIo): Promise<string | undefined> {
  const { dsn, datasource, database } = values;
  if (dsn === undefined && (datasource === undefined || database === undefined))
    throw new UsageError('Say where the tables are: --dsn URL, or --datasource NAME and --database NAME');
  return readDsn(values, io);
}

async function findDatasource(
  { organization }: Resource,
  { datasource = '', database = '' }: Values,
  { store, credentials, config }: Foundations,
): Promise<ClientConfig> {
  return toDatasourceConfig(await requireDatasource(organization, datasource, store), database, {
    credentials,
    allowed: createAllowedHosts(config.datasourceHosts),
  });
}
