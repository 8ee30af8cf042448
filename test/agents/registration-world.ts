/** A server where agents may register, and requests to it. */
import type { Author } from '../../src/changes/author.ts';
import {
  type Answer,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
  type TestServerOptions,
} from '../support/server.ts';

export const CALLBACK = 'http://127.0.0.1:33418/callback';
const SCOPES = ['openid', 'profile', 'offline_access', 'orders.read'];

/** As a client of the Model Context Protocol sends it. */
export const NATIVE = {
  client_name: 'An Agent',
  redirect_uris: [CALLBACK],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  application_type: 'native',
};

/** What agents of an organization may do at most. */
function template(resource: string): Record<string, unknown> {
  return {
    name: 'agents',
    clientId: `agents-of-${new URL(resource).hostname}`,
    authMethod: 'none',
    grants: ['authorization_code', 'refresh_token'],
    redirectUris: ['https://agents.example/unused'],
    resource,
    scopes: SCOPES,
    permissions: { tables: { orders: { read: true } } },
    default: { tables: { orders: { read: true } } },
  };
}

export interface RegistrationOptions extends TestServerOptions {
  readonly registration?: 'off' | 'token' | 'open';
  readonly otherRegistration?: 'off' | 'token' | 'open';
}

export function startRegistration(options: RegistrationOptions = {}): Promise<TestServer> {
  const { registration = 'open', otherRegistration = 'off', env, fixture: change, ...rest } = options;
  return startServer({
    ...rest,
    // All clients of a test have one address.
    env: { GRANTABLE_REGISTRATION_LIMIT: '100000/1h', ...env },
    fixture(fixture) {
      const [acme, other] = fixture.organizations;
      for (const [organization, allowed] of [
        [acme, registration],
        [other, otherRegistration],
      ]) {
        organization.agents = { policy: 'off', application: 'agents', registration: allowed };
        organization.applications.push(template(organization.resources[0].identifier));
        organization.users.push({
          username: 'ann',
          password: PASSWORD,
          application: 'agents',
          roles: ['clerk'],
        });
      }
      change?.(fixture);
    },
  });
}

export interface Sent {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  /** As JSON unless it is a text. */
  readonly body?: unknown;
}

export async function send(
  url: string,
  { method = 'GET', token, headers = {}, body }: Sent = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

export const register = (server: TestServer, metadata: unknown, rest: Sent = {}): Promise<Answer> =>
  send(`${server.issuer}/oauth/register`, { method: 'POST', body: metadata, ...rest });

/** One that registered: it manages itself. */
export async function registered(server: TestServer, metadata: object = {}) {
  const { status, json, text } = await register(server, { ...NATIVE, ...metadata });
  if (status !== 201) throw new Error(`registration failed: ${text}`);
  const { registration_client_uri: url, registration_access_token: token } = json;
  return {
    json,
    id: String(json.client_id),
    url: String(url),
    token: String(token),
    manage: (rest: Sent = {}) => send(url, { token, ...rest }),
  };
}

export async function storedOf(server: TestServer, clientId: string) {
  return server.server.foundations.store.applications.findBy('clientId', clientId);
}

export async function organizationOf(server: TestServer, name: string) {
  return (await server.server.foundations.store.organizations.findBy('name', name))!;
}

export const OPERATOR: Author = { actor: 'test' };

/** @param changes of the organization's setting */
export async function setAgents(server: TestServer, name: string, changes: object): Promise<void> {
  const organization = await organizationOf(server, name);
  const agents = { ...organization.agents!, ...changes };
  await server.server.foundations.changes.organizations.replace({ ...organization, agents }, OPERATOR);
}

export async function invite(server: TestServer, name: string, { uses = 1, lifetime = 3600 } = {}) {
  const { initialTokens } = server.server.foundations;
  const { id } = await organizationOf(server, name);
  const wanted = { id: crypto.randomUUID(), organization: id, uses, lifetime };
  const seed = Buffer.from(crypto.getRandomValues(new Uint8Array(32)));
  return (await initialTokens.create({ ...wanted, seed }, OPERATOR)).token;
}

export { RESOURCE };
