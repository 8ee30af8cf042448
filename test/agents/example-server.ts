/** The example MCP server, as its operator starts it: a process of its own that knows its secret only. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { COLUMNS } from '../../examples/resource-server/database.ts';
import { childEnv } from '../support/programs.ts';
import { PASSWORD, type TestServer } from '../support/server.ts';
import { NAME } from './official-client.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The people of the organization who log in when an agent asks. */
export const MIA = { username: 'mia', password: PASSWORD };

/** The client id of an agent that the operator registered. */
export const KNOWN_AGENT = 'known-agent';

export const mcpAddress = (port: number): string => `http://localhost:${port}/mcp`;

/** What the operator of `acme` writes down for the MCP server and for agents. */
export function addMcpServer(
  fixture: any,
  {
    url,
    redirectUri,
    ...agents
  }: { url: string; redirectUri: string; policy: string; registration?: string },
): void {
  const [acme] = fixture.organizations;
  const columns = Object.entries(COLUMNS.orders).map(([name, type]) => ({ name, type }));
  acme.agents = { application: 'agents', ...agents };
  acme.resources.push({
    identifier: url,
    name: 'shop',
    tables: [
      { id: 'orders', name: 'Orders', columns },
      { id: 'products', name: 'Products' },
    ],
  });
  acme.roles.push({
    name: 'shopkeeper',
    resource: url,
    permissions: {
      tables: {
        orders: {
          create: true,
          read: true,
          update: { rows: { customer: ['42'] }, columns: ['amount'] },
        },
        products: { read: true },
      },
    },
  });
  const template = {
    authMethod: 'none',
    grants: ['authorization_code', 'refresh_token'],
    realm: 'organization',
    resource: url,
    permissions: {
      tables: { orders: { create: true, read: true, update: true, delete: true }, products: { read: true } },
    },
  };
  acme.applications.push(
    { ...template, name: 'agents', clientId: 'agents', default: { tables: { orders: { read: true } } } },
    {
      ...template,
      name: KNOWN_AGENT,
      displayName: NAME,
      clientId: KNOWN_AGENT,
      native: true,
      redirectUris: [redirectUri],
    },
  );
  acme.applications.find(({ name }: { name: string }) => name === 'shop-api').introspects.push(url);
  acme.users.push({ ...MIA, roles: ['shopkeeper'] });
}

export async function startExampleServer(server: TestServer, port: number): Promise<AsyncDisposable> {
  const child = spawn(process.execPath, ['--conditions=grantable-source', 'examples/mcp-server/server.ts'], {
    cwd: ROOT,
    env: {
      ...childEnv,
      ISSUER: server.issuer,
      PORT: String(port),
      CLIENT_ID: 'shop-api',
      CLIENT_SECRET: server.secretOf('shop-api'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.ok(child.stdout);
  await once(createInterface(child.stdout), 'line');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
