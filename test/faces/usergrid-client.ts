/** A client of Usergrid, and an organization that answers it. */
import assert from 'node:assert/strict';
import { PASSWORD, startServer, type TestServer, tablesOf } from '../support/server.ts';

export const ADMIN_PASSWORD = 'correct-horse-battery-staple';
export const NEW_PASSWORD = 'another-horse-battery';
export const ORGANIZATION_SECRET = 'secret-of-acme-org-'.padEnd(40, 'x');
export const OTHER_SECRET = 'secret-of-other-org-'.padEnd(40, 'x');
export const DAY = 86_400;
export const WEEK = 7 * DAY;
export const CLERK = { orders: 'cru', products: 'r' };
const WRONG = { error: 'invalid_grant', error_description: 'invalid username or password' };
/** How the original writes the UUID of the party that asks. */
export const CALLER = '$'.concat('{user}');
export const USER_KEYS = ['uuid', 'type', 'username', 'email', 'activated', 'created', 'modified'];

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, any>;
}

export interface Sent {
  readonly json?: unknown;
  readonly form?: Record<string, string>;
  readonly body?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

const ADMINISTRATORS = [
  {
    username: 'root',
    password: ADMIN_PASSWORD,
    email: 'root@acme.example',
    displayName: 'Root Admin',
    organizations: ['acme'],
  },
  { username: 'foreign', password: ADMIN_PASSWORD, organizations: ['other'] },
];

export async function start(settings: object = {}, change: (fixture: any) => void = () => {}, env = {}) {
  return startServer({
    env: { GRANTABLE_HOSTS: 'other.localhost', ...env },
    fixture(fixture) {
      const [acme, other] = fixture.organizations;
      acme.clientId = 'acme-org';
      acme.clientSecret = ORGANIZATION_SECRET;
      acme.faces = { usergrid: { administrators: true, ...settings } };
      other.clientId = 'other-org';
      other.clientSecret = OTHER_SECRET;
      other.hosts = ['other.localhost'];
      other.faces = { usergrid: { administrators: true } };
      fixture.administrators = ADMINISTRATORS;
      change(fixture);
    },
  });
}

export function createClient(server: TestServer) {
  async function send(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    const { json, form, token, headers = {} } = sent;
    const body =
      json !== undefined ? JSON.stringify(json) : form ? String(new URLSearchParams(form)) : sent.body;
    const type = json !== undefined ? 'application/json' : form && 'application/x-www-form-urlencoded';
    const response = await fetch(server.issuer + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(type && { 'content-type': type }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    let parsed: Record<string, any> = {};
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not every answer is JSON.
    }
    return { status: response.status, headers: response.headers, text, json: parsed };
  }
  const post = (path: string, json: unknown, sent: Sent = {}) => send('POST', path, { ...sent, json });
  const ok = async (answer: Promise<Answer>): Promise<Record<string, any>> => {
    const { status, text, json } = await answer;
    assert.equal(status, 200, text);
    return json;
  };
  const password = (username: string, more: object = {}, path = '/acme/shop/token') =>
    post(path, { grant_type: 'password', username, password: PASSWORD, ...more });
  const administrator = (more: object = {}, path = '/management/token') =>
    post(path, { grant_type: 'password', username: 'root', password: ADMIN_PASSWORD, ...more });
  const credentials = (client_id: string, client_secret: string, path: string, more: object = {}) =>
    post(path, { grant_type: 'client_credentials', client_id, client_secret, ...more });
  const tokenOf = async (answer: Promise<Answer>) => String((await ok(answer)).access_token);
  return {
    send,
    post,
    ok,
    password,
    administrator,
    credentials,
    user: (username: string) => tokenOf(password(username)),
    application: (name = 'shop') => tokenOf(credentials(name, server.secretOf(name), `/acme/${name}/token`)),
    organization: (path = '/management/token') => tokenOf(credentials('acme-org', ORGANIZATION_SECRET, path)),
    root: () => tokenOf(administrator()),
    tokenOf,
    tablesOf: async (token: string, api?: string) => tablesOf(await server.introspect(token, api)),
  };
}

/** As the table of errors has them. */
export function assertRefused(
  { status, json, text }: Answer,
  expected: number,
  error: string,
  description?: RegExp,
) {
  assert.deepEqual([status, json.error], [expected, error], text);
  assert.deepEqual(Object.keys(json), ['error', 'timestamp', 'duration', 'exception', 'error_description']);
  assert.ok(Number.isSafeInteger(json.timestamp) && Number.isSafeInteger(json.duration));
  assert.match(json.exception, /^[a-z]+(\.[a-z0-9]+)*\.[A-Z]\w+Exception$/);
  if (description) assert.match(json.error_description, description);
}

export function assertWrongLogin({ status, json, text }: Answer, sentence = WRONG.error_description) {
  assert.equal(status, 400, text);
  assert.deepEqual(json, { ...WRONG, error_description: sentence });
}

/** The ids of what a request might write. What has expired may go meanwhile. */
export async function idsOfRows({ server }: TestServer): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const record of server.foundations.storage.dump.export()) {
    if (['tokens', 'users', 'roles', 'applications', 'logins'].includes(record.kind))
      ids.add((record as { row: { id: string } }).row.id);
  }
  return ids;
}
