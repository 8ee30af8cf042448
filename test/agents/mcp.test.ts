/**
 * An agent from its first request to the end that a person makes: the official client of MCP, the example MCP server as a
 * process of its own, and a person in Chromium.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Browser } from 'playwright-core';
import { AccessError, createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { answerJson, type Publisher, startPublisher } from '../outgoing/publisher.ts';
import { chromiumMissing, type Site, startChromium, startSite } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { addMcpServer, KNOWN_AGENT, MIA, mcpAddress, startExampleServer } from './example-server.ts';
import { type Agent, clientMetadata, createAgent, type Exchange, NAME } from './official-client.ts';
import { openPerson, type PersonAtBrowser } from './person.ts';

/** The result of a tool, which is JSON in a text. */
function resultOf(answer: Awaited<ReturnType<Agent['call']>>): any {
  const [content] = answer.content;
  assert.equal(content?.type, 'text');
  return JSON.parse(content.text);
}

/** Method, path and status of requests, in order. */
const seen = (exchanges: readonly Exchange[]): string[] =>
  exchanges.map(({ method, url, status }) => `${method} ${new URL(url).pathname} ${status}`);

const scopesOf = (scope: string | undefined | null): string[] => (scope ?? '').split(' ').sort();

describe('an agent with the official client of MCP', { skip: chromiumMissing() }, () => {
  const opened = new AsyncDisposableStack();
  let chromium: Browser;
  let publisher: Publisher;
  let callback: Site;
  let server: TestServer;
  let url: string;
  before(async () => {
    chromium = opened.adopt(await startChromium(), (started) => started.close());
    publisher = opened.use(await startPublisher());
    setDefaultCACertificates([...getCACertificates('default'), publisher.ca]);
    callback = opened.use(await startSite());
    const port = await freePort();
    url = mcpAddress(port);
    server = opened.use(
      await startServer({
        env: { GRANTABLE_AGENT_HOSTS: `127.0.0.1:${publisher.port}` },
        fixture: (fixture) =>
          addMcpServer(fixture, {
            url,
            redirectUri: `${callback.origin}/callback`,
            policy: 'any',
            registration: 'open',
          }),
      }),
    );
    opened.use(await startExampleServer(server, port));
  });
  after(() => opened.disposeAsync());

  /** @returns where the document is, which is the agent's client id */
  function publish(path: string, metadata: object): string {
    const address = publisher.urlOf(path, '127.0.0.1');
    publisher.answer = answerJson({ client_id: address, ...metadata });
    return address;
  }

  const verifierOf = (mode: 'local' | 'introspection'): Verifier =>
    createVerifier({
      issuer: server.issuer,
      resource: url,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
      mode,
      ...(mode === 'introspection' && { maxStaleness: 0 }),
    });

  const WAYS = ['that an operator registered', 'with a metadata document', 'that registers itself'];
  const [KNOWN, PUBLISHES, REGISTERS] = WAYS;
  for (const way of WAYS) {
    describe(way, () => {
      let agent: Agent;
      let person: PersonAtBrowser;
      before(async () => {
        const redirectUri = `${callback.origin}/callback`;
        agent = createAgent({
          url,
          redirectUri,
          ...(way === KNOWN && { registered: { client_id: KNOWN_AGENT, issuer: server.issuer } }),
          ...(way === PUBLISHES && {
            // Without the port, which an agent on a device chooses at each login (RFC 8252 section 7.3).
            document: publish('/agent.json', clientMetadata('http://127.0.0.1/callback')),
          }),
        });
        person = await openPerson(chromium, MIA);
      });
      after(async () => {
        await agent[Symbol.asyncDispose]();
        await person[Symbol.asyncDispose]();
      });

      test('it finds the server, is allowed to read by a person, and calls a tool', async () => {
        const orders = resultOf(await agent.call('list_orders', {}, person.allow));
        assert.deepEqual(
          orders.slice(0, 2).map(({ id }: { id: number }) => id),
          [1, 2],
        );
        const registers = way === REGISTERS ? ['POST /oauth/register 201'] : [];
        assert.deepEqual(seen(agent.exchanges).slice(0, 5 + registers.length), [
          'POST /mcp 401',
          'GET /.well-known/oauth-protected-resource/mcp 200',
          'GET /.well-known/oauth-authorization-server 200',
          ...registers,
          'POST /oauth/token 200',
          'POST /mcp 200',
        ]);
        assert.equal(agent.authorizations[0]?.searchParams.get('resource'), url);
        assert.match(person.consent, new RegExp(NAME));
        assert.deepEqual(scopesOf(agent.tokens()?.scope), ['offline_access', 'orders:read']);
      });

      test('it is told of all tools, also of those that its token does not allow', async () => {
        assert.deepEqual((await agent.toolNames()).sort(), [
          'change_amount',
          'create_order',
          'delete_order',
          'list_orders',
          'list_orders_with_products',
        ]);
      });

      test('a tool of a missing right is a challenge, and runs when the person allowed more', async () => {
        const from = agent.exchanges.length;
        const order = { customer: 43, product: 1, amount: 3 };
        await agent.call('create_order', order, person.allow);
        const [refused] = agent.exchanges.slice(from);
        assert.equal(refused?.status, 403);
        assert.match(refused?.challenge ?? '', /error="insufficient_scope".*scope="orders:create"/);
        assert.deepEqual(scopesOf(agent.tokens()?.scope), ['offline_access', 'orders:create', 'orders:read']);
      });

      test('one consent gives all rights that a tool needs', async () => {
        const asked = agent.authorizations.length;
        await agent.call('list_orders_with_products', {}, person.allow);
        assert.equal(agent.authorizations.length, asked + 1);
        assert.match(person.consent, /Products/);
      });

      test('a limited right reaches the tool with its limits', async () => {
        const own = await agent.call('change_amount', { id: 1, amount: 9 }, person.allow);
        assert.equal(resultOf(own), 'changed');
        assert.match(person.consent, /customer is 42/);
        const other = await agent.call('change_amount', { id: 2, amount: 9 });
        assert.equal(other.isError, true);
      });

      test('a right that the person lacks stays refused, and the others are kept', async () => {
        await assert.rejects(agent.call('delete_order', { id: 1 }, person.allow));
        assert.equal(resultOf(await agent.call('change_amount', { id: 1, amount: 8 })), 'changed');
        assert.ok(Array.isArray(resultOf(await agent.call('list_orders'))));
      });

      test('it refreshes its tokens, keeps its rights and gets another refresh token', async () => {
        const before = agent.tokens();
        await agent.refresh();
        assert.notEqual(agent.tokens()?.access_token, before?.access_token);
        assert.notEqual(agent.tokens()?.refresh_token, before?.refresh_token);
        assert.equal(resultOf(await agent.call('change_amount', { id: 1, amount: 7 })), 'changed');
      });

      test('it is refused everywhere after the person ended its access', async (t) => {
        const token = agent.tokens()?.access_token ?? '';
        const verifiers = [verifierOf('local'), verifierOf('introspection')];
        t.after(() => verifiers.map((verifier) => verifier.close()));
        const refusedBy = (verifier: Verifier) =>
          verifier.verify(token).then(
            () => false,
            (error: unknown) => error instanceof AccessError && error.code === 'invalid_token',
          );
        for (const verifier of verifiers) {
          await until('it is accepted', () => verifier.verify(token).catch(() => undefined));
        }
        const listed = await person.end(`${server.issuer}/account/applications?application=agents`, NAME);
        assert.match(listed, /Orders/);
        const headers = { authorization: `Bearer ${token}` };
        await Promise.all([
          ...verifiers.map((verifier) => until('it is refused', () => refusedBy(verifier))),
          until('the MCP server refuses it', async () => (await fetch(url, { headers })).status === 401),
        ]);
        const from = agent.exchanges.length;
        await assert.rejects(agent.call('list_orders'));
        assert.deepEqual(seen(agent.exchanges.slice(from, from + 2)), [
          'POST /mcp 401',
          'POST /oauth/token 400',
        ]);
        assert.equal(agent.tokens(), undefined);
      });
    });
  }
});
