/** An MCP server over two tables, whose tools say what they were called with. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { access, type Verifier } from '../../src/resource-server/index.ts';
import {
  createMcpProtection,
  type McpProtection,
  type McpProtectionOptions,
} from '../../src/resource-server/mcp.ts';

export interface ProtectedTools {
  readonly protection: McpProtection;
  /** A server with all tools. */
  createServer(): McpServer;
  /** The tools that were run, in order. */
  readonly ran: string[];
}

/** Basic use needs to read orders. */
export function protectTools(verifier: Verifier, options: McpProtectionOptions = {}): ProtectedTools {
  const protection = createMcpProtection(verifier, { scopes: ['orders:read'], ...options });
  const ran: string[] = [];
  return {
    protection,
    ran,
    createServer() {
      const cacheHints = { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' as const } };
      const server = new McpServer({ name: 'shop', version: '1' }, { cacheHints });
      const say = (name: string, what: unknown) => {
        ran.push(name);
        return { content: [{ type: 'text' as const, text: JSON.stringify(what) }] };
      };
      protection.tool(
        server,
        'list_orders',
        access.requireAny('orders', 'read'),
        { description: 'Lists orders.', inputSchema: z.object({ region: z.string().optional() }) },
        ({ region }, { token, access: held }) =>
          say('list_orders', {
            region: region ?? null,
            subject: token.subject,
            limits: held.limits('orders', 'read'),
          }),
      );
      protection.tool(server, 'count_orders', { table: 'orders', action: 'read' }, {}, (args) =>
        say('count_orders', { args: args ?? null }),
      );
      protection.tool(
        server,
        'move_orders',
        [
          { table: 'orders', action: 'read' },
          { table: 'orders', action: 'delete' },
          { table: 'public.users', action: 'update' },
        ],
        { description: 'Moves orders to another user.' },
        () => say('move_orders', {}),
      );
      protection.tool(server, 'ping_shop', [], {}, () => say('ping_shop', {}));
      return server;
    },
  };
}

export async function listen(listener: RequestListener, port = 0): Promise<Server & AsyncDisposable> {
  const server = createServer(listener).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

export const urlOf = (server: Server): URL =>
  new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
