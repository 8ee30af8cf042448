/** Agents that say something else than what people and operators agreed to, and agents that look alike. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { codeOf, isConsentPage, isLoginPage } from '../interaction/flow.ts';
import { approveAgent } from '../support/agents.ts';
import { createBrowser } from '../support/browser.ts';
import { OTHER_RESOURCE, REDIRECT_URI, RESOURCE } from '../support/server.ts';
import { type Agent, type AgentServer, DEFAULT, startAgentServer } from './support.ts';

/** A document is fresh for five minutes. */
const LATER = 301_000;

describe('an agent', () => {
  let acme: AgentServer;
  before(async () => {
    acme = await startAgentServer(({ organizations: [, other] }) => {
      const web = other?.applications.find(({ name }: { name: string }) => name === 'other-web');
      Object.assign(web, { default: DEFAULT });
      Object.assign(other ?? {}, { agents: { policy: 'any', application: 'other-web' } });
    });
  });
  after(() => acme[Symbol.asyncDispose]());
  // The engine's consents have the time of the machine, and must not be older than their application.
  afterEach(() => {
    acme.server.clock.offset = 0;
  });

  async function rowsOf({ clientId }: Agent) {
    const { items } = await acme.server.server.foundations.store.applications.page({ limit: 100 });
    return items.filter((each) => each.clientId === clientId);
  }

  const isActive = async (token: string, api = 'shop-api'): Promise<boolean> =>
    (await acme.server.introspect(token, api)).active;

  const refresh = ({ clientId }: Agent, token: string, form: Record<string, string> = {}) =>
    acme.server.post('/oauth/token', undefined, {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: token,
      resource: RESOURCE,
      ...form,
    });

  /** @returns the page after the login */
  async function ask(agent: Agent) {
    const browser = createBrowser(acme.server.issuer);
    const page = await browser.get(acme.request(agent).url);
    return isLoginPage(page) ? acme.logIn(browser, page) : page;
  }

  const swaps = {
    name: { client_name: 'Bank' },
    'redirect URI': { redirect_uris: [REDIRECT_URI, 'https://elsewhere.example/callback'] },
    grants: { grant_types: ['authorization_code'] },
  };
  for (const [what, changes] of Object.entries(swaps)) {
    test(`that swaps its ${what} after consent loses it at the next one`, async () => {
      const agent = acme.agent(`/${what.replace(' ', '-')}.json`);
      const { json } = await acme.tokens(agent);
      agent.publish(changes);
      acme.server.clock.offset = LATER;
      assert.ok(isConsentPage(await ask(agent)));
      assert.equal(await isActive(json.access_token), true);
      const again = await acme.tokens(agent);
      assert.equal(again.status, 200, again.text);
      assert.equal(await isActive(json.access_token), false);
      assert.equal((await refresh(agent, json.refresh_token)).status, 400);
      assert.equal(await isActive(again.json.access_token), true);
      assert.equal((await rowsOf(agent)).length, 1);
    });
  }

  test('that swaps its key is not let in with the one before', async () => {
    const agent = acme.agent('/keys.json');
    const publish = async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      const keys = [await exportJWK(publicKey)];
      agent.publish({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } });
      return async (): Promise<Record<string, string>> => {
        const seconds = Math.floor((Date.now() + acme.server.clock.offset) / 1000);
        const { clientId } = agent;
        const assertion = new SignJWT({
          iss: clientId,
          sub: clientId,
          aud: acme.server.issuer,
          jti: randomUUID(),
        })
          .setProtectedHeader({ alg: 'ES256' })
          .setExpirationTime(seconds + 60);
        return {
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await assertion.sign(privateKey),
        };
      };
    };
    const authorize = async () => {
      const { url, pkce } = acme.request(agent);
      return { pkce, code: codeOf(await acme.authorize(createBrowser(acme.server.issuer), url)) };
    };
    const proveFirst = await publish();
    const first = await authorize();
    const { json, text } = await acme.redeem(agent, first.code, first.pkce, await proveFirst());
    assert.equal(await isActive(json.access_token), true, text);
    const proveSecond = await publish();
    acme.server.clock.offset = LATER;
    const second = await authorize();
    assert.equal((await acme.redeem(agent, second.code, second.pkce, await proveFirst())).status, 401);
    assert.equal((await refresh(agent, json.refresh_token, await proveFirst())).status, 401);
    assert.equal((await refresh(agent, json.refresh_token, await proveSecond())).status, 400);
    assert.equal(await isActive(json.access_token), false);
    const { status } = await acme.redeem(agent, second.code, second.pkce, await proveSecond());
    assert.equal(status, 200);
  });

  test('that changed after its approval is not checked, and not let in by it', async () => {
    const agent = acme.agent('/approved.json');
    await acme.tokens(agent);
    const [row] = await rowsOf(agent);
    assert.ok(row);
    await approveAgent(acme.server, row);
    const { changes, store } = acme.server.server.foundations;
    const organization = (await store.organizations.get(row.organization))!;
    const { agents } = organization;
    assert.ok(agents);
    const hosts = ['elsewhere.example'];
    await changes.organizations.replace(
      { ...organization, agents: { ...agents, policy: 'hosts', hosts } },
      { actor: 'test' },
    );
    try {
      assert.match((await ask(agent)).text, /Approved by/);
      agent.publish({ client_name: 'Bank' });
      acme.server.clock.offset = LATER;
      assert.equal(isConsentPage(await ask(agent)), false);
    } finally {
      const current = (await store.organizations.get(row.organization))!;
      await changes.organizations.replace({ ...current, agents }, { actor: 'test' });
    }
    assert.match((await ask(agent)).text, /Not checked by/);
  });

  test('ends without another one of its host', async () => {
    const [one, two] = [acme.agent('/one.json'), acme.agent('/two.json')];
    const [first, second] = [await acme.tokens(one), await acme.tokens(two)];
    const [row] = await rowsOf(one);
    await acme.server.server.foundations.changes.applications.remove(row!, { actor: 'test' });
    assert.equal(await isActive(first.json.access_token), false);
    assert.equal(await isActive(second.json.access_token), true);
  });

  test('MT-02 is another application in each organization', async () => {
    const agent = acme.agent('/both.json');
    const here = await acme.tokens(agent);
    const { url, pkce } = acme.request(agent, { resource: OTHER_RESOURCE });
    const code = codeOf(await acme.authorize(createBrowser(acme.server.issuer), url));
    const there = await acme.redeem(agent, code, pkce, { resource: OTHER_RESOURCE });
    assert.equal(there.status, 200, there.text);
    const rows = await rowsOf(agent);
    assert.equal(new Set(rows.map(({ organization }) => organization)).size, 2);
    assert.equal(await isActive(there.json.access_token), false, 'the other organization does not see it');
    const { organization } = (await acme.server.server.foundations.directory
      .view()
      .then((view) => view.findResource(RESOURCE)))!;
    const row = rows.find((each) => each.organization === organization)!;
    await acme.server.server.foundations.changes.applications.remove(row, { actor: 'test' });
    assert.equal(await isActive(here.json.access_token), false);
    assert.equal(await isActive(there.json.access_token, 'other-api'), true);
    const { status } = await refresh(agent, there.json.refresh_token, { resource: OTHER_RESOURCE });
    assert.equal(status, 200);
  });
});
