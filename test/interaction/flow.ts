/** The steps of an authorization request as a person with a browser takes them, against a started server. */
import assert from 'node:assert/strict';
import { userSubject } from '../../src/directory/subjects.ts';
import { createRememberedConsents } from '../../src/tokens/remembered-consents.ts';
import {
  authorizeUrl,
  type Browser,
  createBrowser,
  createPkce,
  type Page,
  type Pkce,
} from '../support/browser.ts';
import { type Answer, PASSWORD, REDIRECT_URI, type TestServer } from '../support/server.ts';

export type Parameters = Record<string, string | undefined>;

export interface Flow {
  /** An authorization request of the application `web`, unless the parameters say otherwise. */
  request(parameters?: Parameters, pkce?: Pkce): { readonly url: string; readonly pkce: Pkce };
  logIn(browser: Browser, page: Page, fields?: Record<string, string>): Promise<Page>;
  /** Login and consent where they are due. @returns where it ended */
  authorize(browser: Browser, url: string, fields?: Record<string, string>): Promise<URL>;
  /** Forgets what the person agreed to, so that they are asked again. */
  forget(username?: string, clientId?: string): Promise<void>;
  redeem(code: string, verifier: string, client?: string, form?: Record<string, string>): Promise<Answer>;
  /** A whole login in a browser of its own, to the code. */
  login(parameters?: Parameters): Promise<{ code: string; pkce: Pkce; answer: URL }>;
  /** The same, to the answer of the token endpoint. */
  tokens(
    browser: Browser,
    parameters?: Parameters,
    fields?: Record<string, string>,
  ): Promise<Record<string, any>>;
}

export function createFlow(server: TestServer): Flow {
  const flow: Flow = {
    request: (parameters = {}, pkce = createPkce()) => ({
      pkce,
      url: authorizeUrl(server.issuer, pkce, {
        client_id: 'web',
        redirect_uri: REDIRECT_URI,
        scope: 'openid orders.read',
        ...parameters,
      }),
    }),
    logIn: (browser, page, fields = {}) =>
      browser.submit(page, '/login', { username: 'ann', password: PASSWORD, ...fields }),
    async authorize(browser, url, fields) {
      let page = await browser.get(url);
      if (isLoginPage(page)) page = await flow.logIn(browser, page, fields);
      if (isConsentPage(page)) page = await browser.submit(page, '/consent');
      return new URL(page.url);
    },
    async forget(username = 'ann', clientId = 'web') {
      const { directory, users, registry, storage, now } = server.server.foundations;
      const { application } = (await (await directory.view()).findApplication(clientId))!;
      const user = (await users.findByLogin(application.realm, username))!;
      const consents = createRememberedConsents({ artifacts: storage.artifacts, directory, registry, now });
      await consents.forget(userSubject(user), application.id);
    },
    redeem: (code, verifier, client = 'web', form = {}) =>
      server.post('/oauth/token', client, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: verifier,
        ...form,
      }),
    async login(parameters) {
      const { url, pkce } = flow.request(parameters);
      const answer = await flow.authorize(createBrowser(server.issuer), url);
      return { code: codeOf(answer), pkce, answer };
    },
    async tokens(browser, parameters, fields) {
      const { url, pkce } = flow.request(parameters);
      const code = codeOf(await flow.authorize(browser, url, fields));
      const { status, json, text } = await flow.redeem(code, pkce.verifier);
      assert.equal(status, 200, text);
      return json;
    },
  };
  return flow;
}

export function isLoginPage({ text }: Page): boolean {
  return /action="[^"]*\/login"/.test(text);
}

export function isConsentPage({ text }: Page): boolean {
  return /action="[^"]*\/consent"/.test(text);
}

/** @throws AssertionError if the client was not answered with one */
export function codeOf(answer: URL): string {
  const code = answer.searchParams.get('code');
  assert.ok(code, answer.href);
  return code;
}

/** The `error` with which the client was answered. */
export function errorOf(page: Page): string | null {
  return new URL(page.url).searchParams.get('error');
}

/** Of a consent page: table id to the actions that it says yes to. */
export function shownTables({ text }: Page): Record<string, string[]> {
  const actions = [...text.matchAll(/<th scope="col">(\w+)<\/th>/g)].map(([, name]) => name).slice(1);
  const rows = text.matchAll(/<tr><th scope="row" title="([^"]*)">.*?<\/th>(.*?)<\/tr>/g);
  return Object.fromEntries(
    [...rows].map(([, id, cells = '']) => {
      const allowed = [...cells.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell === 'yes');
      return [id, actions.filter((_, index) => allowed[index])];
    }),
  );
}

/** A form's answer as it was sent, before any redirect is followed. */
export function postRaw(
  server: TestServer,
  browser: Browser,
  path: string,
  fields: Record<string, string>,
): Promise<Response> {
  return fetch(new URL(path, server.issuer), {
    method: 'POST',
    redirect: 'manual',
    headers: {
      accept: 'text/html',
      cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
    },
    body: new URLSearchParams(fields),
  });
}
