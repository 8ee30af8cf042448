/** Datasources of the apply file: every key with its meaning. */
import { z } from 'zod';
import { findFileProblem } from '../datasources/files.ts';
import { findCollectionProblem, findColumnProblem, findDatabaseProblem } from '../datasources/names.ts';
import { isHostname } from '../nouns/hosts.ts';
import { insecureFormats, passwordFormats } from '../nouns/password-formats.ts';
import { applicationName, flag, line, listOf, slug } from '../nouns/values.ts';

const datasourceKinds = ['postgres', 'mysql', 'mongodb', 'sqlite'] as const;

/** Claims that say what a token is and may do; a column of a user table must not. */
const OWN_CLAIMS: ReadonlySet<string> = new Set(
  (
    'iss sub aud exp nbf iat jti client_id scope permissions authorization_details org app roles username auth_time ' +
    'act may_act anc as_of active token_type cnf azp nonce acr amr sid groups entitlements __proto__ constructor prototype'
  ).split(' '),
);

const column = z.string().min(1).max(128).meta({ shape: 'the name of a column' });

const claim = z.string().superRefine((value, context) => {
  if (!/^[A-Za-z_][A-Za-z0-9_.:/-]{0,63}$/.test(value)) {
    context.addIssue({ code: 'custom', message: 'is not the name of a claim' });
  } else if (OWN_CLAIMS.has(value)) {
    context.addIssue({ code: 'custom', message: 'is a claim that tokens have already' });
  }
});

const scalar = z.union([z.string().max(256), z.number(), z.boolean()]);

const MAX_CLAIMS = 10;

const userTable = z
  .strictObject({
    enabled: flag.describe('`false`: logins against it are refused, and its tokens end.'),
    database: z
      .string()
      .exactOptional()
      .describe(
        "The database of the table; the datasource's `database` if left out, and always `main` for SQLite.",
      ),
    collection: z
      .string()
      .describe(
        'The table, view or collection. In PostgreSQL it is in the schema `public` unless the name has another, as in `crm.customers`.',
      ),
    usernameColumn: column.describe(
      'Grantable looks for the user name that the person typed in this column.',
    ),
    passwordColumn: column.describe('The stored password. Never copied anywhere.'),
    passwordFormat: z
      .enum(passwordFormats, {
        error: `is an unknown format; known are ${passwordFormats.join(', ')}`,
      })
      .describe('How passwords are stored. Grantable does not try other formats.'),
    saltColumn: column.exactOptional().describe('The salt, where it is not part of the stored password.'),
    saltOrder: z
      .enum(['before', 'after'])
      .exactOptional()
      .describe('Whether the salt is hashed before or after the password; `before` if left out.'),
    passwordSecret: z
      .string()
      .min(1)
      .max(512)
      .exactOptional()
      .describe('The key of `hmac-sha256`. Encrypted at rest; needed when the table is registered.'),
    subjectColumn: column.describe(
      'A column whose value identifies a row and never changes: a primary key of text or whole numbers. It becomes part of the subject of tokens.',
    ),
    activeColumn: column
      .exactOptional()
      .describe('The person can log in only while it is true, 1, or a text such as `yes` or `active`.'),
    conditions: z
      .record(column, scalar)
      .exactOptional()
      .describe('Further columns and the values that they must have.'),
    nullColumns: listOf(column)
      .exactOptional()
      .describe('Further columns that must have no value, such as `deleted_at`.'),
    roles: listOf(line).exactOptional().describe('Names of the roles that every person in this table has.'),
    roleColumn: column
      .exactOptional()
      .describe('Values for `roleMap`: one, several with commas between them, or a list.'),
    roleMap: z
      .record(z.string().min(1).max(128), line)
      .exactOptional()
      .describe(
        'Values of `roleColumn`, and the name of the role that each gives. Other values give no role.',
      ),
    claims: z
      .record(claim, column)
      .refine((claims) => Object.keys(claims).length <= MAX_CLAIMS, `has more than ${MAX_CLAIMS}`)
      .exactOptional()
      .describe('Claims of tokens, and the columns that they are copied from.'),
    passwordChangedAtColumn: column
      .exactOptional()
      .describe(
        'The column with the time of the last password change. When its value changes, earlier tokens end.',
      ),
    realm: applicationName
      .exactOptional()
      .describe(
        'Name of the application that these people log in through; if left out, all applications with `realm: organization`.',
      ),
  })
  .describe('A table whose rows are people who log in.');

