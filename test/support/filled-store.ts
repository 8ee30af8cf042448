/** Fills a SQLite store with the nouns, logins, tokens and audit entries of a large installation, without a server. */
import { randomBytes, randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { putNoun } from '../../adapters/storage/sqlite/directory.ts';
import { numberOf } from '../../adapters/storage/sqlite/id-numbers.ts';
import { createStatements, type Statements } from '../../adapters/storage/sqlite/statements.ts';
import type { CollectionName, Nouns } from '../../src/nouns/index.ts';
import { encodeLogin, encodeToken, hashShared, type RowDocuments } from '../../src/storage/row-documents.ts';
import { wholeLoginRow, wholeTokenRow } from '../contracts/whole-rows.ts';
import { createNoun } from '../nouns/whole-nouns.ts';

export interface Sizes {
  readonly organizations: number;
  readonly applications: number;
  readonly users: number;
  /** Of the audit log; a tenth of them are as many logins, and as many tokens. */
  readonly entries: number;
}

export const LARGE: Sizes = {
  organizations: 10_000,
  applications: 100_000,
  users: 1_000_000,
  entries: 1_000_000,
};
/** One percent. */
export const SMALL: Sizes = { organizations: 100, applications: 1_000, users: 10_000, entries: 10_000 };

/** What a test asks for. */
export interface FilledStore {
  /** Id of the organization `org-0`, which has a fifth of the applications and users; the others share the rest evenly. */
  readonly big: string;
  /** Id of the organization `org-1`. */
  readonly small: string;
  /** Id of the application `app-0` of the big organization, which has all logins and tokens. */
  readonly application: string;
  /** Id of a user of the application, who has all logins and tokens. */
  readonly user: string;
  /** Id of the role `clerk` of the big organization, which each of its users has. */
  readonly clerk: string;
  /** Id of the role `rare` of the big organization, which three of its users have. */
  readonly rare: string;
  /** Milliseconds: the first entry of the audit log; each following one is a second later. */
  readonly since: number;
  /** Milliseconds: when the logins and tokens expire. */
  readonly until: number;
}

const SINCE = 1_700_000_000_000;
const UNTIL = 4_000_000_000_000;
/** Rows of one transaction. */
const BATCH = 50_000;
const OF_BIG = 5;

/**
 * Takes about two minutes for `LARGE`.
 * @param path of a store's file, which a server or an adapter has made and no process has open
 */
export function fillStore(path: string, sizes: Sizes): FilledStore {
  const connection = new DatabaseSync(path);
  // Nothing is lost if the machine stops: the test ends then too.
  connection.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -300000; PRAGMA wal_autocheckpoint = 50000');
  const statements = createStatements(connection);
  const began = (name: CollectionName) => {
    const row = statements.get('SELECT value FROM sequences WHERE name = ?', [`number of ${name}`]);
    return Number(row?.value ?? 0);
  };
  function put<C extends CollectionName>(name: C, count: number, make: (index: number) => object) {
    const template = createNoun(name, false);
    const first = began(name) + 1;
    for (let index = 0; index < count; index += 1) {
      if (index % BATCH === 0) connection.exec('BEGIN IMMEDIATE');
      const noun = { ...template, number: first + index, version: 1, ...make(index) } as Nouns[C];
      putNoun(statements, name, noun);
      if ((index + 1) % BATCH === 0 || index + 1 === count) connection.exec('COMMIT');
    }
    statements.run('INSERT OR REPLACE INTO sequences VALUES (?, ?)', [
      `number of ${name}`,
      first + count - 1,
    ]);
  }
  const ids = (count: number) => Array.from({ length: count }, () => randomUUID() as string);
  const ofOrganization = (index: number) =>
    index % OF_BIG === 0
      ? 0
      : ((index - Math.ceil(index / OF_BIG)) % Math.max(1, sizes.organizations - 1)) + 1;
  const common = (id: string | undefined) => ({ id: id as string, enabled: true, createdAt: SINCE });

  const organizations = ids(sizes.organizations);
  put('organizations', sizes.organizations, (index) => ({
    ...common(organizations[index]),
    name: `org-${index}`,
    default: false,
    hosts: [],
  }));
  const clerks = ids(sizes.organizations);
  const rare = randomUUID();
  const role = { default: false, scopes: [], permissions: { isAdmin: false, tables: [] } };
  put('roles', sizes.organizations + 1, (index) => ({
    ...role,
    ...common(clerks[index] ?? rare),
    organization: organizations[index] ?? (organizations[0] as string),
    name: index < sizes.organizations ? 'clerk' : 'rare',
    resource: `https://api-${index}.example/`,
  }));
  const applications = ids(sizes.applications);
  put('applications', sizes.applications, (index) => ({
    ...common(applications[index]),
    organization: organizations[ofOrganization(index)] as string,
    name: `app-${index}`,
    clientId: `app-${index}`,
    realm: `application:${applications[index]}`,
    authMethod: 'none',
    // Each grant but the first two is in one kind of organization only.
    grants: ['client_credentials', ...(index % OF_BIG === 0 ? ['password'] : ['authorization_code'])],
    allowedOrigins: [`https://app-${index}.example`],
  }));
  const [big, small] = organizations as [string, string];
  const user = randomUUID();
  put('users', sizes.users, (index) => {
    const organization = organizations[ofOrganization(index)] as string;
    // The application with this number is in the same organization.
    const application = applications[index % sizes.applications] as string;
    const isOfApplication =
      index % 2 === 0 && ofOrganization(index) === ofOrganization(index % sizes.applications);
    const roles = [clerks[ofOrganization(index)] as string];
    if (organization === big && index < OF_BIG * 3) roles.push(rare);
    return {
      ...common(index === 0 ? user : randomUUID()),
      organization,
      realm: isOfApplication ? `application:${application}` : `organization:${organization}`,
      username: `User-${index}`,
      canonicalUsername: `user-${index}`,
      email: `user-${index}@people.example`,
      canonicalEmail: `user-${index}@people.example`,
      emailVerified: true,
      secondFactor: false,
      roles,
      administers: [],
    };
  });
  const application = applications[0] as string;
  putRows(connection, statements, { sizes, organization: big, application, user });
  putEntries(connection, sizes.entries, [big, small]);
  statements.run("UPDATE sequences SET value = value + 1 WHERE name = 'directory revision'");
  connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  connection.close();
  const [clerk] = clerks as [string];
  return { big, small, application, user, clerk, rare, since: SINCE, until: UNTIL };
}

const counting = (count: number) =>
  `WITH RECURSIVE rows (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rows WHERE n < ${count})`;

function putRows(
  connection: DatabaseSync,
  { run, get }: Statements,
  {
    sizes,
    ...of
  }: {
    readonly sizes: Sizes;
    readonly organization: string;
    readonly application: string;
    readonly user: string;
  },
): void {
  const members = { ...of, login: 'login', ancestors: [], expiresAt: UNTIL };
  const { parent: _, connection: __, ...token } = { ...wholeTokenRow('t', UNTIL), ...members };
  const { parent: ___, origin: ____, ...login } = { ...wholeLoginRow('l', UNTIL), ...members };
  const share = ({ shared }: RowDocuments): number => {
    const sql = 'INSERT INTO shared_documents (hash, expires_at, document) VALUES (?, ?, ?) RETURNING number';
    return Number(get(sql, [hashShared(shared), UNTIL, shared])?.number);
  };
  const [ofToken, ofLogin] = [encodeToken(token), encodeLogin(login)];
  const count = sizes.entries / 10;
  connection.exec('BEGIN IMMEDIATE');
  run(
    `${counting(count)} INSERT INTO tokens (key, expires_at, shared, application, user, login, document)
     SELECT randomblob(22), ?, ?, ?, ?, ?, ? FROM rows`,
    [UNTIL, share(ofToken), numberOf(of.application), numberOf(of.user), numberOf('login'), ofToken.own],
  );
  run(
    `${counting(count)} INSERT INTO logins (id, expires_at, current, shared, application, user, document)
     SELECT 'login-' || n, ?, ?, ?, ?, ?, json_set(?, '$.id', 'login-' || n) FROM rows`,
    [UNTIL, randomBytes(32), share(ofLogin), numberOf(of.application), numberOf(of.user), ofLogin.own],
  );
  connection.exec('COMMIT');
}

/** Half of the entries are of the first organization; each has one of 1,000 actors and one of 100,000 subjects. */
function putEntries(connection: DatabaseSync, count: number, [big, small]: readonly [string, string]): void {
  connection
    .prepare(
      `${counting(count)} INSERT INTO audit (organization, entry)
       SELECT iif(n % 2, ?, ?), json_object('at', ? + n * 1000, 'event', iif(n % 3, 'user.changed', 'role.changed'),
         'outcome', iif(n % 3, 'changed', 'denied'), 'actor', 'actor-' || (n % 1000), 'subject', 'subject-' || (n % 100000),
         'organization', iif(n % 2, ?, ?), 'address', '192.0.2.7', 'requestId', n)
       FROM rows`,
    )
    .run(big, small, SINCE, big, small);
}
