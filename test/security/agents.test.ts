/** Agents whose `client_id` is the URL of a document, attacked: swapped documents, two organizations, strangers, rights. */
import assert from 'node:assert/strict';
import { hash, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Agent, type AgentServer, DEFAULT, type Fixture, startAgentServer } from '../agents/support.ts';
import { codeOf, createFlow, isConsentPage, isLoginPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { type Answer, OTHER_RESOURCE, PASSWORD, RESOURCE } from '../support/server.ts';

const PEOPLE = Array.from({ length: 12 }, (_, index) => `person-${index}`);
const ELSEWHERE = 'https://elsewhere.example/callback';

function letInBoth({ organizations }: Fixture): void {
  const [, other] = organizations;
  const web = other?.applications.find(({ name }: { name: string }) => name === 'other-web');
  Object.assign(web, { default: DEFAULT });
  Object.assign(other ?? {}, { agents: { policy: 'any', application: 'other-web' } });
}

let both: AgentServer;
before(async () => {
  both = await startAgentServer(letInBoth);
});
after(() => both[Symbol.asyncDispose]());

const foundations = () => both.server.server.foundations;

/** The next request fetches the document again. */
async function expireDocument({ clientId }: Agent): Promise<void> {
  const { storage, now } = foundations();
  const key = hash('sha256', clientId, 'buffer');
  const kept = await storage.artifacts.find('AgentDocument', key, now());
  const payload = { ...kept?.payload, freshUntil: 0 };
  await storage.artifacts.upsert('AgentDocument', key, { payload, expiresAt: now() + 3_600_000 });
}

const organizationOf = async (name: string) => {
  const found = await foundations().store.organizations.findBy('name', name);
  assert.ok(found);
  return found;
};

const open = (agent: Agent, parameters: Record<string, string | undefined> = {}) =>
  createBrowser(both.server.issuer).get(both.request(agent, parameters).url);

/** A code for the agent, which is not redeemed yet. */
async function begin(agent: Agent, parameters: Record<string, string | undefined> = {}) {
  const { url, pkce } = both.request(agent, parameters);
  return { code: codeOf(await both.authorize(createBrowser(both.server.issuer), url)), pkce };
}

async function tokensAt(resource: string, agent: Agent, scope = 'orders:read'): Promise<Answer> {
  const { code, pkce } = await begin(agent, { resource, scope });
  return both.redeem(agent, code, pkce, { resource });
}

const refresh = ({ clientId }: Agent, token: string, form: Record<string, string> = {}) =>
  both.server.post('/oauth/token', undefined, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: token,
    ...form,
  });

describe('a document that changes', () => {
  test('while a person logs in is not answered at a URI that it lost', async () => {
    const agent = both.agent('/lost-uri.json');
    const browser = createBrowser(both.server.issuer);
    const login = await browser.get(both.request(agent).url);
    agent.publish({ redirect_uris: [ELSEWHERE] });
    await expireDocument(agent);
    assert.equal(isLoginPage(await open(agent, { redirect_uri: ELSEWHERE })), true);
    let page = await createFlow(both.server).logIn(browser, login, { password: PASSWORD });
    if (isConsentPage(page)) page = await browser.submit(page, '/consent');
    assert.match(page.text, /redirect URI is not registered/);
    assert.equal(new URL(page.url).origin, both.server.issuer);
  });

  test('makes a page of before count for nothing', async () => {
    const agent = both.agent('/stale-page.json');
    const browser = createBrowser(both.server.issuer);
    const login = await browser.get(both.request(agent).url);
    const page = await createFlow(both.server).logIn(browser, login, { password: PASSWORD });
    assert.equal(isConsentPage(page), true);
    agent.publish({ client_name: 'Another' });
    await expireDocument(agent);
    await open(agent);
    assert.equal((await browser.submit(page, '/consent')).status, 403);
  });

  test('makes a code of before worth nothing', async () => {
    const agent = both.agent('/code-of-before.json');
    const { code, pkce } = await begin(agent);
    agent.publish({ client_name: 'Another' });
    await expireDocument(agent);
    assert.equal((await both.tokens(agent)).status, 200);
    const { status, json } = await both.redeem(agent, code, pkce);
    assert.deepEqual([status, json.error], [400, 'invalid_grant']);
  });

  test('and comes back brings no token back', async () => {
    const agent = both.agent('/back.json');
    const { json } = await both.tokens(agent);
    for (const name of ['Another', 'Helper']) {
      agent.publish({ client_name: name });
      await expireDocument(agent);
      assert.equal((await both.tokens(agent)).status, 200);
    }
    assert.equal((await both.server.introspect(json.access_token, 'shop-api')).active, false);
    assert.equal((await refresh(agent, json.refresh_token, { resource: RESOURCE })).status, 400);
  });

  test('is seen by requests that name no resource, or it twice', async () => {
    const agent = both.agent('/no-resource.json');
    await both.tokens(agent);
    agent.publish({ redirect_uris: [ELSEWHERE] });
    await expireDocument(agent);
    const { url } = both.request(agent, { resource: undefined });
    const named = `resource=${encodeURIComponent(RESOURCE)}`;
    for (const further of ['', '&resource=', `&${named}&${named}`, `&${named}&resource=`]) {
      const page = await createBrowser(both.server.issuer).get(url + further);
      assert.equal(page.status, 400, further);
    }
  });

  test('is not passed over by a client id that is a key of the store', async () => {
    const agent = both.agent('/key.json');
    await both.tokens(agent);
    const { id } = await organizationOf('acme');
    const clientId = `${id} ${agent.clientId}`;
    const page = await open(agent, { client_id: clientId });
    assert.equal(page.status, 400);
    const { status, json } = await refresh({ ...agent, clientId }, 'x', { resource: RESOURCE });
    assert.deepEqual([status, json.error], [401, 'invalid_client']);
  });

  test('is not fetched again once it is gone: nothing new is given', async () => {
    const agent = both.agent('/gone.json');
    await both.tokens(agent);
    agent.publish({ client_id: 'https://another.example/' });
    await expireDocument(agent);
    assert.match((await open(agent)).text, /must be the URL of the document/);
  });
});

