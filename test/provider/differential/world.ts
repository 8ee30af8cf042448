/**
 * Two servers that started from copies of one store, on one clock that stands still until it is moved: one answers as
 * shipped, the other without the direct lane, by the engine's chain alone or by ours on Koa. Both have the same issuer, keys, ids and secrets, and the tokens that
 * were made before the store was copied.
 */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK } from 'jose';
import { createLogger } from '../../../src/http/log.ts';
import { createFlow } from '../../interaction/flow.ts';
import { createBrowser } from '../../support/browser.ts';
import { crmDatasource, writeCrm } from '../../support/crm.ts';
import { engineTokenEndpoint } from '../../support/engine-endpoint.ts';
import { AUTHOR, createTrader, exchangeForm, stored } from '../../support/exchange.ts';
import {
  type Answer,
  OPAQUE_RESOURCE,
  OTHER_RESOURCE,
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  startServer,
  type TestServer,
  type TestServerOptions,
} from '../../support/server.ts';

export const OPEN_RESOURCE = 'https://open.acme.example/';
/** Its tokens are JWTs that live ten seconds. */
export const BRIEF_RESOURCE = 'https://brief.acme.example/';
export const CUSTOMER_PASSWORD = 'right';
export const ORIGIN = 'https://app.acme.example';

/** Reads differently when it is form-decoded. */
const TRICKY = 'p%41ss+word%zz-'.padEnd(40, 'x');
const secretOf = (clientId: string): string => `secret-of-${clientId}-`.padEnd(40, 'x');

/** A client as the one who uses it knows it. */
export interface Party {
  readonly id: string;
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none';
  readonly secret?: string;
  readonly key?: KeyObject;
}

/** A value that is not the same on both servers. */
export interface Both {
  readonly name: string;
  readonly of: readonly [shipped: string, engine: string];
}

export type Text = string | Both;

/** Something to present: an access token, a refresh token, a connection token. */
export interface Held {
  readonly kind: 'jwt' | 'opaque' | 'refresh' | 'connection' | 'id token';
  /** Id of the client that got it. */
  readonly client: string;
  readonly value: Text;
}

export interface World extends AsyncDisposable {
  readonly shipped: TestServer;
  readonly engine: TestServer;
  readonly issuer: string;
  readonly parties: readonly Party[];
  /** Of the time before: still good, ended, expired. */
  readonly held: readonly Held[];
  /** The line of the log about a request, once it is there; each can be had once. */
  takeLines(requestId: string): Promise<readonly [shipped: LogLine, engine: LogLine]>;
  /** Milliseconds. */
  advance(by: number): void;
  now(): number;
  /** A connection more on both. */
  connect(name: string): Promise<Held>;
  /** Switches the application `flapper` on or off on both. */
  flap(): Promise<void>;
}

export type LogLine = Readonly<Record<string, unknown>>;

