/** A started server with an administered organization, and tokens for its API. */
import { ADMIN_TABLES, type AdminTable } from '../../../src/nouns/admin-tables.ts';
import { freePort } from '../../support/free-port.ts';
import { type Answer, startServer, type TestServer, type TestServerOptions } from '../../support/server.ts';
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

const organizationOf = (kind: Kind): string | undefined =>
  kind === 'server' ? undefined : kind === 'other' ? 'other' : 'acme';

export interface Asked {
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly text?: string | Uint8Array;
}

export interface TestAdmin extends AsyncDisposable {
  readonly server: TestServer;
  readonly issuer: string;
  /** The path that all others are below. */
  readonly base: string;
  /** Of acme, of the other organization for `other`, and of the server for `server`. One for each kind. */
  tokens: Readonly<Record<Kind, string>>;
  /** A further token. */
  token(kind: Kind): Promise<string>;
  /** @param path below the API's own @param who a kind; undefined: without a token */
  call(method: string, path: string, who: Kind | undefined, asked?: Asked): Promise<Answer>;
}

export type AdminOptions = TestServerOptions & { readonly port?: number };

function addResource(fixture: any, issuer: string, kind: Kind): void {
  const name = organizationOf(kind);
  const organization = fixture.organizations.find((each: any) => each.name === (name ?? 'other'));
  const identifier = name === undefined ? `${issuer}/admin` : `${issuer}/admin/${name}`;
  if (!organization.resources.some((each: any) => each.identifier === identifier)) {
    organization.resources.push({
      identifier,
      name: identifier.replace(/\W/g, '-'),
      tables: ADMIN_TABLES.map((id) => ({ id, name: id })),
      scopes: [],
      token: { format: 'opaque', ttl: 600, alg: 'ES256' },
    });
  }
  organization.applications.push({
    name: `admin-${kind}`,
    clientId: `admin-${kind}`,
    clientSecret: `secret-of-admin-${kind}-`.padEnd(40, 'x'),
    grants: ['client_credentials'],
    allowedOrigins: ['https://console.acme.example'],
    resource: identifier,
    permissions: RIGHTS[kind],
  });
}

/** Starts a server with the probes beside the API's own operations. */
export async function startAdmin(options: AdminOptions = {}): Promise<TestAdmin> {
  const port = options.port ?? (await freePort());
  const issuer = `http://localhost:${port}`;
  const server = await startServer({
    operations: PROBES,
    ...options,
    port,
    fixture(fixture) {
      for (const kind of KINDS) addResource(fixture, issuer, kind);
      options.fixture?.(fixture);
    },
  });
  const base = `${issuer}/admin/api/v1`;
  async function token(kind: Kind): Promise<string> {
    const answer = await server.token(`admin-${kind}`);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.json.access_token;
  }
  const made = await Promise.all(KINDS.map(async (kind) => [kind, await token(kind)] as const));
  const tokens = Object.fromEntries(made) as Record<Kind, string>;
  return {
    server,
    issuer,
    base,
    tokens,
    token,
    async call(method, path, who, { token: given, headers, json, text } = {}) {
      const bearer = given ?? (who && tokens[who]);
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const body = json === undefined ? text : JSON.stringify(json);
      const response = await fetch(base + path, {
        method,
        redirect: 'manual',
        headers: {
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
          ...(body !== undefined && { 'content-type': type }),
          ...headers,
        },
        ...(body !== undefined && { body: body as any }),
      });
      const answered = await response.text();
      let parsed: Record<string, any> = {};
      try {
        parsed = JSON.parse(answered);
      } catch {
        // Not every answer is JSON.
      }
      return { status: response.status, headers: response.headers, text: answered, json: parsed };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
