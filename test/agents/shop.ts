/** An MCP server in the process of the test, at the address of the first resource. */
import { createVerifier } from '../../src/resource-server/index.ts';
import { protectTools } from '../resource-server/mcp-api.ts';
import { RESOURCE, type TestServer } from '../support/server.ts';

export interface Shop extends Disposable {
  /** Asks the MCP server without a network, and everything else over HTTP. */
  readonly reach: typeof fetch;
}

export function openShop(server: TestServer): Shop {
  const verifier = createVerifier({
    issuer: server.issuer,
    resource: RESOURCE,
    clientId: 'shop-api',
    clientSecret: server.secretOf('shop-api'),
    mode: 'introspection',
    maxStaleness: 0,
  });
  const { protection, createServer } = protectTools(verifier);
  const shop = protection.handler(createServer);
  return {
    reach: (input, init) =>
      String(input).startsWith(RESOURCE) ? shop.fetch(new Request(input, init)) : fetch(input, init),
    [Symbol.dispose]: () => verifier.close(),
  };
}
