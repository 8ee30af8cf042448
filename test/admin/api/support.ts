/** A started server with an administered organization, and tokens for its API. */
import { request } from 'node:http';
import { ADMIN_TABLES, type AdminTable } from '../../../src/nouns/admin-tables.ts';
import { freePort } from '../../support/free-port.ts';
import { storageForTests } from '../../support/mongodb.ts';
import {
  type Answer,
  PASSWORD,
  secretOf,
  startServer,
  type TestServer,
  type TestServerOptions,
} from '../../support/server.ts';
import { PROBES } from './probes.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const READ = { read: true };

const tables = (of: (table: AdminTable) => object) => ({
  isAdmin: false,
  tables: Object.fromEntries(ADMIN_TABLES.map((table) => [table, of(table)])),
});
const DEVELOPED: readonly string[] = ['applications', 'connections', 'webhooks'];
const SEEN_BY_DEVELOPERS: readonly string[] = ['resources', 'roles'];

/** What tokens of each kind allow. */
const RIGHTS = {
  owner: tables(() => ALL),
  maintainer: tables((table) => (['audit', 'organizations', 'keys'].includes(table) ? READ : ALL)),
  auditor: tables(() => READ),
  developer: tables((table) => {
    if (DEVELOPED.includes(table)) return ALL;
    return SEEN_BY_DEVELOPERS.includes(table) ? READ : {};
  }),
  /** Of the other organization. */
  other: tables(() => ALL),
  /** Of the whole server. */
  server: tables(() => ALL),
};

export type Kind = keyof typeof RIGHTS;
export const KINDS = Object.keys(RIGHTS) as readonly Kind[];

/** An origin that the applications list. */
export const ORIGIN = 'https://console.acme.example';

export interface Asked {
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly text?: string | Buffer;
}

/** What servers on one store share. */
export interface Shared {
  readonly dataDir: string;
  readonly issuer: string;
  readonly env: Record<string, string>;
  readonly tokens: Readonly<Record<Kind, string>>;
}

export interface TestAdmin extends AsyncDisposable {
  readonly server: TestServer;
  readonly port: number;
  readonly issuer: string;
  /** The path that all others are below. */
  readonly base: string;
  /** Of acme, of the other organization for `other`, and of the server for `server`. One for each kind. */
  readonly tokens: Readonly<Record<Kind, string>>;
  readonly shared: Shared;
  /** A further token. */
  token(kind: Kind): Promise<string>;
  /** @param path below the API's own @param who a kind; undefined: without a token */
  call(method: string, path: string, who: Kind | undefined, asked?: Asked): Promise<Answer>;
}

export interface AdminOptions extends TestServerOptions {
  /** The store of a server that runs, which this one shares. */
  readonly shared?: Shared;
}

const organizationOf = (kind: Kind): string | undefined =>
  kind === 'server' ? undefined : kind === 'other' ? 'other' : 'acme';

/** An application that an owner listed for the administration, and a person with the built-in role. */
function addAdministrator(fixture: any, issuer: string, kind: Kind): void {
  const name = organizationOf(kind);
  const organization = fixture.organizations.find((each: any) => each.name === name);
  fixture.management ??= { applications: [] };
  const { applications } = name === undefined ? fixture.management : organization;
  applications.push({
    name: `admin-${kind}`,
    clientId: `admin-${kind}`,
    clientSecret: secretOf(`admin-${kind}`),
    grants: ['password', 'client_credentials'],
    realm: 'organization',
    allowedOrigins: [ORIGIN],
    resource: name === undefined ? `${issuer}/admin` : `${issuer}/admin/${name}`,
    permissions: { isAdmin: false, tables: { '*': ALL } },
  });
  const role = kind === 'other' || kind === 'server' ? 'owner' : kind;
  const person = { username: `admin-${kind}`, password: PASSWORD, roles: [role] };
  if (name === undefined) fixture.administrators = [...(fixture.administrators ?? []), person];
  else organization.users = [...(organization.users ?? []), person];
}

/** A request to a server on this machine, under the host of its issuer. */
export function send(
  port: number,
  host: string,
  method: string,
  path: string,
  headers: Record<string, string>,
  body: string | Buffer | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, method, path, headers: { host, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        let json: Record<string, any> = {};
        try {
          json = JSON.parse(text);
        } catch {
          // Not every answer is JSON.
        }
        const all = new Headers();
        for (const [name, value] of Object.entries(response.headers)) all.set(name, String(value));
        resolve({ status: response.statusCode ?? 0, headers: all, text, json });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Starts a server with the probes beside the API's own operations. */
export async function startAdmin({ shared, ...options }: AdminOptions = {}): Promise<TestAdmin> {
  const port = options.port ?? (await freePort());
  const issuer = shared?.issuer ?? `http://localhost:${port}`;
  const env = shared?.env ?? { GRANTABLE_ISSUER: issuer, ...(await storageForTests()) };
  await using unfinished = new AsyncDisposableStack();
  const server = await startServer({
    operations: PROBES,
    ...options,
    ...(shared && { dataDir: shared.dataDir }),
    port,
    env: { ...env, ...options.env },
    fixture(fixture) {
      for (const kind of KINDS) addAdministrator(fixture, issuer, kind);
      options.fixture?.(fixture);
    },
  });
  unfinished.use(server);
  const { host } = new URL(issuer);
  async function token(kind: Kind): Promise<string> {
    const name = `admin-${kind}`;
    const login = { grant_type: 'password', username: name, password: PASSWORD };
    const form = { ...login, permissions: JSON.stringify(RIGHTS[kind]) };
    const answer = await server.post('/oauth/token', name, form);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.json.access_token;
  }
  const made = shared ? [] : await Promise.all(KINDS.map(async (kind) => [kind, await token(kind)] as const));
  const tokens = shared?.tokens ?? (Object.fromEntries(made) as Record<Kind, string>);
  unfinished.move();
  return {
    server,
    port,
    issuer,
    base: `${issuer}/admin/api/v1`,
    tokens,
    shared: { dataDir: server.dataDir, issuer, env, tokens },
    token,
    call(method, path, who, { token: given, headers, json, text } = {}) {
      const bearer = given ?? (who && tokens[who]);
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const body = json === undefined ? text : JSON.stringify(json);
      const all = {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(body !== undefined && {
          'content-type': type,
          'content-length': String(Buffer.byteLength(body)),
        }),
        ...headers,
      };
      return send(port, host, method, `/admin/api/v1${path}`, all, body);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
