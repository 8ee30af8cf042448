/** An agent that is a page of another origin, as clients of MCP in browsers are: what Chromium lets it read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPkce } from '../support/browser.ts';
import { chromiumMissing, openTab, startChromium, startSite } from '../support/chromium.ts';
import { startServer } from '../support/server.ts';
import { addMcpServer, MIA, mcpAddress } from './example-server.ts';
import { clientMetadata } from './official-client.ts';

test('a page registers itself, logs a person in and redeems its code', {
  skip: chromiumMissing(),
}, async () => {
  await using opened = new AsyncDisposableStack();
  const site = opened.use(await startSite());
  const chromium = opened.adopt(await startChromium(), (browser) => browser.close());
  const url = mcpAddress(8090);
  const redirectUri = `${site.origin}/callback`;
  const server = opened.use(
    await startServer({
      fixture: (fixture) => addMcpServer(fixture, { url, redirectUri, policy: 'off', registration: 'open' }),
    }),
  );
  const { page } = opened.use(await openTab(chromium));
  await page.goto(site.origin);

  /** As text, because the page's own names are not known here. */
  async function ask(address: string, init: object): Promise<Record<string, string>> {
    const asked = `fetch(${JSON.stringify(address)}, ${JSON.stringify(init)}).then((answer) => answer.json())`;
    return page.evaluate(asked);
  }
  const redeem = (endpoint: string, form: Record<string, string>) =>
    ask(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams(form).toString(),
    });

  const metadata = await ask(`${server.issuer}/.well-known/oauth-authorization-server`, {
    headers: { 'mcp-protocol-version': '2026-07-28', accept: 'application/json' },
  });
  const { client_id = '' } = await ask(metadata.registration_endpoint ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(clientMetadata(redirectUri)),
  });
  const { challenge, verifier } = createPkce();
  const request = {
    response_type: 'code',
    client_id,
    redirect_uri: redirectUri,
    resource: url,
    scope: 'orders:read offline_access',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  };
  await page.goto(`${metadata.authorization_endpoint}?${new URLSearchParams(request)}`);
  await page.fill('input[name=username]', MIA.username);
  await page.fill('input[name=password]', MIA.password);
  await page.click('form[action$="/login"] button');
  await page.click('form[action$="/consent"] button');
  await page.waitForURL(`${redirectUri}?**`);

  const code = new URL(page.url()).searchParams.get('code') ?? '';
  const tokenEndpoint = metadata.token_endpoint ?? '';
  const tokens = await redeem(tokenEndpoint, {
    grant_type: 'authorization_code',
    client_id,
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
    resource: url,
  });
  assert.equal(tokens.scope, 'offline_access orders:read');
  const refused = await redeem(tokenEndpoint, {
    grant_type: 'refresh_token',
    client_id,
    refresh_token: 'another',
  });
  assert.equal(refused.error, 'invalid_grant');
});