const clerk = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};
const ALL_GRANTS = ['client_credentials', 'password', 'refresh_token', 'token_exchange', 'database_user'];
/** So many that some are left when others have been revoked. */
const CONNECTIONS = 40;
const HOURS = 3_600_000;
/** In memory where there is such a folder: most of the time would go by waiting for the disk. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function changeFixture(fixture: any, jwk: object): void {
  const [acme, other] = fixture.organizations;
  const named = (name: string) => acme.applications.find((each: any) => each.name === name);
  const add = (name: string, rest: object) => {
    acme.applications.push({
      name,
      clientId: name,
      clientSecret: secretOf(name),
      grants: ALL_GRANTS,
      resource: RESOURCE,
      scopes: ['orders.read'],
      permissions: clerk,
      resources: { [OPAQUE_RESOURCE]: clerk, [OPEN_RESOURCE]: clerk, [BRIEF_RESOURCE]: clerk },
      ...rest,
    });
  };
  const table = { id: 'orders', name: 'Orders' };
  const products = { id: 'products', name: 'Products' };
  acme.resources.push(
    { identifier: OPEN_RESOURCE, name: 'open', catalogue: 'open', scopes: ['orders.read'], channel: 'news' },
    {
      identifier: BRIEF_RESOURCE,
      name: 'brief',
      tables: [table, products],
      scopes: ['orders.read'],
      token: { format: 'jwt', ttl: 10 },
    },
  );
  Object.assign(named('shop'), {
    grants: [...ALL_GRANTS, 'authorization_code'],
    redirectUris: [REDIRECT_URI],
    scopes: ['orders.read', 'orders.write', 'openid', 'profile', 'offline_access'],
    mayExchange: ['machine', 'posting'],
    resources: { [OPAQUE_RESOURCE]: clerk, [OPEN_RESOURCE]: clerk, [BRIEF_RESOURCE]: clerk },
    allowedOrigins: [ORIGIN],
  });
  named('machine').grants = ['client_credentials', 'token_exchange'];
  named('web').scopes = ['orders.read', 'openid', 'profile', 'offline_access'];
  named('shop-api').introspects = [RESOURCE, OPAQUE_RESOURCE, OPEN_RESOURCE, BRIEF_RESOURCE];
  add('posting', { authMethod: 'client_secret_post', maxExchangeTtl: 600 });
  add('keyed', { authMethod: 'private_key_jwt', jwks: { keys: [jwk] }, clientSecret: undefined });
  add('endpoint', {
    authMethod: 'private_key_jwt',
    jwks: { keys: [jwk] },
    assertionAudience: 'endpoint',
    clientSecret: undefined,
  });
  add('tricky', { clientSecret: TRICKY });
  add('plus', { clientId: 'with+plus' });
  add('mobile', {
    authMethod: 'none',
    clientSecret: undefined,
    grants: ['password', 'refresh_token'],
    allowedOrigins: [ORIGIN],
    realm: 'organization',
  });
  add('disabled', { enabled: false });
  add('flapper', {});
  add('empty', { grants: [], resource: undefined, resources: undefined, permissions: undefined, scopes: [] });
  acme.clientId = 'acme-org';
  acme.clientSecret = secretOf('acme-org');
  acme.faces = { fusio: { application: 'shop', registration: true }, usergrid: {} };
  acme.datasources = [crmDatasource('shop')];
  acme.users.push(
    { username: 'dan', password: PASSWORD, application: 'shop', roles: ['clerk'], enabled: false },
    { username: 'org', password: PASSWORD, roles: ['clerk'] },
  );
  other.applications.find(({ name }: any) => name === 'other-shop').grants.push('token_exchange');
}

/** @returns the client that a person registered */
async function register(server: TestServer): Promise<Party> {
  const send = async (path: string, body: object, headers: object = {}) => {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const json: any = await response.json();
    assert.ok(response.ok, `${path} ${response.status} ${JSON.stringify(json)}`);
    return json;
  };
  const { token } = await send('/consumer/login', { username: 'ann', password: PASSWORD });
  const authorization = `Bearer ${token}`;
  const app = await send(
    '/consumer/app',
    { name: 'Registered', url: REDIRECT_URI, scopes: ['orders.read'] },
    { authorization },
  );
  const shown = await fetch(`${server.issuer}/consumer/app/${app.id}`, { headers: { authorization } });
  const { appKey, appSecret }: any = await shown.json();
  return { id: appKey, method: 'client_secret_basic', secret: appSecret };
}

async function fill(server: TestServer, clock: TestServer['clock']): Promise<Held[]> {
  const held: Held[] = [];
  const keep = (client: string, { status, json, text }: Answer) => {
    assert.equal(status, 200, text);
    held.push({
      kind: json.access_token.startsWith('eyJ') ? 'jwt' : 'opaque',
      client,
      value: json.access_token,
    });
    if (json.refresh_token) held.push({ kind: 'refresh', client, value: json.refresh_token });
    if (json.id_token) held.push({ kind: 'id token', client, value: json.id_token });
    return json;
  };
  const password = (username: string, form: Record<string, string> = {}) => ({
    grant_type: 'password',
    username,
    password: PASSWORD,
    ...form,
  });
  const token = async (client: string, form: Record<string, string>) =>
    keep(client, await server.post('/oauth/token', client, form));
  const cc = { grant_type: 'client_credentials' };
  const makeSome = async (): Promise<void> => {
    await token('machine', cc);
    await token('machine', { ...cc, resource: OPAQUE_RESOURCE });
    await token('shop', { ...cc, resource: OPEN_RESOURCE });
    await token('shop', password('ann'));
    await token('shop', password('bob', { resource: OPAQUE_RESOURCE }));
    await token('other-shop', password('ann'));
    const { refresh_token } = await token('shop', password('ann'));
    await token('shop', { grant_type: 'refresh_token', refresh_token });
    const { access_token } = await token('shop', cc);
    await token('shop', exchangeForm(access_token));
    await token('machine', exchangeForm(access_token));
    const revoked = await token('shop', password('ann'));
    await server.post('/oauth/revoke', 'shop', { token: revoked.refresh_token });
    const { access_token: ended } = await token('machine', cc);
    await server.post('/oauth/revoke', 'machine', { token: ended });
  };
  // Access tokens of this moment have expired when the rest begins.
  await makeSome();
  clock.stoppedAt = Date.now();
  await makeSome();
  const flow = createFlow(server);
  for (const scope of ['openid orders.read offline_access', 'openid', 'orders.read offline_access']) {
    const json = await flow.tokens(createBrowser(server.issuer), { scope, prompt: 'consent' });
    keep('web', { status: 200, json, text: '', headers: new Headers() });
  }
  const { connect } = createTrader(server);
  for (let made = 0; made < CONNECTIONS; made += 1) {
    const { token: value } = await connect('shop', connectionOf(made));
    held.push({ kind: 'connection', client: 'shop', value });
  }
  return held;
}

