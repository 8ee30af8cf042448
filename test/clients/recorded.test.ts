import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { codeOf } from '../interaction/flow.ts';
import type { Answer, TestServer } from '../support/server.ts';
import { openRecording, type Recording } from './recording.ts';
import { application, BYE, createPerson, type Person, startWith } from './world.ts';

/** As Spring Security and passport-openidconnect choose it: base64, which forms and URLs spell differently. */
const state = 'LZVk5k/tJ8BOc2+bFtTlJeP=';
const nonce = 'n0nce-of-the-request';

/** A login to the code, with a person's browser of its own. */
async function logIn(server: TestServer, recording: Recording): Promise<{ person: Person; code: string }> {
  const person = createPerson(server);
  const answer = await person.authorize(recording.address('authorize', { state, nonce }));
  assert.equal(answer.searchParams.get('state'), state);
  return { person, code: codeOf(answer) };
}

function assertTokens({ status, text, json, headers }: Answer): Record<string, string> {
  assert.equal(status, 200, text);
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.deepEqual([json.token_type, typeof json.expires_in], ['Bearer', 'number']);
  assert.equal(json.scope, 'openid profile email orders.read');
  return json;
}

function assertJsonError({ status, headers, json, text }: Answer, expected: [number, string]): void {
  assert.match(headers.get('content-type') ?? '', /^application\/json/, text);
  assert.deepEqual([status, json.error], expected);
}

describe('recorded requests of client libraries', () => {
  let server: TestServer;
  before(async () => {
    server = await startWith([
      application('golang', { authMethod: 'client_secret_post' }),
      application('java'),
      application('passport'),
      application('spring', { redirectUris: ['https://app.acme.example/login/oauth2/code/acme'] }),
    ]);
  });
  after(() => server[Symbol.asyncDispose]());

  async function isAnn(recording: Recording, { access_token = '' }: Record<string, string>): Promise<void> {
    const { status, json, text } = await recording.send('userinfo', { access_token });
    assert.equal(status, 200, text);
    assert.deepEqual([json.preferred_username, json.email], ['ann', 'ann@acme.example']);
  }

  describe('golang.org/x/oauth2', () => {
    test('its first try, by Basic, logs in although the body is registered', async () => {
      const recording = openRecording('golang', server.issuer);
      const { code } = await logIn(server, recording);
      await isAnn(recording, assertTokens(await recording.send('code-by-basic', { code })));
    });

    test('its second try, in the body, logs in too', async () => {
      const recording = openRecording('golang', server.issuer);
      const { code } = await logIn(server, recording);
      await isAnn(recording, assertTokens(await recording.send('code-in-body', { code })));
    });

    test('it refreshes in either way', async () => {
      const recording = openRecording('golang', server.issuer);
      const { code } = await logIn(server, recording);
      const first = assertTokens(await recording.send('code-by-basic', { code }));
      const second = assertTokens(await recording.send('refresh-by-basic', first));
      await isAnn(recording, assertTokens(await recording.send('refresh-in-body', second)));
    });
  });

  describe('passport-openidconnect', () => {
    test('it logs in without PKCE and reads the profile', async () => {
      const recording = openRecording('passport', server.issuer);
      const { code } = await logIn(server, recording);
      await isAnn(recording, assertTokens(await recording.send('code', { code })));
    });
  });

  describe('Spring Security', () => {
    test('it logs in, and its default algorithm signs the ID token', async () => {
      const recording = openRecording('spring', server.issuer);
      const discovery = await recording.send('discovery');
      assert.equal(discovery.json.issuer, server.issuer);
      assert.ok(discovery.json.id_token_signing_alg_values_supported.includes('RS256'));
      const { code } = await logIn(server, recording);
      const tokens = assertTokens(await recording.send('code', { code }));
      const keys = createLocalJWKSet((await recording.send('jwks')).json as { keys: [] });
      const { payload } = await jwtVerify(tokens.id_token ?? '', keys, {
        algorithms: ['RS256'],
        issuer: server.issuer,
        audience: 'spring',
      });
      assert.equal(payload.nonce, nonce);
      await isAnn(recording, tokens);
    });

    test('it refreshes and logs out', async () => {
      const recording = openRecording('spring', server.issuer);
      const { person, code } = await logIn(server, recording);
      const tokens = assertTokens(await recording.send('code', { code }));
      const renewed = assertTokens(await recording.send('refresh', tokens));
      await isAnn(recording, renewed);
      const { id_token = '' } = tokens;
      const bye = await person.logOut(recording.address('logout', { id_token }));
      assert.equal(bye.href, BYE);
      assert.equal((await recording.send('userinfo', renewed)).status, 401);
    });
  });

  describe("Java's HttpURLConnection, which accepts HTML before all else", () => {
    test('it logs in and refreshes', async () => {
      const recording = openRecording('java', server.issuer);
      const { code } = await logIn(server, recording);
      const tokens = assertTokens(await recording.send('code', { code }));
      await isAnn(recording, tokens);
      await isAnn(recording, assertTokens(await recording.send('refresh', tokens)));
    });

    test('it introspects and revokes', async () => {
      const recording = openRecording('java', server.issuer);
      const { code } = await logIn(server, recording);
      const tokens = assertTokens(await recording.send('code', { code }));
      assert.equal((await recording.send('introspect', tokens)).json.active, true);
      const revoked = await recording.send('revoke', tokens);
      assert.deepEqual([revoked.status, revoked.json], [200, {}]);
      assert.deepEqual((await recording.send('introspect', tokens)).json, { active: false });
      assertJsonError(await recording.send('userinfo-after-revoke', tokens), [401, 'invalid_token']);
    });

    test('it logs out', async () => {
      const recording = openRecording('java', server.issuer);
      const { person, code } = await logIn(server, recording);
      const { id_token = '' } = assertTokens(await recording.send('code', { code }));
      const bye = await person.logOut(recording.address('logout', { id_token, state }));
      assert.deepEqual([bye.origin + bye.pathname, bye.searchParams.get('state')], [BYE, state]);
    });

    test('errors are told in JSON', async () => {
      const recording = openRecording('java', server.issuer);
      const wrong = await recording.send('code-with-wrong-secret', { code: 'x' });
      assertJsonError(wrong, [401, 'invalid_client']);
      assertJsonError(await recording.send('code', { code: 'x' }), [400, 'invalid_grant']);
      const unknown = await recording.send('unknown-path');
      assert.equal(unknown.status, 404);
      assert.match(unknown.headers.get('content-type') ?? '', /^application\/json/);
    });
  });
});
