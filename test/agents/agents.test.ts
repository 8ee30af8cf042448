/** Agents without a registration: their documents, their place in an organization, and what they get. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isLoginPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { OTHER_RESOURCE, RESOURCE, type TestServer } from '../support/server.ts';
import { type AgentServer, startAgentServer } from './support.ts';

const ONLY_READ = { create: false, read: true, update: false, delete: false };

const storedAgents = async ({ server }: TestServer) => {
  const { items } = await server.foundations.store.applications.page({ limit: 100 });
  return items.filter(({ agent }) => agent);
};

describe('an agent with a metadata document', () => {
  let acme: AgentServer;
  before(async () => {
    acme = await startAgentServer();
  });
  after(() => acme[Symbol.asyncDispose]());

  test('gets what it asked for after a consent, and can refresh it', async () => {
    const agent = acme.agent('/asks.json');
    const { status, json, text } = await acme.tokens(agent);
    assert.equal(status, 200, text);
    assert.deepEqual(json.permissions, { isAdmin: false, tables: { orders: ONLY_READ } });
    const { server } = acme;
    const told = await server.introspect(json.access_token, 'shop-api');
    assert.equal(told.client_id, agent.clientId);
    const refreshed = await server.post('/oauth/token', undefined, {
      grant_type: 'refresh_token',
      client_id: agent.clientId,
      refresh_token: json.refresh_token,
      resource: RESOURCE,
    });
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.notEqual(refreshed.json.refresh_token, json.refresh_token);
  });

  test('is written down at the first consent, not before', async () => {
    const agent = acme.agent('/later.json');
    const { url } = acme.request(agent);
    const browser = createBrowser(acme.server.issuer);
    const known = await storedAgents(acme.server);
    await browser.get(url);
    assert.deepEqual(await storedAgents(acme.server), known);
    await acme.tokens(agent);
    const [made] = (await storedAgents(acme.server)).filter(({ clientId }) => clientId === agent.clientId);
    assert.equal(made?.managedBy, 'agent');
    assert.equal(made?.displayName, 'Helper');
  });

  test('names no tables and gets the default, not the ceiling', async () => {
    const { json, text } = await acme.tokens(acme.agent('/default.json'), { scope: undefined });
    assert.deepEqual(json.permissions, { isAdmin: false, tables: { orders: ONLY_READ } }, text);
  });

  test('is unknown elsewhere until a person agreed', async () => {
    const agent = acme.agent('/elsewhere.json');
    for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/introspect']) {
      const { status, json } = await acme.server.post(path, undefined, {
        client_id: agent.clientId,
        grant_type: 'refresh_token',
        refresh_token: 'x',
        token: 'x',
        resource: RESOURCE,
      });
      assert.deepEqual([status, json.error], [401, 'invalid_client'], path);
    }
    assert.equal(agent.fetches, 0);
  });

  test('must name the resource, which decides the organization', async () => {
    const agent = acme.agent('/nowhere.json');
    const { url } = acme.request(agent, { resource: undefined });
    const page = await createBrowser(acme.server.issuer).get(url);
    assert.match(page.text, /must name the resource/);
    assert.equal(agent.fetches, 0);
  });

  test('must name the resource at each request, also when it is known', async () => {
    const agent = acme.agent('/known.json');
    await acme.tokens(agent);
    const { url } = acme.request(agent, { resource: undefined });
    const page = await createBrowser(acme.server.issuer).get(url);
    assert.match(page.text, /must name the resource/);
  });

  test('is announced in the metadata while an organization lets agents in', async () => {
    const path = '/.well-known/oauth-authorization-server';
    const metadata = async (): Promise<any> => (await fetch(acme.server.issuer + path)).json();
    assert.equal((await metadata()).client_id_metadata_document_supported, true);
    const { store, changes } = acme.server.server.foundations;
    const organization = await store.organizations.findBy('name', 'acme');
    assert.ok(organization?.agents);
    const off = { ...organization, agents: { ...organization.agents, policy: 'off' } } as const;
    const { version } = await changes.organizations.replace(off, { actor: 'test' });
    assert.equal((await metadata()).client_id_metadata_document_supported, undefined);
    await changes.organizations.replace({ ...organization, version }, { actor: 'test' });
  });

  test('may send its request by POST', async () => {
    const agent = acme.agent('/posted.json');
    const { origin, pathname, searchParams } = new URL(acme.request(agent).url);
    const browser = createBrowser(acme.server.issuer);
    const page = await browser.post(origin + pathname, Object.fromEntries(searchParams));
    assert.equal(isLoginPage(page), true, page.text);
    assert.equal(agent.fetches, 1);
  });

  test('is not fetched for an organization that lets no agents in', async () => {
    const agent = acme.agent('/closed.json');
    const { url } = acme.request(agent, { resource: OTHER_RESOURCE });
    const page = await createBrowser(acme.server.issuer).get(url);
    assert.match(page.text, /The resource is unknown, or this agent may not ask for it\./);
    assert.equal(agent.fetches, 0);
  });

  test('is told what is wrong with its id, which is not fetched', async () => {
    const { origin } = new URL(acme.agent().clientId);
    for (const [id, problem] of [
      [origin, `is not in its plain form, ${origin}/`],
      [`${origin}/a#b`, 'has a fragment'],
      [`${origin}/%2e/a`, 'is not in its plain form'],
    ]) {
      const page = await createBrowser(acme.server.issuer).get(acme.request({ clientId: id ?? '' }).url);
      assert.equal(page.status, 400);
      assert.ok(page.text.includes(`The client_id ${problem}`), page.text);
    }
    assert.ok(acme.publisher.requests.every(({ url }) => url?.endsWith('.json')));
  });

  test('that changed what it says loses what it was given', async () => {
    const agent = acme.agent('/changed.json');
    const { json } = await acme.tokens(agent);
    agent.publish({ client_name: 'Another helper' });
    acme.server.clock.offset += 3_700_000;
    const browser = createBrowser(acme.server.issuer);
    const again = await acme.tokens(agent, {}, browser);
    assert.equal(again.status, 200, again.text);
    assert.equal((await acme.server.introspect(again.json.access_token, 'shop-api')).active, true);
    const { status } = await acme.server.post('/oauth/token', undefined, {
      grant_type: 'refresh_token',
      client_id: agent.clientId,
      refresh_token: json.refresh_token,
      resource: RESOURCE,
    });
    assert.equal(status, 400);
  });
});

test('the default of agents may name groups, and limits with values of the person', async () => {
  const own = { rows: { customer: [{ $user: 'id' }] } };
  await using acme = await startAgentServer(({ organizations: [organization] }) => {
    const [resource] = organization?.resources ?? [];
    const orders = resource.tables.find(({ id }: { id: string }) => id === 'orders');
    orders.columns = [{ name: 'customer', type: 'text' }];
    resource.groups = [{ id: 'goods', tables: ['products'] }];
    const web = organization?.applications.find(({ name }: { name: string }) => name === 'web');
    web.default = { tables: { orders: { read: own }, '@goods': { read: true } } };
  });
  const { json, text } = await acme.tokens(acme.agent(), { scope: undefined });
  const { sub } = await acme.server.introspect(json.access_token, 'shop-api');
  const [, id] = sub.split('/');
  const rows = json.authorization_details?.flatMap((detail: { rows?: object }) => detail.rows ?? []);
  assert.deepEqual(rows, [{ customer: [id] }], text);
  assert.deepEqual(json.permissions.tables, { products: ONLY_READ });
});
