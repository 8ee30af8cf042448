/**
 * An MCP server over two SQLite tables: an agent can call the tools that its token allows, and learns from the answer what it
 * has to ask a person for. The guide `docs/guides/mcp.md` starts it and connects clients:
 *
 *     CLIENT_SECRET=<the secret of demo-api> npm run -s example:mcp
 */
import { createMcpExpressApp } from '@modelcontextprotocol/express';
import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { access, createVerifier } from 'grantable/resource-server';
import { createMcpProtection } from 'grantable/resource-server/mcp';
import { z } from 'zod';
import { COLUMNS, openOrders } from '../resource-server/database.ts';

const {
  ISSUER = 'http://localhost:3000',
  PORT = '8090',
  // The address that people give to their clients.
  RESOURCE = `http://localhost:${PORT}/mcp`,
  CLIENT_ID = 'demo-api',
  CLIENT_SECRET = '',
} = process.env;

const verifier = createVerifier({
  issuer: ISSUER,
  resource: RESOURCE,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  tables: COLUMNS,
  onError: (error) => console.error(`following the revocations: ${(error as Error).message}`),
});
// What clients ask for first. A tool that needs more says so when it is called.
const mcp = createMcpProtection(verifier, { scopes: ['orders:read'] });

const orders = openOrders();
const id = z.int().describe('The number of the order.');
const newOrder = z.object({ customer: z.int(), product: z.int(), amount: z.int().positive() });

const say = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
});
const NO_ORDER: CallToolResult = {
  content: [{ type: 'text', text: 'There is no such order among those that you may do this to.' }],
  isError: true,
};

function createShop(): McpServer {
  const server = new McpServer({ name: 'shop', version: '1.0.0' });

  mcp.tool(
    server,
    'list_orders',
    access.requireAny('orders', 'read'),
    { description: 'Lists the orders.' },
    (_input, { token }) => say(orders.list(token.access)),
  );

  // A join shows rows of both tables.
  mcp.tool(
    server,
    'list_orders_with_products',
    [access.requireAny('orders', 'read'), access.requireAny('products', 'read')],
    { description: 'Lists the orders with the names of their products.' },
    (_input, { token }) => say(orders.withProducts(token.access)),
  );

  mcp.tool(
    server,
    'create_order',
    access.requireAny('orders', 'create'),
    { description: 'Adds an order.', inputSchema: newOrder },
    (order, { token }) => say(orders.insert(token.access, order)),
  );

  // A right to some rows and columns is enough: the statement gets its limits.
  mcp.tool(
    server,
    'change_amount',
    access.requireAny('orders', 'update'),
    {
      description: 'Changes the amount of an order.',
      inputSchema: newOrder.pick({ amount: true }).extend({ id }),
    },
    (changes, { token }) => (orders.update(token.access, changes) ? say('changed') : NO_ORDER),
  );

  mcp.tool(
    server,
    'delete_order',
    access.requireAny('orders', 'delete'),
    { description: 'Deletes an order.', inputSchema: z.object({ id }) },
    (order, { token }) => (orders.remove(token.access, order.id) ? say('deleted') : NO_ORDER),
  );

  return server;
}

// Refuses requests of web pages under other names, which DNS could lead to this machine.
const app = createMcpExpressApp();
app.use(mcp.listener(mcp.handler(createShop).fetch));
const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${RESOURCE}`));
process.once('SIGTERM', () => {
  verifier.close();
  server.close();
});
