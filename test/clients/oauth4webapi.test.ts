import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { createPkce } from '../support/browser.ts';
import type { TestServer } from '../support/server.ts';
import { application, BYE, CALLBACK, createPerson, type Person, SCOPE, SECRET, startWith } from './world.ts';

// On this machine only there is no TLS.
const options = { [oauth.allowInsecureRequests]: true };
const client: oauth.Client = { client_id: 'web-api' };

/** Its three ways to send a secret or to do without PKCE, each with an application that is registered for the other. */
const variants = [
  {
    name: 'Basic and PKCE',
    authenticate: oauth.ClientSecretBasic(SECRET),
    registered: { authMethod: 'client_secret_post', pkce: 'required' },
    pkce: createPkce(),
  },
  {
    name: 'the body and no PKCE',
    authenticate: oauth.ClientSecretPost(SECRET),
    registered: { authMethod: 'client_secret_basic' },
    pkce: undefined,
  },
];

for (const { name, authenticate, registered, pkce } of variants) {
  describe(`oauth4webapi with ${name}`, () => {
    let server: TestServer;
    let as: oauth.AuthorizationServer;
    before(async () => {
      server = await startWith([application('web-api', registered)]);
      const issuer = new URL(server.issuer);
      as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
    });
    after(() => server[Symbol.asyncDispose]());

    async function logIn(): Promise<{ person: Person; tokens: oauth.TokenEndpointResponse }> {
      const person = createPerson(server);
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
      const url = new URL(as.authorization_endpoint ?? '');
      url.search = String(
        new URLSearchParams({
          response_type: 'code',
          client_id: client.client_id,
          redirect_uri: CALLBACK,
          scope: SCOPE,
          state,
          nonce,
          ...(pkce && { code_challenge: pkce.challenge, code_challenge_method: 'S256' }),
        }),
      );
      const parameters = oauth.validateAuthResponse(as, client, await person.authorize(url.href), state);
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        authenticate,
        parameters,
        CALLBACK,
        pkce?.verifier ?? oauth.nopkce,
        options,
      );
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
      await oauth.validateApplicationLevelSignature(as, response, options);
      return { person, tokens };
    }

    async function isActive(token: string): Promise<unknown> {
      const response = await oauth.introspectionRequest(as, client, authenticate, token, options);
      return (await oauth.processIntrospectionResponse(as, client, response)).active;
    }

    test('it logs in, checks the ID token with its signature and reads the profile', async () => {
      const { tokens } = await logIn();
      const { sub } = oauth.getValidatedIdTokenClaims(tokens) as oauth.IDToken;
      const response = await oauth.userInfoRequest(as, client, tokens.access_token, options);
      const profile = await oauth.processUserInfoResponse(as, client, sub, response);
      assert.deepEqual([profile.preferred_username, profile.email], ['ann', 'ann@acme.example']);
    });

    test('it refreshes', async () => {
      const { tokens } = await logIn();
      const token = tokens.refresh_token ?? '';
      const response = await oauth.refreshTokenGrantRequest(as, client, authenticate, token, options);
      const renewed = await oauth.processRefreshTokenResponse(as, client, response);
      assert.notEqual(renewed.access_token, tokens.access_token);
    });

    test('it revokes and introspects', async () => {
      const { tokens } = await logIn();
      const token = tokens.refresh_token ?? '';
      assert.equal(await isActive(token), true);
      const response = await oauth.revocationRequest(as, client, authenticate, token, options);
      await oauth.processRevocationResponse(response);
      assert.equal(await isActive(token), false);
    });

    test('it logs out', async () => {
      const { person, tokens } = await logIn();
      const url = new URL(as.end_session_endpoint ?? '');
      const asked = { id_token_hint: tokens.id_token ?? '', post_logout_redirect_uri: BYE };
      url.search = String(new URLSearchParams(asked));
      assert.equal((await person.logOut(url.href)).href, BYE);
      assert.equal(await isActive(tokens.access_token), false);
    });
  });
}
