import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { addAgent, approveAgent, publishDocument } from '../support/agents.ts';
import { createBrowser, type Page } from '../support/browser.ts';
import { REDIRECT_URI, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import {
  codeOf,
  createFlow,
  errorOf,
  type Flow,
  isConsentPage,
  isLoginPage,
  type Parameters,
} from './flow.ts';

const DOCUMENT = 'https://agents.example/claude.json';
const REGISTERED = 'registered-agent';
const AUTHENTICATING = 'https://keys.example/agent.json';
const LOOPBACKS = ['http://localhost:7777/cb', 'http://127.0.0.1:7777/cb', 'http://[::1]:7777/cb'];
const OWN_SCHEME = 'com.example.agent:/cb';
const ANY_PROGRAM = /Any program on this computer could have asked\./;
const LONG_HOST = `accounts.acme.example.${'long.'.repeat(30)}publisher.example`;

const rowsOf = ({ text }: Page): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/<dt>(.*?)<\/dt>\s*<dd>(.*?)<\/dd>/gs)].map(([, term = '', what = '']) => [
      term,
      what.replaceAll(/<br>/g, ' ').replaceAll(/<[^>]*>/g, ''),
    ]),
  );

describe('consent for agents', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.displayName = 'Acme Ltd';
        acme.agents = { policy: 'any', application: 'web' };
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        web.default = { isAdmin: false, tables: { orders: { read: true } } };
        for (const username of ['amy', 'ben', 'cas', 'dan', 'eva', 'flo', 'gus'])
          acme.users.push({ ...acme.users[2], username, email: undefined });
      },
    });
    flow = createFlow(server);
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    for (const clientId of [DOCUMENT, REGISTERED])
      await addAgent(server, { clientId, redirectUris: [REDIRECT_URI, ...LOOPBACKS, OWN_SCHEME] });
    await addAgent(server, {
      clientId: AUTHENTICATING,
      facts: { authMethod: 'private_key_jwt', jwks: { keys: [{ ...keys, alg: 'ES256' } as never] } },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  async function enter(
    username: string,
    parameters: Parameters = {},
    browser = createBrowser(server.issuer),
  ) {
    const { url, pkce } = flow.request({ client_id: DOCUMENT, resource: RESOURCE, ...parameters });
    const page = await browser.get(url);
    return { browser, pkce, page: isLoginPage(page) ? await flow.logIn(browser, page, { username }) : page };
  }

  async function consentOf(username: string, parameters: Parameters = {}): Promise<Page> {
    const { page } = await enter(username, parameters);
    assert.ok(isConsentPage(page), page.text);
    return page;
  }

  test('the page names the agent, its publisher, who checked it and where it answers', async () => {
    const page = await consentOf('amy');
    assert.match(page.text, /<h1>An agent asks for access<\/h1>/);
    assert.deepEqual(rowsOf(page), {
      'It calls itself': 'Claude',
      'Published by': 'agents.example',
      Checked: 'Not checked by Acme Ltd',
      'The answer goes to': 'app.acme.example',
    });
    assert.match(page.text, /<caption>What the agent may do in shop-db<\/caption>/);
  });

  test('nothing shows who made an agent that registered itself', async () => {
    const shown = rowsOf(await consentOf('amy', { client_id: REGISTERED }));
    assert.equal(shown['Published by'], 'It registered itself. Nothing shows who made it.');
  });

  for (const redirect_uri of LOOPBACKS) {
    test(`any program on this computer could have asked: ${new URL(redirect_uri).hostname}`, async () => {
      const page = await consentOf('amy', { redirect_uri });
      assert.match(page.text, ANY_PROGRAM);
      assert.ok(rowsOf(page)['The answer goes to']?.startsWith(new URL(redirect_uri).host));
    });
  }

  test('any program on a device may have the scheme of an app', async () => {
    const shown = rowsOf(await consentOf('amy', { redirect_uri: OWN_SCHEME }));
    assert.equal(
      shown['The answer goes to'],
      'com.example.agent: Any program on this device could have asked.',
    );
  });

  test('an application of the operator on a device has no such sentence', async () => {
    const { page } = await enter('amy', { client_id: 'web' });
    assert.doesNotMatch(page.text, ANY_PROGRAM);
    assert.match(page.text, /<h1>web asks for access<\/h1>/);
  });

  for (const [what, client_id] of [
    ['a public agent', DOCUMENT],
    ['an agent that authenticates', AUTHENTICATING],
  ] as const) {
    test(`the page is shown at each login to ${what}, and prompt=none is refused`, async () => {
      const { browser, page } = await enter('ben', { client_id });
      const silent = async () => errorOf((await enter('ben', { client_id, prompt: 'none' }, browser)).page);
      assert.equal(await silent(), 'consent_required', 'before anything was agreed to');
      codeOf(new URL((await browser.submit(page, '/consent')).url));
      assert.equal(await silent(), 'consent_required', 'after all of it was agreed to');
      const again = (await enter('ben', { client_id }, browser)).page;
      assert.match(again.text, /<h1>Continue with this agent\?<\/h1>/);
      assert.equal(rowsOf(again).Checked, 'Not checked by Acme Ltd');
      codeOf(new URL((await browser.submit(again, '/consent')).url));
    });
  }

  test('a yes does not count once the agent calls itself otherwise', async () => {
    const clientId = 'https://swapped.example/agent.json';
    await addAgent(server, { clientId });
    const { browser, page } = await enter('cas', { client_id: clientId });
    await publishDocument(server, { clientId, name: 'Another name' });
    assert.equal((await browser.submit(page, '/consent')).status, 403);
    const shown = await browser.get(page.url);
    assert.equal(rowsOf(shown)['It calls itself'], 'Another name');
    codeOf(new URL((await browser.submit(shown, '/consent')).url));
  });

  test('an approved agent says so, until it says something else of itself', async () => {
    const clientId = 'https://approved.example/agent.json';
    const agent = await addAgent(server, { clientId });
    const { browser, page } = await enter('dan', { client_id: clientId });
    await approveAgent(server, agent);
    assert.equal(
      (await browser.submit(page, '/consent')).status,
      403,
      'the page said that it is not checked',
    );
    assert.equal(rowsOf(await browser.get(page.url)).Checked, 'Approved by Acme Ltd');
    await publishDocument(server, { clientId, redirectUris: [REDIRECT_URI, OWN_SCHEME] });
    // A login in the very second in which something ended counts as older.
    server.clock.offset += 1_000;
    assert.equal(rowsOf(await consentOf('dan', { client_id: clientId })).Checked, 'Not checked by Acme Ltd');
  });

  test('a long host is cut at its beginning, and the name is one line of 100 characters', async () => {
    const clientId = `https://${LONG_HOST}/agent.json`;
    const redirectUri = `https://${LONG_HOST}/cb`;
    const name = `\u202eApproved by Acme\nChecked ${'x'.repeat(200)}<b>`;
    await addAgent(server, { clientId, name, redirectUris: [redirectUri] });
    const shown = rowsOf(await consentOf('eva', { client_id: clientId, redirect_uri: redirectUri }));
    assert.equal(shown['Published by']?.length, 60);
    assert.match(shown['Published by'] ?? '', /^….*long\.publisher\.example$/);
    assert.equal(shown['The answer goes to'], shown['Published by']);
    const said = shown['It calls itself'] ?? '';
    assert.match(said, /^\\u202eApproved by Acme\\u000aChecked x+\.\.\.$/);
  });

  test('a host with other letters is shown in ASCII', async () => {
    const { href } = new URL('https://раураl.example/agent.json');
    await addAgent(server, { clientId: href });
    const shown = rowsOf(await consentOf('eva', { client_id: href }));
    assert.match(shown['Published by'] ?? '', /^xn--[a-z0-9-]+\.example$/);
  });

  test('the login page has no words of the agent', async () => {
    const page = await createBrowser(server.issuer).get(
      flow.request({ client_id: DOCUMENT, resource: RESOURCE }).url,
    );
    assert.match(page.text, /<h1>Log in to Acme Ltd<\/h1>/);
    assert.doesNotMatch(page.text, /Claude/);
  });

  for (const [scope, sentence] of [
    ['orders:read', /The agent can renew it without you for up to 30 days\..* also while you are logged out/],
    ['openid orders:read', /The agent can renew it until you log out/],
    ['openid offline_access orders:read', /can renew it without you for up to 30 days\./],
  ] as const) {
    test(`the page says how long an agent goes on without the person: ${scope}`, async () => {
      const { browser, page, pkce } = await enter('flo', { scope, prompt: 'consent' });
      assert.match(page.text, sentence);
      const code = codeOf(new URL((await browser.submit(page, '/consent')).url));
      const form = { client_id: DOCUMENT, resource: RESOURCE };
      const { json, text } = await server.post('/oauth/token', undefined, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: pkce.verifier,
        ...form,
      });
      assert.ok(json.refresh_token, text);
      const logout = await browser.get(`${server.issuer}/oauth/logout`);
      await browser.submit(logout, '/oauth/logout/confirm', { logout: 'yes' });
      const later = await server.post('/oauth/token', undefined, {
        grant_type: 'refresh_token',
        refresh_token: json.refresh_token,
        ...form,
      });
      assert.equal(later.status, /until you log out/.test(sentence.source) ? 400 : 200, later.text);
    });
  }

  test('the refresh tokens of an agent rotate, and an earlier one ends the login', async () => {
    const { browser, page, pkce } = await enter('gus', { scope: 'orders:read' });
    const code = codeOf(new URL((await browser.submit(page, '/consent')).url));
    const ask = (form: Record<string, string>) =>
      server.post('/oauth/token', undefined, { client_id: DOCUMENT, resource: RESOURCE, ...form });
    const refresh = (refresh_token: string) => ask({ grant_type: 'refresh_token', refresh_token });
    const { json: first } = await ask({
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: pkce.verifier,
    });
    const { json: second } = await refresh(first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    server.clock.offset += 6_000;
    assert.equal((await refresh(first.refresh_token)).json.error, 'invalid_grant');
    assert.equal((await refresh(second.refresh_token)).json.error, 'invalid_grant');
    assert.deepEqual(await server.introspect(second.access_token), { active: false });
  });
});
