/** A server whose organization lets agents in, and an agent's document on a real https server. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { codeOf, createFlow, isConsentPage, isLoginPage } from '../interaction/flow.ts';
import { answerJson, type Publisher, startPublisher } from '../outgoing/publisher.ts';
import type { Browser, Page, Pkce } from '../support/browser.ts';
import { authorizeUrl, createBrowser, createPkce } from '../support/browser.ts';
import {
  type Answer,
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  startServer,
  type TestServer,
  type TestServerOptions,
} from '../support/server.ts';

export const DEFAULT = { isAdmin: false, tables: { orders: { read: true } } };

/** The organizations of the fixture, with what the tests give them. */
export type Fixture = { organizations: Record<string, any>[] };

export interface Agent {
  readonly clientId: string;
  /** What its document says from here on. */
  publish(changes?: Record<string, unknown>): void;
  /** How often its document was fetched. */
  readonly fetches: number;
}

export interface AgentServer extends AsyncDisposable {
  readonly server: TestServer;
  readonly publisher: Publisher;
  agent(path?: string): Agent;
  /** An authorization request, `orders:read` of the first resource if the parameters do not say otherwise. */
  request(
    agent: Pick<Agent, 'clientId'>,
    parameters?: Record<string, string | undefined>,
  ): { readonly url: string; readonly pkce: Pkce };
  /** @returns the page after it */
  logIn(browser: Browser, page: Page): Promise<Page>;
  /** Login and consent. @returns where it ended */
  authorize(browser: Browser, url: string): Promise<URL>;
  redeem(agent: Agent, code: string, pkce: Pkce, form?: Record<string, string>): Promise<Answer>;
  /** All of it, to the answer of the token endpoint. */
  tokens(agent: Agent, parameters?: Record<string, string | undefined>, browser?: Browser): Promise<Answer>;
}

/** @param change of the fixture, in which the first organization permits all agents over its application `web` */
export async function startAgentServer(
  change: (fixture: Fixture) => void = () => undefined,
  { env, ...options }: Pick<TestServerOptions, 'env' | 'log'> = {},
): Promise<AgentServer> {
  const publisher = await startPublisher();
  setDefaultCACertificates([...getCACertificates(), publisher.ca]);
  const documents = new Map<string, object>();
  publisher.answer = (request, response) => {
    const document = documents.get(request.url ?? '');
    if (document) answerJson(document)(request, response);
    else response.writeHead(404).end();
  };
  const server = await startServer({
    ...options,
    env: { GRANTABLE_AGENT_HOSTS: publisher.hosts.join(','), ...env },
    fixture(fixture: Fixture) {
      const [acme] = fixture.organizations;
      const web = acme?.applications.find(({ name }: { name: string }) => name === 'web');
      Object.assign(web, { default: DEFAULT });
      Object.assign(acme ?? {}, { agents: { policy: 'any', application: 'web' } });
      change(fixture);
    },
  });
  const flow = createFlow(server);
  const all: AgentServer = {
    server,
    publisher,
    agent(path = '/client.json') {
      const clientId = publisher.urlOf(path, 'localhost');
      const agent: Agent = {
        clientId,
        publish(changes = {}) {
          documents.set(path, {
            client_id: clientId,
            client_name: 'Helper',
            redirect_uris: [REDIRECT_URI],
            grant_types: ['authorization_code', 'refresh_token'],
            token_endpoint_auth_method: 'none',
            ...changes,
          });
        },
        get fetches() {
          return publisher.requests.filter(({ url }) => url === path).length;
        },
      };
      agent.publish();
      return agent;
    },
    request(agent, parameters = {}) {
      const pkce = createPkce();
      const asked = {
        client_id: agent.clientId,
        redirect_uri: REDIRECT_URI,
        scope: 'orders:read',
        resource: RESOURCE,
        ...parameters,
      };
      return { url: authorizeUrl(server.issuer, pkce, asked), pkce };
    },
    logIn: (browser, page) => flow.logIn(browser, page, { password: PASSWORD }),
    async authorize(browser, url) {
      let page = await browser.get(url);
      if (isLoginPage(page)) page = await all.logIn(browser, page);
      if (isConsentPage(page)) page = await browser.submit(page, '/consent');
      return new URL(page.url);
    },
    redeem: ({ clientId }, code, { verifier }, form = {}) =>
      server.post('/oauth/token', undefined, {
        grant_type: 'authorization_code',
        client_id: clientId,
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: verifier,
        resource: RESOURCE,
        ...form,
      }),
    async tokens(agent, parameters, browser = createBrowser(server.issuer)) {
      const { url, pkce } = all.request(agent, parameters);
      return all.redeem(agent, codeOf(await all.authorize(browser, url)), pkce);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    },
  };
  return all;
}
