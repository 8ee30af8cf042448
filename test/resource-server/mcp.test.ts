/** MCP servers behind tokens, with the official server and client. */
import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Client, InsufficientScopeError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { RESOURCE, secretOf, startServer, type TestServer } from '../support/server.ts';
import { listen, type ProtectedTools, protectTools, urlOf } from './mcp-api.ts';

const METADATA = `${RESOURCE}.well-known/oauth-protected-resource`;

let grantable: TestServer;
let verifier: Verifier;
before(async () => {
  grantable = await startServer({
    fixture(fixture) {
      const [organization] = fixture.organizations;
      organization.resources[0].tables[0].columns = [
        { name: 'id', type: 'integer' },
        { name: 'region', type: 'text' },
      ];
      organization.applications.push({
        name: 'reports',
        clientId: 'reports',
        clientSecret: secretOf('reports'),
        grants: ['client_credentials'],
        resource: RESOURCE,
        permissions: { isAdmin: false, tables: { '*': { read: true } } },
      });
    },
  });
  verifier = createVerifier({
    issuer: grantable.issuer,
    resource: RESOURCE,
    clientId: 'shop-api',
    clientSecret: grantable.secretOf('shop-api'),
    mode: 'introspection',
    maxStaleness: 0,
  });
});
after(() => grantable[Symbol.asyncDispose]());

const tokenOf = async (client: string, form: Record<string, string> = {}): Promise<string> => {
  const { json } = await grantable.token(client, form);
  assert.ok(json.access_token, JSON.stringify(json));
  return json.access_token;
};
const ACCEPT = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const call = (id: number, name: string, rest: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {}, ...rest },
});
const post = (url: URL, token: string | undefined, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { ...ACCEPT, ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
async function connect(url: URL, token: string, mode: 'legacy' | 'auto' = 'auto'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  const authProvider = { token: async () => token };
  await client.connect(
    new StreamableHTTPClientTransport(url, { authProvider, onInsufficientScope: 'throw' }),
  );
  return client;
}
const textOf = async (client: Client, name: string, args = {}) => {
  const { content } = await client.callTool({ name, arguments: args });
  const [first] = content as { text: string }[];
  return JSON.parse(first?.text ?? '');
};

describe('an MCP server without sessions', () => {
  let tools: ProtectedTools;
  let api: Server & AsyncDisposable;
  before(async () => {
    tools = protectTools(verifier);
    api = await listen(tools.protection.listener(tools.protection.handler(tools.createServer).fetch));
  });
  after(() => api[Symbol.asyncDispose]());

  test('a request without a good token gets the scopes of basic use and the metadata', async () => {
    for (const [token, error] of [
      [undefined, ''],
      ['x', 'error="invalid_token", error_description="[^"]*", '],
    ] as const) {
      for (const body of [call(1, 'move_orders'), '{', '']) {
        const answer = await post(urlOf(api), token, body);
        assert.equal(answer.status, 401);
        assert.match(
          answer.headers.get('www-authenticate') ?? '',
          new RegExp(`^Bearer ${error}scope="orders:read", resource_metadata="${METADATA}"$`),
        );
      }
    }
    const metadata = await fetch(new URL('/.well-known/oauth-protected-resource', urlOf(api)));
    assert.deepEqual(await metadata.json(), {
      resource: RESOURCE,
      authorization_servers: [grantable.issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['orders:read'],
    });
  });

  for (const mode of ['legacy', 'auto'] as const) {
    test(`a client (${mode}) sees all tools, and a right that it lacks is a challenge`, async () => {
      const client = await connect(urlOf(api), await tokenOf('machine'), mode);
      const { tools: listed } = await client.listTools();
      assert.deepEqual(
        listed.map(({ name }) => name),
        ['list_orders', 'count_orders', 'move_orders', 'ping_shop'],
      );
      assert.deepEqual((await textOf(client, 'list_orders', { region: 'eu' })).region, 'eu');
      assert.deepEqual(await textOf(client, 'count_orders'), { args: null });
      tools.ran.length = 0;
      await assert.rejects(client.callTool({ name: 'move_orders' }), (error) => {
        assert.ok(error instanceof InsufficientScopeError, String(error));
        assert.equal(error.requiredScope, 'orders:read orders:delete public.users:update');
        assert.equal(error.resourceMetadataUrl?.href, METADATA);
        return true;
      });
      assert.deepEqual(tools.ran, []);
      await client.close();
    });
  }
});