/** Some are for networks where requests never come from, some last only a minute, some give brief tokens. */
const connectionOf = (number: number) => ({
  permissions: stored(clerk),
  scopes: ['orders.read'],
  ...(number % 8 === 1 && { networks: ['192.0.2.0/24'] }),
  ...(number % 8 === 2 && { maxTokenTtl: 120 }),
  ...(number % 8 === 3 && { enabled: false }),
});

/** Lines of two logs by their requests. */
function collectLines() {
  const waiting = new Map<string, (line: LogLine) => void>();
  const early = new Map<string, LogLine>();
  return {
    destination: {
      write(text: string) {
        const line: LogLine = JSON.parse(text);
        const id = line.requestId;
        if (typeof id !== 'string') return;
        const take = waiting.get(id);
        waiting.delete(id);
        if (take) take(line);
        else early.set(id, line);
      },
    },
    take(id: string): LogLine | Promise<LogLine> {
      const line = early.get(id);
      early.delete(id);
      return line ?? new Promise((resolve) => waiting.set(id, resolve));
    },
  };
}

/** What answers at the other server. */
export type Against = 'engine' | 'koa';

export async function openWorld(against: Against): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(FOLDER, 'grantable-differential-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'client-key', alg: 'ES256', use: 'sig' };
  const clock: TestServer['clock'] = { offset: 0, stoppedAt: Date.now() - 2 * HOURS };
  const fixture = (whole: any) => changeFixture(whole, jwk);
  const env = { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1,::1', GRANTABLE_STORAGE: `sqlite:grantable.db` };

  await mkdirWithCustomers(first);
  const before = await startServer({ dataDir: first, clock, fixture, env });
  const { issuer } = before;
  const held = await fill(before, clock);
  const registered = await register(before);
  await before.server.stop();
  await cp(first, second, { recursive: true });

  const start = async (dataDir: string, more: Pick<TestServerOptions, 'tokenEndpoint' | 'directLane'>) => {
    const lines = collectLines();
    const server = await startServer({
      dataDir,
      clock,
      fixture,
      ...more,
      env: { ...env, GRANTABLE_ISSUER: issuer },
      log: createLogger({ level: 'info', destination: lines.destination }),
    });
    opened.use(server);
    return { server, lines };
  };
  const shipped = await start(first, {});
  const engine = await start(second, {
    directLane: false,
    ...(against === 'engine' && { tokenEndpoint: engineTokenEndpoint }),
  });

  const bySecret = (id: string, method: Party['method'] = 'client_secret_basic', secret = secretOf(id)) => ({
    id,
    method,
    secret,
  });
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const parties: Party[] = [
    ...[
      'shop',
      'machine',
      'admin',
      'web',
      'shop-api',
      'other-shop',
      'other-api',
      'plus',
      'flapper',
      'empty',
    ].map((name) => (name === 'plus' ? bySecret('with+plus', undefined, secretOf('plus')) : bySecret(name))),
    bySecret('posting', 'client_secret_post'),
    bySecret('tricky', undefined, TRICKY),
    bySecret('disabled'),
    bySecret('acme-org'),
    bySecret('unknown'),
    { id: 'keyed', method: 'private_key_jwt', key },
    { id: 'endpoint', method: 'private_key_jwt', key },
    { id: 'spa', method: 'none' },
    { id: 'mobile', method: 'none' },
    // The public client of a face.
    { id: 'acme.fusio', method: 'none' },
    registered,
  ];
  const servers = [shipped.server, engine.server] as const;
  const traders = servers.map(createTrader);
  let connected = CONNECTIONS;
  const rest = opened.move();

  return {
    shipped: shipped.server,
    engine: engine.server,
    issuer,
    parties,
    held,
    takeLines: async (id) => [await shipped.lines.take(id), await engine.lines.take(id)],
    advance(by) {
      clock.stoppedAt = (clock.stoppedAt ?? 0) + by;
    },
    now: () => clock.stoppedAt ?? 0,
    async connect(name) {
      connected += 1;
      const made = await Promise.all(
        traders.map((trader) => trader.connect('shop', { ...connectionOf(connected), name })),
      );
      const [one, other] = made.map(({ token }) => token) as [string, string];
      return { kind: 'connection', client: 'shop', value: { name, of: [one, other] } };
    },
    async flap() {
      for (const { server } of servers) {
        const { changes, storage } = server.foundations;
        const application = await storage.directory.applications.findBy('clientId', 'flapper');
        assert.ok(application);
        await changes.applications.replace({ ...application, enabled: !application.enabled }, AUTHOR);
      }
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

async function mkdirWithCustomers(dataDir: string): Promise<void> {
  await mkdir(dataDir);
  writeCrm(dataDir, CUSTOMER_PASSWORD);
}

export { OPAQUE_RESOURCE, OTHER_RESOURCE, RESOURCE };
