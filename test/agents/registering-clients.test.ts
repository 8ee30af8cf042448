import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  discoverAuthorizationServerMetadata,
  RegistrationRejectedError,
  registerClient,
} from '@modelcontextprotocol/client';
import * as openid from 'openid-client';
import { createPerson } from '../clients/world.ts';
import { RESOURCE, type TestServer } from '../support/server.ts';
import { CALLBACK, NATIVE, startRegistration, storedOf } from './registration-world.ts';

describe('clients of others register', () => {
  let server: TestServer;
  before(async () => {
    server = await startRegistration();
  });
  after(() => server[Symbol.asyncDispose]());

  test('openid-client registers, logs a person in and refreshes', async () => {
    const { client_name, redirect_uris, grant_types } = NATIVE;
    const metadata = { client_name, redirect_uris, grant_types };
    const config = await openid.dynamicClientRegistration(new URL(server.issuer), metadata, undefined, {
      execute: [openid.allowInsecureRequests],
    });
    const { client_id, client_secret } = config.clientMetadata();
    assert.match(String(client_secret), /^gcs_/);
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid offline_access orders.read orders:read',
      resource: RESOURCE,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      prompt: 'consent',
    });
    const answer = await createPerson(server).authorize(url.href);
    const tokens = await openid.authorizationCodeGrant(config, answer, { pkceCodeVerifier });
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
    const active = await server.introspect(refreshed.access_token);
    assert.deepEqual([active.active, active.client_id], [true, client_id]);
  });

  test('the official client of MCP registers with what the server announces', async () => {
    const metadata = (await discoverAuthorizationServerMetadata(server.issuer))!;
    assert.equal(metadata.registration_endpoint, `${server.issuer}/oauth/register`);
    const clientMetadata = { ...NATIVE, application_type: 'native' as const };
    const information = await registerClient(server.issuer, {
      metadata,
      clientMetadata,
      scope: 'orders:read',
    });
    const stored = (await storedOf(server, information.client_id))!;
    assert.deepEqual([stored.authMethod, stored.native], ['none', true]);
    assert.deepEqual(information.redirect_uris, [CALLBACK]);
  });

  test('the official client of MCP is told why a registration is refused', async () => {
    const metadata = (await discoverAuthorizationServerMetadata(server.issuer))!;
    const clientMetadata = { ...NATIVE, application_type: 'web' as const };
    await assert.rejects(registerClient(server.issuer, { metadata, clientMetadata }), (error) => {
      assert.ok(error instanceof RegistrationRejectedError);
      assert.match(`${error.message} ${JSON.stringify(error)}`, /needs the application_type native/);
      return true;
    });
  });
});