export const datasource = z
  .strictObject({
    name: slug.describe('Unique in the organization. Logins call it `instance`.'),
    enabled: flag.describe('`false`: logins against it are refused, and its tokens end.'),
    kind: z.enum(datasourceKinds).describe('The product; `mysql` is MariaDB too. Cannot be changed later.'),
    file: z
      .string()
      .exactOptional()
      .describe(
        'For `sqlite`: the file, below `<data dir>/datasources`. Grantable opens it for reading only.',
      ),
    host: z
      .string()
      .refine(isHostname, 'is neither a host name in lower case nor an IP address')
      .exactOptional()
      .describe(
        'For all other kinds: host name or IP address. `GRANTABLE_DATASOURCE_HOSTS` must list private ones.',
      ),
    port: z.int().min(1).max(65_535).exactOptional().describe('The default port of the product if left out.'),
    database: z.string().exactOptional().describe('The database of user tables that do not name one.'),
    username: z
      .string()
      .min(1)
      .max(128)
      .exactOptional()
      .describe(
        'The database user of Grantable. Give it the right to read the registered columns and nothing else.',
      ),
    password: z
      .string()
      .max(512)
      .exactOptional()
      .describe('Encrypted at rest. Needed again when host, port, username or TLS change.'),
    tls: z
      .enum(['verify', 'off'])
      .exactOptional()
      .describe(
        '`verify`: Grantable sends nothing before it has verified the certificate. A new datasource has `verify`.',
      ),
    ca: z
      .string()
      .startsWith('-----BEGIN CERTIFICATE-----', 'is not a certificate (PEM)')
      .max(65_536)
      .exactOptional()
      .describe(
        'Certificates (PEM) of the authorities that must have issued the certificate of the database, instead of the well-known ones.',
      ),
    insecurePasswords: flag.describe(
      `\`true\`: the formats ${[...insecureFormats].map((name) => `\`${name}\``).join(' and ')} are accepted.`,
    ),
    userTables: listOf(userTable, ({ database, collection, usernameColumn, passwordColumn }) =>
      JSON.stringify([database, collection, usernameColumn, passwordColumn]),
    )
      .exactOptional()
      .describe('All its user tables. A table that is missing here is removed, and its tokens end.'),
  })
  .superRefine((value, context) => {
    for (const { path, message } of findProblems(value)) context.addIssue({ code: 'custom', path, message });
  })
  .describe('A database that people log in against.');

export type ApplyDatasource = z.output<typeof datasource>;
export type ApplyUserTable = z.output<typeof userTable>;

interface Problem {
  readonly path: (string | number)[];
  readonly message: string;
}

/** The database that a user table is in. */
export function databaseOf(
  { kind, database }: Pick<ApplyDatasource, 'kind' | 'database'>,
  table: Pick<ApplyUserTable, 'database'>,
): string | undefined {
  return table.database ?? (kind === 'sqlite' ? 'main' : database);
}

function* findProblems(entry: {
  readonly kind: (typeof datasourceKinds)[number];
  readonly file?: string;
  readonly host?: string;
  readonly database?: string;
  readonly insecurePasswords?: boolean;
  readonly userTables?: readonly ApplyUserTable[];
  readonly [other: string]: unknown;
}): Generator<Problem> {
  const { kind, file, host } = entry;
  const isFile = kind === 'sqlite';
  for (const key of isFile ? ['host', 'port', 'username', 'password', 'tls', 'ca', 'database'] : ['file']) {
    if (entry[key] !== undefined) yield { path: [key], message: `means nothing for ${kind}` };
  }
  if (isFile && file === undefined) yield { path: ['file'], message: 'is missing' };
  if (!isFile && host === undefined) yield { path: ['host'], message: 'is missing' };
  const fileProblem = file === undefined ? undefined : findFileProblem(file);
  if (fileProblem !== undefined) yield { path: ['file'], message: fileProblem };
  for (const [index, table] of (entry.userTables ?? []).entries()) {
    for (const { path, message } of findTableProblems(entry, table)) {
      yield { path: ['userTables', index, ...path], message };
    }
  }
}

function* findTableProblems(
  entry: {
    readonly kind: (typeof datasourceKinds)[number];
    readonly database?: string;
    readonly insecurePasswords?: boolean;
  },
  table: ApplyUserTable,
): Generator<Problem> {
  const { kind, insecurePasswords } = entry;
  const database = databaseOf(entry as ApplyDatasource, table);
  const databaseProblem = database === undefined ? 'is missing' : findDatabaseProblem(kind, database);
  if (databaseProblem !== undefined) yield { path: ['database'], message: databaseProblem };
  const collectionProblem = findCollectionProblem(kind, table.collection);
  if (collectionProblem !== undefined) yield { path: ['collection'], message: collectionProblem };
  const secretColumns = [table.passwordColumn, table.saltColumn];
  const columns: [string[], string | undefined][] = [
    [['usernameColumn'], table.usernameColumn],
    [['passwordColumn'], table.passwordColumn],
    [['saltColumn'], table.saltColumn],
    [['subjectColumn'], table.subjectColumn],
    [['activeColumn'], table.activeColumn],
    [['roleColumn'], table.roleColumn],
    [['passwordChangedAtColumn'], table.passwordChangedAtColumn],
    ...Object.keys(table.conditions ?? {}).map((name): [string[], string] => [['conditions', name], name]),
    ...(table.nullColumns ?? []).map((name): [string[], string] => [['nullColumns'], name]),
    ...Object.entries(table.claims ?? {}).map(([name, from]): [string[], string] => [['claims', name], from]),
  ];
  for (const [path, name] of columns) {
    const problem = name === undefined ? undefined : findColumnProblem(kind, name);
    if (problem !== undefined) yield { path, message: problem };
    const isSecret = secretColumns.includes(name) && path[0] !== 'passwordColumn' && path[0] !== 'saltColumn';
    if (isSecret && name !== undefined)
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
