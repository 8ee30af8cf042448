/** The official client of MCP where it proves itself: by a key of its document, or for a person by the word of an identity provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  CrossAppAccessProvider,
  type CrossAppAccessProviderOptions,
  createPrivateKeyJwtAuth,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { createBrowser } from '../support/browser.ts';
import { REDIRECT_URI, RESOURCE, startServer } from '../support/server.ts';
import { createIssuer, trustIssuers } from '../tokens/grants/assertions.ts';
import { createAgent } from './official-client.ts';
import { openShop } from './shop.ts';
import { startAgentServer } from './support.ts';

test('an agent proves the key of its document when it redeems and refreshes', async () => {
  await using acme = await startAgentServer();
  using shop = openShop(acme.server);
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const published = acme.agent();
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  published.publish({ token_endpoint_auth_method: 'private_key_jwt', jwks });
  const { clientId } = published;
  await using agent = createAgent({
    url: RESOURCE,
    redirectUri: REDIRECT_URI,
    document: clientId,
    reach: shop.reach,
    authenticate: createPrivateKeyJwtAuth({
      issuer: clientId,
      subject: clientId,
      alg: 'ES256',
      privateKey: await exportPKCS8(privateKey),
    }),
  });
  const browser = createBrowser(acme.server.issuer);
  const allow = (url: URL) => acme.authorize(browser, url.href);
  const { content } = await agent.call('list_orders', {}, allow);
  assert.equal(content[0]?.type, 'text');
  const before = agent.tokens()?.access_token;
  await agent.refresh();
  assert.notEqual(agent.tokens()?.access_token, before);
});

test('the official client calls a tool by the word of an identity provider', async () => {
  await using server = await startServer({ fixture: trustIssuers });
  using shop = openShop(server);
  const asked: Parameters<CrossAppAccessProviderOptions['assertion']>[0][] = [];
  const authProvider = new CrossAppAccessProvider({
    clientId: 'desk',
    clientSecret: server.secretOf('desk'),
    expectedIssuer: server.issuer,
    async assertion(context) {
      asked.push(context);
      return createIssuer(server).assert({ resource: context.resourceUrl });
    },
  });
  const client = new Client({ name: 'desk', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider, fetch: shop.reach });
  await client.connect(transport);
  const { content } = await client.callTool({ name: 'list_orders', arguments: {} });
  assert.equal((content as { type: string }[])[0]?.type, 'text');
  assert.deepEqual(
    asked.map(({ authorizationServerUrl, resourceUrl }) => [authorizationServerUrl, resourceUrl]),
    [[server.issuer, RESOURCE]],
  );
  assert.match(authProvider.tokens()?.scope ?? '', /(^| )orders:read$/);
  assert.equal(authProvider.tokens()?.refresh_token, undefined);
  await client.close();
});
