/** Tries a datasource step by step, for the operator who registers it. Of what is read it shows only names. */

import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { type Connector, DatasourceAway } from '../datasources/connector.ts';
import { type Credentials, formatSettings } from '../datasources/credentials.ts';
import type { Datasources } from '../datasources/datasources.ts';
import type { Costs } from '../datasources/password-formats/contract.ts';
import { describeStored, parseStored, verifyParsed } from '../datasources/password-formats/index.ts';
import { isNamed, type Person, readRow, registeredColumns, rowQuery } from '../datasources/rows.ts';
import type { Datasource, UserTable } from '../nouns/index.ts';
import { accountSubject, rolesOf } from '../rights/database-accounts.ts';
import type { DirectoryStore } from '../storage/contract.ts';

export interface DatasourceTestDeps {
  readonly store: DirectoryStore;
  readonly datasources: Pick<Datasources, 'inspect'>;
  readonly credentials: Credentials;
  readonly config: { readonly hashCosts: Costs };
  readonly changes: Pick<Changes, 'datasources'>;
}

export interface TestStep {
  readonly ok: boolean;
  /** A whole sentence. */
  readonly says: string;
  /** What it says is about the host, not about the database in it. */
  readonly isAway?: true;
}

export interface LoginToTry {
  readonly username: string;
  /** Empty: only the row is looked at. */
  readonly password: string;
}

const good = (says: string): TestStep => ({ ok: true, says });
const bad = (says: string): TestStep => ({ ok: false, says });

/**
 * Connects, reads the catalogue, and tries a login against each user table. Tables whose columns are all there count as
 * verified afterwards. Gives each step as it is done; the first that fails ends what stands on it.
 */
export async function* testDatasource(
  datasource: Datasource,
  login: LoginToTry | undefined,
  deps: DatasourceTestDeps,
  author: Author,
): AsyncGenerator<TestStep> {
  const steps: TestStep[] = [];
  const verified = new Set<string>();
  try {
    await deps.datasources.inspect(datasource, undefined, async (connector) => {
      for (const table of datasource.userTables) {
        steps.push(...(await testTable(connector, datasource, table, login, verified, deps)));
      }
    });
  } catch (error) {
    if (!(error instanceof DatasourceAway)) throw error;
    yield* steps;
    yield { ...bad(`It does not answer: ${error.message}.`), isAway: true };
    return;
  }
  yield good(`It answers, as ${datasource.kind}.`);
  yield* steps;
  const userTables = datasource.userTables.map((table) => ({
    ...table,
    verified: table.verified || verified.has(table.id),
  }));
  if (userTables.some(({ verified: isNow }, index) => isNow !== datasource.userTables[index]?.verified)) {
    await deps.changes.datasources.replace({ ...datasource, userTables }, author);
    yield good('Its tables are verified: people can log in.');
  }
}

async function testTable(
  connector: Connector,
  datasource: Datasource,
  table: UserTable,
  login: LoginToTry | undefined,
  verified: Set<string>,
  deps: DatasourceTestDeps,
): Promise<TestStep[]> {
  const what = `${table.database}.${table.collection}`;
  const needed = registeredColumns(table);
  const columns = await connector.findColumns(table.database, table.collection, needed);
  if (!columns) return [bad(`${what} is not there, or may not be read.`)];
  const missing = needed.filter((column) => !columns.has(column));
  if (missing.length > 0) return [bad(`${what} has no column ${missing.join(', ')}.`)];
  verified.add(table.id);
  const steps = [good(`${what} has the columns ${needed.join(', ')}.`)];
  if (!login) return steps;
  const wanted = { column: table.usernameColumn, equals: login.username };
  const [row, second] = await connector.findRows(rowQuery(table, wanted));
  if (!row) return [...steps, bad(`No row of ${what} has this user name.`)];
  if (second) return [...steps, bad('More than one row has this user name: the login is refused.')];
  const person = isNamed(row, table, login.username) ? readRow(row, table) : undefined;
  if (!person) {
    return [
      ...steps,
      bad(`The row has no usable key in ${table.subjectColumn}, or is not of this user name.`),
    ];
  }
  return [...steps, ...(await testPerson(person, datasource, table, login.password, deps))];
}

async function testPerson(
  person: Person,
  datasource: Datasource,
  table: UserTable,
  password: string,
  { credentials, config, store }: DatasourceTestDeps,
): Promise<TestStep[]> {
  const subject = accountSubject(datasource, table, person.id);
  const { description } = describeStored(person.stored.hash);
  const parsed = parseStored(formatSettings(datasource, table, credentials, config.hashCosts), person.stored);
  const names = await Promise.all(
    rolesOf(table, person.groups).map(async (id) => (await store.roles.get(id))?.name ?? id),
  );
  const isRight = parsed && password !== '' ? await verifyParsed(parsed, password) : undefined;
  return [
    subject ? good(`The row is ${subject}.`) : bad('The row is one whose key is too long for a subject.'),
    good(`Its stored password looks like ${description}.`),
    parsed
      ? good(`It is of the declared format ${table.passwordFormat}.`)
      : bad(
          `It is not of the declared format ${table.passwordFormat}, or costs more than GRANTABLE_HASH_COSTS allows.`,
        ),
    ...(isRight === undefined
      ? []
      : [isRight ? good('The password is right.') : bad('The password is wrong.')]),
    person.isActive ? good('The row is active.') : bad('The row is not active.'),
    good(`It gives the roles ${names.join(', ') || 'none'}.`),
  ];
}
