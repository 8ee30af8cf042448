/**
 * A started server for tests: the real one, on a free port, over a SQLite file in a folder of its own, with an
 * organization that has an application for everything that tests need. Passwords cost little.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadApplyFile } from '../../src/apply/file.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Logger } from '../../src/http/log.ts';
import { createServer, type GrantableServer, type ServerOptions } from '../../src/server.ts';
import { freePort } from './free-port.ts';
import { storageForTests } from './mongodb.ts';

export const RESOURCE = 'https://api.acme.example/';
export const OPAQUE_RESOURCE = 'https://opaque.acme.example/';
export const OTHER_RESOURCE = 'https://api.other.example/';
export const REDIRECT_URI = 'https://app.acme.example/callback';
export const PASSWORD = 'correct-horse-battery';

export const secretOf = (clientId: string): string => `secret-of-${clientId}-`.padEnd(40, 'x');

const tables = [
  { id: 'orders', name: 'Orders' },
  { id: 'products', name: 'Products' },
  { id: 'public.users', name: 'Users' },
];

const clerk = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};

function client(name: string, rest: Record<string, unknown>): Record<string, unknown> {
  return {
    name,
    clientId: name,
    clientSecret: secretOf(name),
    resource: RESOURCE,
    scopes: ['orders.read'],
    ...rest,
  };
}

/** Two organizations, so that every test can try the other one's things too. */
export const FIXTURE = {
  organizations: [
    {
      name: 'acme',
      default: true,
      resources: [
        {
          identifier: RESOURCE,
          name: 'shop-db',
          tables,
          scopes: ['orders.read', 'orders.write'],
          token: { format: 'jwt', ttl: 3600, alg: 'ES256' },
        },
        {
          identifier: OPAQUE_RESOURCE,
          name: 'shop-opaque',
          tables,
          scopes: ['orders.read'],
          token: { format: 'opaque', ttl: 3600, alg: 'ES256' },
        },
      ],
      roles: [
        { name: 'clerk', default: true, scopes: ['orders.read'], permissions: clerk },
        {
          name: 'reader',
          scopes: ['orders.read'],
          permissions: { isAdmin: false, tables: { orders: { read: true } } },
        },
      ],
      applications: [
        client('shop', {
          grants: ['client_credentials', 'password', 'refresh_token'],
          permissions: clerk,
          resources: { [OPAQUE_RESOURCE]: clerk },
        }),
        client('machine', {
          grants: ['client_credentials'],
          permissions: clerk,
          resources: { [OPAQUE_RESOURCE]: clerk },
        }),
        client('admin', { grants: ['client_credentials'], permissions: { isAdmin: true, tables: {} } }),
        client('web', {
          grants: ['authorization_code', 'refresh_token'],
          redirectUris: [REDIRECT_URI],
          postLogoutRedirectUris: ['https://app.acme.example/bye'],
          permissions: clerk,
        }),
        {
          name: 'spa',
          clientId: 'spa',
          authMethod: 'none',
          grants: ['authorization_code', 'refresh_token'],
          redirectUris: [REDIRECT_URI],
          allowedOrigins: ['https://app.acme.example'],
          resource: RESOURCE,
          scopes: ['orders.read'],
          permissions: clerk,
        },
        client('shop-api', {
          grants: [],
          introspects: [RESOURCE, OPAQUE_RESOURCE],
          resource: undefined,
          scopes: [],
        }),
      ],
      users: [
        {
          username: 'ann',
          password: PASSWORD,
          email: 'ann@acme.example',
          application: 'shop',
          roles: ['clerk'],
        },
        { username: 'bob', password: PASSWORD, application: 'shop', roles: ['reader'] },
        {
          username: 'ann',
          password: PASSWORD,
          email: 'ann@acme.example',
          application: 'web',
          roles: ['clerk'],
        },
        { username: 'ann', password: PASSWORD, application: 'spa', roles: ['clerk'] },
      ],
    },
    {
      name: 'other',
      resources: [
        {
          identifier: OTHER_RESOURCE,
          name: 'other-db',
          tables,
          scopes: ['orders.read'],
          token: { format: 'jwt', ttl: 3600, alg: 'ES256' },
        },
      ],
      roles: [{ name: 'clerk', scopes: ['orders.read'], permissions: clerk }],
      applications: [
        client('other-shop', {
          grants: ['client_credentials', 'password', 'refresh_token'],
          resource: OTHER_RESOURCE,
          permissions: clerk,
        }),
        client('other-web', {
          grants: ['authorization_code', 'refresh_token'],
          redirectUris: ['https://app.other.example/callback'],
          resource: OTHER_RESOURCE,
          permissions: clerk,
        }),
        client('other-api', { grants: [], introspects: [OTHER_RESOURCE], resource: undefined, scopes: [] }),
      ],
      users: [
        { username: 'ann', password: PASSWORD, application: 'other-shop', roles: ['clerk'] },
        { username: 'ann', password: PASSWORD, application: 'other-web', roles: ['clerk'] },
      ],
    },
  ],
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; an empty object if it is not JSON. */
  readonly json: Record<string, any>;
}

