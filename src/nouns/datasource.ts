/** Datasources: databases of customers that people log in against, and the tables of these people. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { claimName } from './claim-names.ts';
import { isHostname } from './hosts.ts';
import { HiddenValue, type NameOf, spelled } from './in-file.ts';
import { defineNoun, field, type NounOf, ofOrganization } from './noun.ts';
import { insecureFormats, passwordFormats } from './password-formats.ts';
import { applicationName, applicationOf, line, listOf, realm, slug } from './values.ts';

const column = z.string().min(1).max(128).meta({ shape: 'the name of a column' });

const server = z.strictObject({
  host: z
    .string()
    .refine(isHostname, 'is neither a host name in lower case nor an IP address')
    .describe(
      'For all other kinds: host name or IP address. `GRANTABLE_DATASOURCE_HOSTS` must list private ones.',
    ),
  port: z.int().min(1).max(65_535).exactOptional().describe('The default port of the product if left out.'),
  username: z
    .string()
    .min(1)
    .max(128)
    .exactOptional()
    .describe(
      'The database user of Grantable. Give it the right to read the registered columns and nothing else.',
    ),
  tls: z
    .enum(['verify', 'off'])
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
});

export type DatasourceServer = Readonly<z.output<typeof server>>;

const userTable = z.strictObject({
  /** A UUID that stays as long as the four names below. */
  id: z.string(),
  enabled: z.boolean().describe('`false`: logins against it are refused, and its tokens end.'),
  database: z
    .string()
    .describe(
      "The database of the table; the datasource's `database` if left out, and always `main` for SQLite.",
    ),
  collection: z
    .string()
    .describe(
      'The table, view or collection. In PostgreSQL it is in the schema `public` unless the name has another, as in `crm.customers`.',
    ),
  usernameColumn: column.describe('Grantable looks for the user name that the person typed in this column.'),
  passwordColumn: column.describe('The stored password. Never copied anywhere.'),
  passwordFormat: z
    .enum(passwordFormats, { error: `is an unknown format; known are ${passwordFormats.join(', ')}` })
    .describe('How passwords are stored. Grantable does not try other formats.'),
  saltColumn: column.exactOptional().describe('The salt, where it is not part of the stored password.'),
  saltOrder: z
    .enum(['before', 'after'])
    .exactOptional()
    .describe('Whether the salt is hashed before or after the password; `before` if left out.'),
  sealedSecret: z
    .string()
    .exactOptional()
    .meta({ secret: true })
    .describe('The key of `hmac-sha256`. Encrypted at rest; needed when the table is registered.'),
  subjectColumn: column.describe(
    'A column whose value identifies a row and never changes: a primary key of text or whole numbers. It becomes part of the subject of tokens.',
  ),
  activeColumn: column
    .exactOptional()
    .describe('The person can log in only while it is true, 1, or a text such as `yes` or `active`.'),
  /** `equals` is JSON of a text, number, boolean or null. */
  conditions: z
    .array(z.strictObject({ column, equals: z.string() }))
    .describe('Further columns and the values that they must have.'),
  /** Ids. */
  roles: z.array(z.string()).describe('Names of the roles that every person in this table has.'),
  roleColumn: column
    .exactOptional()
    .describe('Values for `roleMap`: one, several with commas between them, or a list.'),
  /** With ids of roles. */
  roleMap: z
    .array(z.strictObject({ value: z.string(), role: z.string() }))
    .describe('Values of `roleColumn`, and the name of the role that each gives. Other values give no role.'),
  claims: z
    .array(z.strictObject({ claim: z.string(), column }))
    .describe('Claims of tokens, and the columns that they are copied from.'),
  passwordChangedAtColumn: column
    .exactOptional()
    .describe(
      'The column with the time of the last password change. When its value changes, earlier tokens end.',
    ),
  realm: realm.describe(
    'Name of the application that these people log in through; if left out, all applications with `realm: organization`.',
  ),
  verified: z.boolean().describe('Whether the catalogue of the database was seen to have all these columns.'),
});

const serverMembers = {
  host: server.shape.host.exactOptional(),
  port: server.shape.port,
  database: z.string().exactOptional().describe('The database of user tables that do not name one.'),
  username: server.shape.username,
  tls: server.shape.tls.exactOptional(),
  ca: server.shape.ca,
};

const scalar = z.union([z.string().max(256), z.number(), z.boolean()]);

const MAX_CLAIMS = 10;

const { id: _id, verified: _verified, sealedSecret, ...kept } = userTable.shape;

const userTableInFile = z
  .strictObject({
    ...kept,
    enabled: kept.enabled.exactOptional(),
    database: kept.database.exactOptional(),
    passwordSecret: spelled(z.string().min(1).max(512), sealedSecret),
    conditions: spelled(z.record(column, scalar), kept.conditions),
    nullColumns: listOf(column)
      .exactOptional()
      .describe('Further columns that must have no value, such as `deleted_at`.'),
    roles: spelled(listOf(line), kept.roles),
    roleMap: spelled(z.record(z.string().min(1).max(128), line), kept.roleMap),
    claims: spelled(
      z
        .record(claimName, column)
        .refine((claims) => Object.keys(claims).length <= MAX_CLAIMS, `has more than ${MAX_CLAIMS}`),
      kept.claims,
    ),
    realm: spelled(applicationName, kept.realm),
  })
  .describe('A table whose rows are people who log in.');

