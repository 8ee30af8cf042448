/**
 * The first run: what a newcomer finds in an empty store, so that every grant can be tried at once, and the `curl`
 * lines that do it. Secrets are random; they stand in `quickstart.txt` and nowhere else.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import bcrypt from 'bcrypt';
import { builtInFaces } from '../faces/index.ts';
import { parsePermissions } from '../permissions/permissions-json.ts';
import { PATHS } from '../provider/paths.ts';
import { DATABASE_USER } from '../tokens/grants/database-user.ts';
import { CONNECTION_TOKEN_TYPE } from '../tokens/grants/subject-token.ts';
import { TOKEN_EXCHANGE } from '../tokens/grants/token-exchange.ts';
import { type ConnectionsDeps, createConnection } from './connections.ts';

const RESOURCE = 'https://api.demo.example/';

const REDIRECT_URI = 'http://localhost:8080/callback';

/** Below `<data dir>/datasources`: a table with a person in it, as an operator may have one. */
const DATABASE = 'demo.db';
const BCRYPT_COST = 10;

async function makeDatabase(dataDir: string, password: string): Promise<void> {
  const folder = join(dataDir, 'datasources');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, DATABASE);
  await rm(path, { force: true });
  const database = new DatabaseSync(path);
  try {
    database.exec('CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE, password_hash TEXT)');
    database
      .prepare('INSERT INTO customers (email, password_hash) VALUES (?, ?)')
      .run('bea@demo.example', await bcrypt.hash(password, BCRYPT_COST));
  } finally {
    database.close();
  }
}

/** Of the applications, and `password` of the people. */
const SECRETS = ['machine', 'login', 'api', 'website', 'sites', 'password'] as const;

type DemoSecrets = Readonly<Record<(typeof SECRETS)[number], string>>;

/** An apply file, as text. */
function demoFile(secrets: DemoSecrets): string {
  const clerk = {
    isAdmin: false,
    tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
  };
  const ofClerk = { resource: RESOURCE, scopes: ['orders.read'], permissions: clerk };
  const application = (name: keyof DemoSecrets, settings: object) => ({
    name,
    clientId: `demo-${name}`,
    clientSecret: secrets[name],
    ...settings,
  });
  return JSON.stringify({
    organizations: [
      {
        name: 'demo',
        default: true,
        faces: Object.fromEntries(builtInFaces.map(({ name, demo }) => [name, demo.settings])),
        resources: [
          {
            identifier: RESOURCE,
            name: 'demo-db',
            tables: [
              { id: 'orders', name: 'Orders' },
              { id: 'products', name: 'Products' },
            ],
            scopes: ['orders.read'],
            token: { format: 'jwt', ttl: 3600, alg: 'ES256' },
          },
        ],
        roles: [{ name: 'clerk', default: true, scopes: ['orders.read'], permissions: clerk }],
        applications: [
          application('machine', { grants: ['client_credentials'], ...ofClerk }),
          application('login', {
            grants: ['password', 'refresh_token', 'authorization_code', 'database_user'],
            redirectUris: [REDIRECT_URI],
            ...ofClerk,
          }),
          application('api', { grants: ['client_credentials'], introspects: [RESOURCE] }),
          application('website', { grants: ['token_exchange'], ...ofClerk }),
          application('sites', { grants: ['password', 'token_exchange'], permissions: { isAdmin: true } }),
        ],
        users: [
          {
            username: 'ann',
            password: secrets.password,
            email: 'ann@demo.example',
            application: 'login',
            roles: ['clerk'],
            ...Object.fromEntries(
              builtInFaces.flatMap(({ name, demo }) => (demo.user ? [[name, demo.user]] : [])),
            ),
          },
        ],
        datasources: [
          {
            name: 'crm',
            kind: 'sqlite',
            file: DATABASE,
            userTables: [
              {
                collection: 'customers',
                usernameColumn: 'email',
                passwordColumn: 'password_hash',
                passwordFormat: 'bcrypt',
                subjectColumn: 'id',
                roles: ['clerk'],
                realm: 'login',
              },
            ],
          },
        ],
      },
    ],
  });
}

/** The number of its step, after those of the server's own API. */
const FIRST_OLDER_API = 9;