export interface TestServer extends AsyncDisposable {
  readonly server: GrantableServer;
  readonly issuer: string;
  readonly dataDir: string;
  /** Milliseconds: `offset` moves the server's clock, `stoppedAt` stops it there. */
  clock: { offset: number; stoppedAt?: number };
  secretOf(clientId: string): string;
  /** POST of a form, authenticated as `client` by Basic unless it is undefined. */
  post(
    path: string,
    client: string | undefined,
    form: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  token(client: string, form?: Record<string, string>): Promise<Answer>;
  introspect(token: string, client?: string): Promise<Record<string, any>>;
  /** Stops it and starts another on the same folder and port. */
  restart(): Promise<void>;
}

export interface TestServerOptions
  extends Pick<ServerOptions, 'tokenEndpoint' | 'directLane' | 'faces' | 'operations' | 'cacheBytes'> {
  readonly env?: Record<string, string>;
  /** Changes a copy of the fixture before it is applied. */
  readonly fixture?: (fixture: any) => void;
  /** Instead of none. */
  readonly log?: Logger;
  /** Instead of a folder of its own, which is removed at the end. */
  readonly dataDir?: string;
  /** Instead of a free one. */
  readonly port?: number;
  /** Instead of one of its own, so that servers can share one. */
  readonly clock?: TestServer['clock'];
}

/** The tables of an answer, each with the first letters of what is allowed. */
export function tablesOf({ permissions }: Record<string, any>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(permissions.tables as Record<string, Record<string, boolean>>).map(([table, actions]) => [
      table,
      Object.keys(actions)
        .filter((action) => actions[action])
        .map((action) => action[0])
        .join(''),
    ]),
  );
}

export function basic(clientId: string, secret: string): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64')}`;
}

/** The issuer is fixed before the server listens, so the port must be known. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'grantable-')));
  const fixture = structuredClone(FIXTURE);
  options.fixture?.(fixture);
  const applyFile = join(dataDir, 'apply.json');
  await writeFile(applyFile, JSON.stringify(fixture));
  const clock: TestServer['clock'] = options.clock ?? { offset: 0 };
  const port = options.port ?? (await freePort());
  const storage = await storageForTests();
  const start = async () =>
    createServer(
      loadConfig(
        {
          GRANTABLE_DATA_DIR: dataDir,
          GRANTABLE_PORT: String(port),
          GRANTABLE_APPLY: applyFile,
          GRANTABLE_BCRYPT_COST: '4',
          GRANTABLE_LOG_LEVEL: 'silent',
          // All browsers of a test have one address.
          GRANTABLE_AUTHORIZATION_LIMIT: '100000/1m',
          ...storage,
          ...options.env,
        },
        { cwd: dataDir, readApplyFile: loadApplyFile },
      ),
      {
        now: () => clock.stoppedAt ?? Date.now() + clock.offset,
        ...(options.log && { log: options.log }),
        ...(options.tokenEndpoint && { tokenEndpoint: options.tokenEndpoint }),
        ...(options.directLane !== undefined && { directLane: options.directLane }),
        ...(options.faces && { faces: options.faces }),
        ...(options.operations && { operations: options.operations }),
        ...(options.cacheBytes !== undefined && { cacheBytes: options.cacheBytes }),
      },
    );
  let server = await start();
  const issuer = `http://localhost:${port}`;

  async function post(
    path: string,
    clientId: string | undefined,
    form: Record<string, string>,
    headers = {},
  ): Promise<Answer> {
    const response = await fetch(issuer + path, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        accept: 'application/json',
        ...(clientId !== undefined && { authorization: basic(clientId, secretOf(clientId)) }),
        ...headers,
      },
      body: new URLSearchParams(form),
    });
    const text = await response.text();
    let json: Record<string, any> = {};
    try {
      json = JSON.parse(text);
    } catch {
      // Not every answer is JSON.
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  return {
    get server() {
      return server;
    },
    issuer,
    dataDir,
    clock,
    secretOf,
    post,
    token: (clientId, form = {}) =>
      post('/oauth/token', clientId, { grant_type: 'client_credentials', ...form }),
    introspect: async (token, clientId = 'shop-api') =>
      (await post('/oauth/introspect', clientId, { token })).json,
    async restart() {
      await server.stop();
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