type StoredTable = z.output<typeof userTable>;

function spellUserTable({ id, sealedSecret, verified, ...table }: StoredTable, nameOf: NameOf) {
  const { conditions, roles, roleMap, claims, realm, ...others } = table;
  const application = applicationOf(realm);
  const values = conditions.map(({ column, equals }) => [column, JSON.parse(equals)] as const);
  return {
    ...others,
    conditions: Object.fromEntries(values.filter(([, equals]) => equals !== null)),
    nullColumns: values.flatMap(([column, equals]) => (equals === null ? [column] : [])),
    roles: roles.map(nameOf),
    roleMap: Object.fromEntries(roleMap.map(({ value, role }) => [value, nameOf(role)])),
    claims: Object.fromEntries(claims.map(({ claim, column }) => [claim, column])),
    ...(application !== undefined && { realm: nameOf(application) }),
  };
}

function userTablesInFile(tables: readonly StoredTable[], _datasource: unknown, nameOf: NameOf) {
  return tables.map((table) => {
    const { enabled, ...spelled } = spellUserTable(table, nameOf);
    const said = Object.entries(spelled).filter(
      ([, value]) => typeof value !== 'object' || Object.keys(value).length > 0,
    );
    return { ...Object.fromEntries(said), ...(!enabled && { enabled }) };
  });
}

/** By what distinguishes the user tables of one datasource. */
function showUserTables(tables: readonly StoredTable[], nameOf: NameOf) {
  return Object.fromEntries(
    tables.flatMap((table) => {
      const { database, collection, usernameColumn, passwordColumn, verified, sealedSecret } = table;
      const label = `userTables.${database}.${collection}(${usernameColumn}, ${passwordColumn})`;
      const shown = {
        realm: "its organization's",
        ...spellUserTable(table, nameOf),
        verified,
        passwordSecret: new HiddenValue(sealedSecret),
      };
      return Object.entries(shown).map(([member, value]) => [`${label}.${member}`, value]);
    }),
  );
}

const formatNames = [...insecureFormats].map((name) => `\`${name}\``).join(' and ');

export const datasource = defineNoun({
  singular: 'datasource',
  describe: 'A database that people log in against, or that tables of resources are imported from.',
  fields: {
    organization: ofOrganization,
    name: field(slug, {
      effect: 'none',
      describe: 'Unique in the organization. Logins call it `instance`.',
    }),
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: logins against it are refused, and its tokens end.',
    }),
    kind: field(z.enum(['postgres', 'mysql', 'mongodb', 'sqlite']), {
      effect: 'none',
      fixed: true,
      describe: 'The product; `mysql` is MariaDB too. Cannot be changed later.',
    }),
    // Another file or server is another set of people.
    file: field(z.string().exactOptional(), {
      effect: 'restarts',
      describe:
        'For `sqlite`: the file, below `<data dir>/datasources`. Grantable opens it for reading only.',
    }),
    server: field(server.exactOptional(), {
      effect: 'restarts',
      inFile: {
        members: serverMembers,
        toFile: (value: DatasourceServer | undefined) => value ?? {},
        shown: ({ ca, ...where }: Partial<DatasourceServer> = {}) =>
          ca === undefined ? where : { ...where, ca: `SHA-256 ${hash('sha256', ca).slice(0, 16)}` },
      },
      describe: 'Of all other kinds: where it is, and who asks it.',
    }),
    sealedPassword: field(z.string().exactOptional(), {
      effect: 'none',
      secret: true,
      inFile: { key: 'password', schema: z.string().max(512).exactOptional() },
      describe: 'Encrypted at rest. Needed again when host, port, username or TLS change.',
    }),
    insecurePasswords: field(z.boolean(), {
      effect: 'none',
      initially: false,
      describe: `\`true\`: the formats ${formatNames} are accepted.`,
    }),
    userTables: field(z.array(userTable), {
      effect: 'narrows',
      initially: [],
      names: (tables: readonly StoredTable[]) =>
        tables.flatMap(({ realm, roles, roleMap }) => [
          { kind: 'realm', to: realm } as const,
          ...[...roles, ...roleMap.map(({ role }) => role)].map((to) => ({ kind: 'role', to }) as const),
        ]),
      inFile: {
        schema: listOf(userTableInFile, ({ database, collection, usernameColumn, passwordColumn }) =>
          JSON.stringify([database, collection, usernameColumn, passwordColumn]),
        ).exactOptional(),
        toFile: userTablesInFile,
        shown: showUserTables,
      },
      describe: 'All its user tables. A table that is missing here is removed, and its tokens end.',
    }),
  },
  unique: { name: (noun) => `${noun.organization}/${noun.name}` },
  listed: {},
});

/** A customer's database that people log in against. */
export interface Datasource extends NounOf<typeof datasource> {}

export type DatasourceKind = Datasource['kind'];

/** A table or collection of a datasource whose rows are people who log in, and the columns that a login reads. */
export interface UserTable extends Readonly<Datasource['userTables'][number]> {}
