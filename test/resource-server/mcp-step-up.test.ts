/** The official client gets its tokens itself: by the metadata of the MCP server first, and by a challenge for more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { createVerifier } from '../../src/resource-server/index.ts';
import { freePort } from '../support/free-port.ts';
import { secretOf, startServer } from '../support/server.ts';
import { listen, protectTools } from './mcp-api.ts';

for (const mode of ['legacy', 'auto'] as const) {
  test(`a client (${mode}) asks for basic rights, and for more when a tool needs them`, async () => {
    const port = await freePort();
    const resource = `http://127.0.0.1:${port}/mcp`;
    await using grantable = await startServer({
      fixture({ organizations: [organization] }) {
        const [shop] = organization.resources;
        organization.resources.push({ ...shop, identifier: resource, name: 'shop-mcp', scopes: [] });
        organization.applications.push(
          {
            name: 'agent',
            clientId: 'agent',
            clientSecret: secretOf('agent'),
            grants: ['client_credentials'],
            resource,
            permissions: {
              isAdmin: false,
              tables: {
                orders: { read: true, delete: true },
                'public.users': { update: true },
                products: { read: true },
              },
            },
          },
          {
            name: 'mcp',
            clientId: 'mcp',
            clientSecret: secretOf('mcp'),
            grants: [],
            introspects: [resource],
          },
        );
      },
    });
    const verifier = createVerifier({
      issuer: grantable.issuer,
      resource,
      clientId: 'mcp',
      clientSecret: secretOf('mcp'),
      mode: 'introspection',
      maxStaleness: 0,
    });
    const { protection, createServer, ran } = protectTools(verifier);
    await using _api = await listen(protection.listener(protection.handler(createServer).fetch), port);

    const authProvider = new ClientCredentialsProvider({
      clientId: 'agent',
      clientSecret: secretOf('agent'),
      expectedIssuer: grantable.issuer,
    });
    const rightsOf = async () => {
      const { permissions } = await grantable.introspect(
        (await authProvider.tokens())?.access_token ?? '',
        'mcp',
      );
      return permissions.tables;
    };
    const client = new Client({ name: 'agent', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider }));
    await client.callTool({ name: 'count_orders' });
    assert.deepEqual(Object.keys(await rightsOf()), ['orders']);

    await client.callTool({ name: 'move_orders' });
    assert.deepEqual(ran, ['count_orders', 'move_orders']);
    const { orders, ...others } = await rightsOf();
    assert.deepEqual([orders.read, orders.delete], [true, true]);
    assert.deepEqual(Object.keys(others), ['public.users']);
    await client.close();
  });
}
