/** A started server with an application for a client library, and a person who logs in to it. */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import {
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
  type TestServerOptions,
} from '../support/server.ts';

export const CALLBACK = 'https://app.acme.example/callback';
export const BYE = 'https://app.acme.example/bye';
/** OpenID scopes and one of the resource together: userinfo and the API are for one token. */
export const SCOPE = 'openid profile email orders.read';

/** Characters that forms, URLs and Basic spell differently: each library encodes them in its own way. */
export const SECRET = 'secret+of/the=client:with%41-signs~';

const orders = { isAdmin: false, tables: { orders: { create: true, read: true } } };

/** Of the apply file: an application that authenticates, and whose library does not send PKCE. */
export function application(name: string, rest: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name,
    clientId: name,
    clientSecret: SECRET,
    pkce: 'optional',
    grants: ['authorization_code', 'refresh_token'],
    redirectUris: [CALLBACK],
    postLogoutRedirectUris: [BYE],
    resource: RESOURCE,
    scopes: ['openid', 'profile', 'email', 'offline_access', 'orders.read'],
    permissions: orders,
    ...rest,
  };
}

export interface Keys {
  readonly privateKey: CryptoKey;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

export async function createKeys(): Promise<Keys> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, privateJwk: await exportJWK(privateKey), publicJwk: await exportJWK(publicKey) };
}

/** Of the apply file: an application that acts for itself and proves itself with a signed assertion. */
export function keyedApplication(name: string, { publicJwk }: Keys): Record<string, unknown> {
  return application(name, {
    authMethod: 'private_key_jwt',
    clientSecret: undefined,
    jwks: { keys: [publicJwk] },
    grants: ['client_credentials'],
    pkce: undefined,
    redirectUris: undefined,
    postLogoutRedirectUris: undefined,
  });
}

/** A server where ann may log in to each of the applications. */
export function startWith(
  applications: readonly Record<string, unknown>[],
  options: TestServerOptions = {},
): Promise<TestServer> {
  return startServer({
    ...options,
    fixture(fixture) {
      const [acme] = fixture.organizations;
      for (const each of applications) {
        acme.applications.push(each);
        acme.users.push({
          username: 'ann',
          password: PASSWORD,
          email: 'ann@acme.example',
          application: each.name,
          roles: ['clerk'],
        });
      }
      options.fixture?.(fixture);
    },
  });
}

export interface Person {
  /** Logs in and consents where that is due. @returns the address of the application where it ended */
  authorize(url: string): Promise<URL>;
  /** Says yes to the end of the session. @returns the address where it ended */
  logOut(url: string): Promise<URL>;
}

export function createPerson(server: TestServer): Person {
  const browser = createBrowser(server.issuer);
  return {
    authorize: (url) => createFlow(server).authorize(browser, url),
    async logOut(url) {
      const page = await browser.get(url);
      const done = await browser.submit(page, '/oauth/logout/confirm', { logout: 'yes' });
      return new URL(done.url);
    },
  };
}