/** The text that is printed and kept: a shell script whose lines also work one by one, in this order. */
function quickstart(issuer: string, secrets: DemoSecrets, connectionToken: string): string {
  const token = issuer + PATHS.token;
  const pick = (field: string): string => `sed -E 's/.*"${field}":"([^"]+)".*/\\1/'`;
  const details = JSON.stringify([{ type: 'table_access', identifier: 'orders', actions: ['read'] }]);
  const facts = { issuer, password: secrets.password, sites: `demo-sites:${secrets.sites}`, pick };
  const olderApis = builtInFaces.map(
    ({ demo }, index) => `# ${FIRST_OLDER_API + index}. ${demo.step(facts)}`,
  );
  return `# Grantable is running at ${issuer} with a demo organization. Try it:

# 1. An application gets a token for two tables.
curl -sw '\\n' ${token} -u demo-machine:${secrets.machine} -d grant_type=client_credentials

# 2. The application asks for less: only to read the table "orders". The token allows exactly that.
TOKEN=$(curl -s ${token} -u demo-machine:${secrets.machine} -d grant_type=client_credentials --data-urlencode 'authorization_details=${details}' | ${pick('access_token')})

# 3. The API that received the token asks what it allows.
curl -sw '\\n' ${issuer}${PATHS.introspection} -u demo-api:${secrets.api} -d token=$TOKEN

# 4. The application revokes the token. It ends at once, although it is a JWT.
curl -sw '\\n' ${issuer}${PATHS.revocation} -u demo-machine:${secrets.machine} -d token=$TOKEN
curl -sw '\\n' ${issuer}${PATHS.introspection} -u demo-api:${secrets.api} -d token=$TOKEN

# 5. A person logs in with a password; the answer brings a refresh token.
REFRESH_TOKEN=$(curl -s ${token} -u demo-login:${secrets.login} -d grant_type=password -d username=ann -d password=${secrets.password} | ${pick('refresh_token')})
curl -sw '\\n' ${token} -u demo-login:${secrets.login} -d grant_type=refresh_token -d refresh_token=$REFRESH_TOKEN

# 6. The application asks for more than it may have. Grantable refuses the whole request.
curl -sw '\\n' ${token} -u demo-machine:${secrets.machine} -d grant_type=client_credentials -d scope=products:delete

# 7. A site holds a long-lived connection token. For each visitor it exchanges it for a token of one day with fewer rights.
VISITOR_TOKEN=$(curl -s ${token} -u demo-website:${secrets.website} -d grant_type=${TOKEN_EXCHANGE} -d subject_token_type=${CONNECTION_TOKEN_TYPE} -d subject_token=${connectionToken} -d scope=orders:read | ${pick('access_token')})
curl -sw '\\n' ${issuer}${PATHS.introspection} -u demo-api:${secrets.api} -d token=$VISITOR_TOKEN

# 8. Bea has no account in Grantable. She is a row of a table in ${DATABASE} and logs in with the password stored there.
curl -sw '\\n' ${token} -u demo-login:${secrets.login} -d grant_type=${DATABASE_USER} -d instance=crm -d database=main -d collection=customers -d username_column=email -d password_column=password_hash -d username=bea@demo.example -d password=${secrets.password}

${olderApis.join('\n\n')}

# ${FIRST_OLDER_API + olderApis.length}. The public metadata and keys.
curl -sw '\\n' ${issuer}${PATHS.openid_metadata}
curl -sw '\\n' ${issuer}${PATHS.jwks}

# In a browser, ann (password ${secrets.password}) can change her password:
# ${issuer}/account/password?application=demo-login
`;
}

/** @returns a demo with secrets of its own */
export function createDemo() {
  const made = SECRETS.map((name) => [name, randomBytes(24).toString('base64url')]);
  const secrets: DemoSecrets = Object.fromEntries(made);
  return {
    /** To be applied to the empty store. */
    file: demoFile(secrets),
    /** Makes what the file names. To be called before it is applied. */
    prepare: (dataDir: string) => makeDatabase(dataDir, secrets.password),
    /** Writes `quickstart.txt` (mode 0600) and gives its text, to be printed once. */
    async announce(issuer: string, dataDir: string, connectionToken: string): Promise<string> {
      const text = quickstart(issuer, secrets, connectionToken);
      await writeFile(join(dataDir, 'quickstart.txt'), text, { mode: 0o600 });
      return text;
    },
  };
}

/** Makes the connection of the demo, whose token is shown in its lines. */
export async function connectDemo(deps: ConnectionsDeps): Promise<string> {
  const organization = await deps.store.organizations.findBy('name', 'demo');
  if (!organization) throw new Error('the demo was not applied');
  const permissions = parsePermissions(
    { tables: { orders: { read: true, update: true }, products: { read: true } } },
    { unknownFlags: 'refuse' },
  );
  const wanted = { name: 'website', application: 'website', scopes: ['orders.read'], permissions };
  return (await createConnection(organization, wanted, deps, { actor: 'demo' })).token;
}
