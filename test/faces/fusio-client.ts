/** A client of Fusio, and an organization that answers it. */
import assert from 'node:assert/strict';
import { type IncomingMessage, request as sendRequest } from 'node:http';
import { text as readStream } from 'node:stream/consumers';
import {
  FIXTURE,
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  startServer,
  type TestServer,
} from '../support/server.ts';

export const ALL = 'authorization,consumer,default,orders.read,orders.write';

/** What a resource server sees of scopes that an answer told: those of the API itself are good on its routes only. */
export function seenOf(scope: string): string | undefined {
  const own = ['authorization', 'consumer', 'default'];
  const left = scope.split(',').filter((name) => !own.includes(name));
  return left.length === 0 ? undefined : left.join(' ');
}
export const SHOP = 'shop';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly json: Record<string, any>;
}

const clerk = FIXTURE.organizations[0]?.roles?.[0]?.permissions;

export async function start(settings: object = {}, env: Record<string, string> = {}): Promise<TestServer> {
  return startServer({
    env: { GRANTABLE_HOSTS: 'other.localhost', ...env },
    fixture(fixture) {
      const [acme, other] = fixture.organizations;
      const [shop] = acme.applications;
      shop.grants.push('authorization_code');
      shop.redirectUris = [REDIRECT_URI];
      shop.allowedOrigins = ['https://app.acme.example'];
      shop.scopes = ['orders.read', 'orders.write'];
      acme.roles[0].scopes = ['orders.read', 'orders.write'];
      acme.applications.push({
        name: 'bare',
        clientId: 'bare',
        clientSecret: 'secret-of-bare-'.padEnd(40, 'x'),
        grants: ['client_credentials'],
        resource: RESOURCE,
        permissions: clerk,
      });
      acme.users.push({ username: 'gone', password: PASSWORD, application: SHOP, enabled: false });
      acme.faces = { fusio: { application: SHOP, registration: true, ...settings } };
      other.hosts = ['other.localhost'];
      other.faces = { fusio: { application: 'other-shop', registration: true } };
    },
  });
}

export function createClient(server: TestServer, prefix = '') {
  /** A text is sent as it is; anything else as JSON. `Host` may be another. */
  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { hostname, port, host } = new URL(server.issuer);
    const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const sent = sendRequest({
      hostname,
      port,
      method,
      path: prefix + path,
      agent: false,
      headers: {
        Host: host,
        'Content-Type': typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json',
        ...headers,
        ...(content !== undefined && { 'Content-Length': Buffer.byteLength(content) }),
      },
    });
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject);
      sent.end(content);
    });
    const text = await readStream(message);
    return {
      status: message.statusCode ?? 0,
      headers: message.headers,
      text,
      json: text.startsWith('{') ? JSON.parse(text) : {},
    };
  }
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
  // As the original's clients do it, who encode nothing before.
  const key = (id = SHOP, secret = server.secretOf(id)) => ({
    Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  });
  return {
    send,
    bearer,
    key,
    login: (username = 'ann', scopes?: readonly string[], headers = {}) =>
      send('POST', '/consumer/login', { username, password: PASSWORD, scopes }, headers),
    renew: (refreshToken: unknown) => send('PUT', '/consumer/login', { refresh_token: refreshToken }),
    token: (form: Record<string, string>, headers: Record<string, string> = key()) =>
      send('POST', '/authorization/token', String(new URLSearchParams(form)), headers),
    whoami: (token: string, headers = {}) =>
      send('GET', '/authorization/whoami', undefined, { ...bearer(token), ...headers }),
    authorize: (token: string, body: object) =>
      send(
        'POST',
        '/consumer/authorize',
        { responseType: 'code', clientId: SHOP, redirectUri: REDIRECT_URI, scope: '', allow: true, ...body },
        bearer(token),
      ),
    createApp: (token: string, body: object) => send('POST', '/consumer/app', body, bearer(token)),
  };
}

export type Client = ReturnType<typeof createClient>;

export const loginOf = ({ status, json, text }: Answer) => {
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(json), ['token', 'expires_in', 'refresh_token', 'scope']);
  return json as { token: string; expires_in: number; refresh_token: string; scope: string };
};

export const tokenOf = ({ status, json, text }: Answer) => {
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(json), ['access_token', 'token_type', 'expires_in', 'refresh_token', 'scope']);
  assert.equal(json.token_type, 'bearer');
  return json as { access_token: string; expires_in: number; refresh_token: string; scope: string };
};

export function assertOAuthError(
  { status, json, text }: Answer,
  expected: number,
  error: string,
  why: string,
) {
  assert.deepEqual([status, json], [expected, { error, error_description: why }], text);
}

export function assertRefused({ status, json, text }: Answer, expected: number, message: string) {
  assert.deepEqual(
    [status, json],
    [expected, { success: false, title: 'Internal Server Error', message }],
    text,
  );
}

/** An application of ann, or of the person who has the token. */
export async function appOf(client: Client, token: string, facts: object = {}) {
  const created = await client.createApp(token, {
    name: 'Foo-App',
    url: REDIRECT_URI,
    scopes: ['authorization', 'consumer', 'orders'],
    ...facts,
  });
  assert.equal(created.status, 201, created.text);
  assert.deepEqual(Object.keys(created.json), ['success', 'message', 'id']);
  const { id } = created.json;
  const { json } = await client.send('GET', `/consumer/app/${id}`, undefined, client.bearer(token));
  return { ...json, id: String(id) } as { id: string; appKey: string; appSecret: string; scopes: string[] };
}
