/** Datasources of an apply file: their secrets are sealed, and their tables are looked for in the catalogue. */
import { randomUUID } from 'node:crypto';
import { DatasourceAway } from '../../datasources/connector.ts';
import type { Credentials } from '../../datasources/credentials.ts';
import type { Datasources, Described } from '../../datasources/datasources.ts';
import { PLACE } from '../../datasources/logins.ts';
import { registeredColumns } from '../../datasources/rows.ts';
import type { Datasource, DatasourceServer, Organization, UserTable } from '../../nouns/index.ts';
import { defined } from '../../storage/defined.ts';
import { databaseOf } from '../datasource-problems.ts';
import type { ApplyDatasource, ApplyUserTable } from '../schema.ts';
import { findIds, planNoun } from './noun.ts';
import type { Plan, Planning } from './plan.ts';

export async function planDatasource(
  plan: Plan,
  organization: Organization,
  entry: ApplyDatasource,
  { datasources, credentials }: Pick<Planning, 'datasources' | 'credentials'>,
): Promise<void> {
  const name = `datasource ${organization.name}/${entry.name}`;
  const before = await plan.findBefore('datasources', 'name', `${organization.id}/${entry.name}`);
  if (before && before.kind !== entry.kind) {
    plan.problems.push(`${name} has another kind, which cannot be changed: make one with another name`);
    return;
  }
  const owner = { id: before?.id ?? plan.newId('datasources'), organization: organization.id };
  const server = planServer(entry, before);
  const userTables: UserTable[] = [];
  for (const table of entry.userTables ?? []) {
    const planned = await planUserTable(plan, name, organization, entry, table, before, (secret, sealed) =>
      keepOrSeal(secret, sealed, owner, credentials),
    );
    if (planned) userTables.push(planned);
  }
  const sealedPassword = keepOrSeal(entry.password, before?.sealedPassword, owner, credentials);
  if (isElsewhere(server, before) && before?.sealedPassword !== undefined && entry.password === undefined) {
    plan.problems.push(`${name} is at another server, or another user there: give its password again`);
  }
  const given = {
    ...owner,
    server,
    sealedPassword,
    userTables: entry.userTables ? userTables : (before?.userTables ?? []),
  };
  const wanted = await planNoun(plan, 'datasources', name, { entry, before, given });
  const planned: Described = { ...wanted, ...owner };
  if (plan.problems.length > 0) return;
  const checked = await checkCatalogue(plan, name, planned, entry.password, datasources);
  plan.add('datasources', name, before, checked);
}

function planServer(
  { kind, host, port, username, tls, ca }: ApplyDatasource,
  before: Datasource | undefined,
): DatasourceServer | undefined {
  if (kind === 'sqlite' || host === undefined) return undefined;
  return {
    host,
    ...defined({ port, username }),
    tls: tls ?? before?.server?.tls ?? 'verify',
    ...defined({ ca }),
  };
}

/** Who is asked must be whom the password was given for. */
function isElsewhere(server: DatasourceServer | undefined, before: Datasource | undefined): boolean {
  const fields = ['host', 'port', 'username', 'tls', 'ca'] as const;
  return before !== undefined && fields.some((field) => server?.[field] !== before.server?.[field]);
}

/** What is sealed looks different each time, so the same secret stays as it was sealed. */
function keepOrSeal(
  secret: string | undefined,
  sealed: string | undefined,
  owner: { readonly id: string; readonly organization: string },
  credentials: Credentials,
): string | undefined {
  if (secret === undefined) return sealed;
  return sealed !== undefined && credentials.open(sealed, owner) === secret
    ? sealed
    : credentials.seal(secret, owner);
}

async function planUserTable(
  plan: Plan,
  name: string,
  organization: Organization,
  entry: ApplyDatasource,
  table: ApplyUserTable,
  datasource: Datasource | undefined,
  keep: (secret: string | undefined, sealed: string | undefined) => string | undefined,
): Promise<UserTable | undefined> {
  const { roles: named = [], roleMap = {}, realm: application, ...said } = table;
  const { passwordSecret, conditions = {}, nullColumns = [], claims = {}, ...others } = said;
  const { enabled, database: _, ...columns } = others;
  const wanted = { database: databaseOf(entry, table) ?? '', ...columns };
  const before = datasource?.userTables.find((known) => PLACE.every((part) => known[part] === wanted[part]));
  const what = `${name}, table ${wanted.collection}`;
  const findRoles = (names: readonly string[]) => findIds(plan, what, 'role', organization.id, names);
  const roles = await findRoles(named);
  const mapped = await findRoles(Object.values(roleMap));
  const realm =
    application === undefined
      ? // Never the realm of administrators, which the organization of the server itself has.
        (`organization:${organization.id}` as const)
      : (await plan.findApplication(what, organization.id, application))?.realm;
  const isKeyed = wanted.passwordFormat === 'hmac-sha256';
  const sealedSecret = isKeyed ? keep(passwordSecret, before?.sealedSecret) : undefined;
  if (isKeyed && sealedSecret === undefined) plan.problems.push(`${what} needs a passwordSecret`);
  const values = Object.keys(roleMap);
  if (mapped.length !== values.length || !realm) return undefined;
  return {
    id: before?.id ?? randomUUID(),
    enabled: enabled ?? before?.enabled ?? true,
    ...wanted,
    ...defined({ sealedSecret }),
    conditions: [
      ...Object.entries(conditions).map(([column, equals]) => ({ column, equals: JSON.stringify(equals) })),
      ...nullColumns.map((column) => ({ column, equals: 'null' })),
    ],
    roles,
    roleMap: values.map((value, index) => ({ value, role: mapped[index] as string })),
    claims: Object.entries(claims).map(([claim, column]) => ({ claim, column })),
    realm,
    verified: before?.verified ?? false,
  };
}

/** A database that is away leaves its tables unverified, and refuses logins against those. */
async function checkCatalogue(
  plan: Plan,
  name: string,
  planned: Described,
  password: string | undefined,
  datasources: Pick<Datasources, 'inspect'>,
): Promise<Described> {
  if (planned.userTables.length === 0) return planned;
  const userTables: UserTable[] = [];
  try {
    await datasources.inspect(planned, password, async (connector) => {
      for (const table of planned.userTables) {
        const needed = registeredColumns(table);
        const columns = await connector.findColumns(table.database, table.collection, needed);
        const missing = columns && needed.filter((column) => !columns.has(column));
        if (!columns)
          plan.problems.push(`${name}: ${table.database} has no table ${table.collection} that we may read`);
        else if (missing && missing.length > 0) {
          plan.problems.push(`${name}: the table ${table.collection} has no column ${missing.join(', ')}`);
        }
        userTables.push({ ...table, verified: true });
      }
    });
    return { ...planned, userTables };
  } catch (error) {
    if (!(error instanceof DatasourceAway)) throw error;
    plan.notes.push(
      `${name} cannot be reached (${error.message}): it is kept as unverified, and logins against it are refused until the file is applied again.`,
    );
    return { ...planned, userTables: planned.userTables.map((table) => ({ ...table, verified: false })) };
  }
}
