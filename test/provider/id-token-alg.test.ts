import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { parseApplyFile } from '../../src/apply/file.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { storageForTests } from '../support/mongodb.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const OFFLINE = { scope: 'openid offline_access orders.read', prompt: 'consent' };

/** In the order of the document. */
async function publishedAlgs({ issuer }: TestServer): Promise<string[]> {
  const { keys } = (await (await fetch(`${issuer}/oauth/jwks`)).json()) as { keys: { alg: string }[] };
  return [...new Set(keys.map(({ alg }) => alg))];
}

async function metadataOf({ issuer }: TestServer): Promise<Record<string, any>> {
  return (await fetch(`${issuer}/.well-known/openid-configuration`)).json() as Promise<Record<string, any>>;
}

async function verified(server: TestServer, idToken: string) {
  const set = createLocalJWKSet((await (await fetch(`${server.issuer}/oauth/jwks`)).json()) as never);
  return jwtVerify(idToken, set, { issuer: server.issuer, audience: 'web' });
}

/** The application `web` with another algorithm. */
function naming(fixture: any, idTokenAlg: string): void {
  for (const application of fixture.organizations[0].applications) {
    if (application.name === 'web') Object.assign(application, { idTokenAlg });
  }
}

const fileWith = (idTokenAlg: string) =>
  parseApplyFile(
    JSON.stringify({ organizations: [{ name: 'acme', applications: [{ name: 'web', idTokenAlg }] }] }),
    'web.json',
  );

test('an application that says nothing gets RS256, and only what is named is published', async () => {
  await using server = await startServer();
  const tokens = await createFlow(server).tokens(createBrowser(server.issuer));
  const { protectedHeader, payload } = await verified(server, tokens.id_token);
  assert.equal(protectedHeader.alg, 'RS256');
  const digest = hash('sha256', tokens.access_token, 'buffer');
  assert.equal(payload.at_hash, digest.subarray(0, 16).toString('base64url'));
  assert.deepEqual(await publishedAlgs(server), ['RS256', 'ES256']);
  // Libraries for APIs, such as Auth0's, accept access tokens in these algorithms only.
  assert.deepEqual((await metadataOf(server)).id_token_signing_alg_values_supported, ['RS256', 'ES256']);
});

for (const alg of ['PS256', 'ES256', 'EdDSA']) {
  test(`in a new store ${alg} signs ID tokens at once`, async () => {
    await using server = await startServer({ fixture: (fixture) => naming(fixture, alg) });
    const tokens = await createFlow(server).tokens(createBrowser(server.issuer));
    const { protectedHeader, payload } = await verified(server, tokens.id_token);
    assert.equal(protectedHeader.alg, alg);
    const digest = hash(alg === 'EdDSA' ? 'sha512' : 'sha256', tokens.access_token, 'buffer');
    assert.equal(payload.at_hash, digest.subarray(0, digest.length / 2).toString('base64url'));
    const { id_token_signing_alg_values_supported: listed } = await metadataOf(server);
    assert.deepEqual(new Set(listed), new Set(['RS256', 'ES256', alg]));
  });
}

test('an algorithm named while the server runs signs five minutes later', async (t) => {
  await using server = await startServer();
  const flow = createFlow(server);
  const tokens = await flow.tokens(createBrowser(server.issuer), OFFLINE);
  let refreshToken: string = tokens.refresh_token;
  const refreshedAlg = async (): Promise<unknown> => {
    const { json, text } = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    assert.ok(json.id_token, text);
    refreshToken = json.refresh_token;
    return decodeProtectedHeader(json.id_token).alg;
  };

  await t.test('its key is published, and the one before it signs', async () => {
    await server.server.foundations.apply(fileWith('PS256'));
    assert.equal(await refreshedAlg(), 'RS256');
    await until('PS256 is published', async () => (await publishedAlgs(server)).includes('PS256'));
    assert.equal(await refreshedAlg(), 'RS256');
    const { id_token_signing_alg_values_supported: listed } = await metadataOf(server);
    assert.deepEqual(listed, ['RS256', 'PS256', 'ES256']);
  });

  await t.test('then it signs', async () => {
    server.clock.offset += 240_000;
    assert.equal(await refreshedAlg(), 'RS256');
    server.clock.offset += 61_000;
    await until('ID tokens are signed by PS256', async () => (await refreshedAlg()) === 'PS256');
    await verified(server, (await refreshed()).id_token);
  });
  async function refreshed(): Promise<Record<string, any>> {
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const { json } = await server.post('/oauth/token', 'web', form);
    refreshToken = json.refresh_token;
    return json;
  }

  await t.test('an ID token in the earlier algorithm is still a good hint at logout', async () => {
    const page = await fetch(
      `${server.issuer}/oauth/logout?${new URLSearchParams({ id_token_hint: tokens.id_token })}`,
    );
    assert.equal(page.status, 200, await page.text());
  });
});

test('an algorithm named in one process gets one key, published by all', async (t) => {
  const env = await storageForTests();
  await using first = await startServer({ env });
  await using second = await startServer({
    dataDir: first.dataDir,
    env,
    fixture: (fixture) => naming(fixture, 'EdDSA'),
  });
  const kidsOf = async ({ issuer }: TestServer): Promise<string[]> => {
    const { keys } = (await (await fetch(`${issuer}/oauth/jwks`)).json()) as {
      keys: { alg: string; kid: string }[];
    };
    return keys.filter(({ alg }) => alg === 'EdDSA').map(({ kid }) => kid);
  };
  await until('a key is published', async () => (await kidsOf(first)).length > 0);
  assert.deepEqual(await kidsOf(first), await kidsOf(second));
  t.diagnostic('both servers publish one key');
  assert.equal((await kidsOf(first)).length, 1);
});