describe('one client id in two organizations', () => {
  let agent: Agent;
  before(() => {
    agent = both.agent('/both.json');
  });

  test('is two agents: tokens, codes and refresh tokens stay apart', async () => {
    const [here, there] = [await tokensAt(RESOURCE, agent), await tokensAt(OTHER_RESOURCE, agent)];
    assert.equal((await both.server.introspect(here.json.access_token, 'other-api')).active, false);
    assert.equal((await both.server.introspect(there.json.access_token, 'other-api')).active, true);
    const moved = await refresh(agent, here.json.refresh_token, { resource: OTHER_RESOURCE });
    assert.deepEqual([moved.status, moved.json.error], [400, 'invalid_grant']);
    assert.equal((await refresh(agent, here.json.refresh_token, { resource: RESOURCE })).status, 200);
  });

  test('ends and renews what it has without naming a resource', async () => {
    for (const [resource, api] of [
      [RESOURCE, 'shop-api'],
      [OTHER_RESOURCE, 'other-api'],
    ] as const) {
      const { json } = await tokensAt(resource, agent);
      const renewed = await refresh(agent, json.refresh_token);
      assert.equal(renewed.status, 200, renewed.text);
      const form = { client_id: agent.clientId, token: renewed.json.refresh_token };
      assert.equal((await both.server.post('/oauth/revoke', undefined, form)).status, 200);
      assert.equal((await both.server.introspect(renewed.json.access_token, api)).active, false);
    }
    const strange = { client_id: agent.clientId, token: 'x' };
    assert.equal((await both.server.post('/oauth/revoke', undefined, strange)).status, 401);
  });

  test('burns a code that is redeemed at the other one (AZ-11)', async () => {
    await tokensAt(OTHER_RESOURCE, agent);
    const { code, pkce } = await begin(agent);
    for (const resource of [OTHER_RESOURCE, RESOURCE]) {
      const { status, json } = await both.redeem(agent, code, pkce, { resource });
      assert.deepEqual([status, json.error], [400, 'invalid_grant'], resource);
    }
  });

  test('is not kept out by an application that another one calls so (MT-02)', async () => {
    const squatted = both.agent('/squatted.json');
    const { store, changes } = foundations();
    const web = await store.applications.findBy('clientId', 'other-web');
    assert.ok(web);
    const { number: _, version: _version, createdAt: _at, managedBy: _by, ...like } = web;
    const id = randomUUID();
    const squatter = {
      id,
      name: 'squatter',
      clientId: squatted.clientId,
      realm: `application:${id}`,
    } as const;
    await changes.applications.create({ ...like, ...squatter }, { actor: 'test' });
    const { status, json, text } = await both.tokens(squatted);
    assert.equal(status, 200, text);
    assert.equal((await both.server.introspect(json.access_token, 'shop-api')).active, true);
  });
});

