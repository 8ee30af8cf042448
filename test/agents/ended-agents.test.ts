/** What the official client of MCP does when the operator has ended it: it asks as an agent that is unknown. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser } from '../support/browser.ts';
import { REDIRECT_URI, RESOURCE } from '../support/server.ts';
import { createAgent } from './official-client.ts';
import { openShop, type Shop } from './shop.ts';
import { type AgentServer, startAgentServer } from './support.ts';

describe('an agent that the operator ended', () => {
  let acme: AgentServer;
  let shop: Shop;
  before(async () => {
    acme = await startAgentServer(({ organizations: [organization] }) => {
      Object.assign(organization?.agents, { registration: 'open' });
    });
    shop = openShop(acme.server);
  });
  after(async () => {
    shop[Symbol.dispose]();
    await acme[Symbol.asyncDispose]();
  });

  async function endAgents(): Promise<void> {
    const { store, changes } = acme.server.server.foundations;
    const { items } = await store.applications.page({ limit: 100 });
    for (const each of items.filter((application) => application.agent))
      await changes.applications.remove(each, { actor: 'test' });
  }

  for (const way of ['with a document', 'that registered itself']) {
    test(`${way} asks a person anew, and works again`, async () => {
      await using agent = createAgent({
        url: RESOURCE,
        redirectUri: REDIRECT_URI,
        reach: shop.reach,
        ...(way === 'with a document' && { document: acme.agent().clientId }),
      });
      const allow = (url: URL) => acme.authorize(createBrowser(acme.server.issuer), url.href);
      await agent.call('list_orders', {}, allow);
      const before = agent.client()?.client_id;
      await endAgents();
      await assert.rejects(agent.call('list_orders'));
      assert.equal(agent.tokens(), undefined);
      await agent.call('list_orders', {}, allow);
      const isSame = agent.client()?.client_id === before;
      assert.equal(isSame, way === 'with a document');
    });
  }
});