describe('the rights of agents', () => {
  const readsProducts = { isAdmin: false, tables: { products: { read: true } } };
  let acme: AgentServer;
  before(async () => {
    acme = await startAgentServer(({ organizations: [own] }) => {
      own?.applications.push({
        name: 'narrow',
        clientId: 'narrow',
        authMethod: 'none',
        grants: ['authorization_code', 'refresh_token'],
        redirectUris: ['https://narrow.example/'],
        resource: RESOURCE,
        permissions: readsProducts,
      });
      own?.users.push({ username: 'ann', password: PASSWORD, application: 'narrow', roles: ['clerk'] });
      for (const username of PEOPLE)
        own?.users.push({ username, password: PASSWORD, application: 'web', roles: ['clerk'] });
    });
  });
  after(() => acme[Symbol.asyncDispose]());

  /** @param settings of the first organization for agents */
  async function settle(settings: object): Promise<void> {
    const { store, changes } = acme.server.server.foundations;
    const organization = await store.organizations.findBy('name', 'acme');
    assert.ok(organization?.agents);
    const agents = { ...organization.agents, ...settings };
    await changes.organizations.replace({ ...organization, agents }, { actor: 'test' });
  }

  const isActive = async (token: string): Promise<boolean> =>
    (await acme.server.introspect(token, 'shop-api')).active;

  test('are never all, never more than its ceiling, and of no other kind', async () => {
    const agent = acme.agent('/wants.json');
    for (const scope of ['*:read', 'products:delete', 'admin']) {
      const { url } = acme.request(agent, { scope });
      const answer = await acme.authorize(createBrowser(acme.server.issuer), url);
      assert.equal(answer.searchParams.get('error'), 'invalid_scope', scope);
    }
    const { json } = await acme.tokens(agent, { scope: 'orders:read orders:delete *:create' });
    assert.equal(json.scope, 'orders:read');
    for (const grant of [
      'client_credentials',
      'password',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ]) {
      const form = { grant_type: grant, client_id: agent.clientId, resource: RESOURCE };
      const { status } = await acme.server.post('/oauth/token', undefined, form);
      assert.equal(status, 400, grant);
    }
  });

  test('are tables by name where the application for agents and the person have all', async () => {
    await using open = await startAgentServer(({ organizations: [own] }) => {
      const web = own?.applications.find(({ name }: { name: string }) => name === 'web');
      web.permissions = { isAdmin: true, tables: {} };
      const boss = { name: 'boss', scopes: [], permissions: { isAdmin: true, tables: {} } };
      own?.roles.push(boss);
      for (const user of own?.users ?? []) if (user.application === 'web') user.roles = [boss.name];
    });
    const agent = open.agent();
    const admin = JSON.stringify({ isAdmin: true, tables: {} });
    for (const scope of [undefined, 'openid', 'orders:read']) {
      const { url } = open.request(agent, { scope, permissions: admin });
      const answer = await open.authorize(createBrowser(open.server.issuer), url);
      assert.equal(answer.searchParams.get('code'), null, scope);
    }
    const { json } = await open.tokens(agent, { scope: 'orders:read products:delete' });
    assert.equal(json.scope, 'orders:read products:delete');
    assert.equal(json.permissions.isAdmin, false);
  });

  test('end when its organization names another application for agents', async () => {
    const agent = acme.agent('/moved.json');
    const { json } = await acme.tokens(agent);
    const { store } = acme.server.server.foundations;
    const [web, narrow] = [
      await store.applications.findBy('clientId', 'web'),
      await store.applications.findBy('clientId', 'narrow'),
    ];
    await settle({ application: narrow?.id });
    try {
      assert.equal(await isActive(json.access_token), false);
      const asked = await acme.tokens(agent, { scope: 'products:read' });
      assert.equal(asked.json.scope, 'products:read', asked.text);
      assert.equal(await isActive(asked.json.access_token), true);
      await settle({ application: web?.id });
      assert.equal(await isActive(asked.json.access_token), false);
    } finally {
      await settle({ application: web?.id });
    }
    assert.equal(await isActive(json.access_token), false);
    assert.equal((await acme.tokens(agent)).status, 200);
  });

  test('end with the policy, and of a host that is not listed any more', async () => {
    const { json } = await acme.tokens(acme.agent('/policy.json'));
    for (const settings of [{ policy: 'off' }, { policy: 'hosts', hosts: ['elsewhere.example'] }]) {
      await settle(settings);
      assert.equal(await isActive(json.access_token), false);
      await settle({ policy: 'any' });
    }
  });

  test('of many people who agree at once hang below one application', async () => {
    const agent = acme.agent('/at-once.json');
    const ready = await Promise.all(
      PEOPLE.map(async (username) => {
        const browser = createBrowser(acme.server.issuer);
        const login = await browser.get(acme.request(agent).url);
        const page = await createFlow(acme.server).logIn(browser, login, { username, password: PASSWORD });
        return { browser, page };
      }),
    );
    const pages = await Promise.all(ready.map(({ browser, page }) => browser.submit(page, '/consent')));
    for (const { url } of pages) codeOf(new URL(url));
    const { items } = await acme.server.server.foundations.store.applications.page({ limit: 100 });
    assert.equal(items.filter(({ clientId }) => clientId === agent.clientId).length, 1);
  });

  test('do not come back to an agent that was disabled, whatever it says', async () => {
    const agent = acme.agent('/disabled.json');
    await acme.tokens(agent);
    const browser = createBrowser(acme.server.issuer);
    const login = await browser.get(acme.request(agent).url);
    const page = await createFlow(acme.server).logIn(browser, login, { password: PASSWORD });
    const { store, changes } = acme.server.server.foundations;
    const { items } = await store.applications.page({ limit: 100 });
    const row = items.find(({ clientId }) => clientId === agent.clientId);
    assert.ok(row);
    await changes.applications.replace({ ...row, enabled: false }, { actor: 'test' });
    assert.equal((await browser.submit(page, '/consent')).status, 400);
    agent.publish({ client_name: 'Another' });
    assert.equal((await createBrowser(acme.server.issuer).get(acme.request(agent).url)).status, 400);
    assert.equal((await store.applications.get(row.id))?.enabled, false);
  });
});
