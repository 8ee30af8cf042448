import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { parseApplyFile } from '../../src/apply/file.ts';
import type { AccessError } from '../../src/resource-server/errors.ts';
import { createVerifier } from '../../src/resource-server/verifier.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

describe('a resource whose access tokens have the type JWT', () => {
  let server: TestServer;
  let jwt: string;
  before(async () => {
    server = await startServer({
      fixture: ({ organizations: [acme] }) => {
        acme.resources[0].token.typ = 'JWT';
      },
    });
    jwt = (await server.token('machine')).json.access_token;
  });
  after(() => server[Symbol.asyncDispose]());

  const apply = (organization: object, options = {}) =>
    server.server.foundations.apply(
      parseApplyFile(JSON.stringify({ organizations: [{ name: 'acme', ...organization }] }), 'type.json'),
      options,
    );

  test('its tokens say so, and are good at introspection', async () => {
    assert.equal(decodeProtectedHeader(jwt).typ, 'JWT');
    assert.equal((await server.introspect(jwt)).active, true);
    const other = (await server.token('other-shop')).json.access_token;
    assert.equal(decodeProtectedHeader(other).typ, 'at+jwt');
  });

  test('a resource server takes them when it is told', async () => {
    for (const [tokenType, expected] of [
      ['JWT', 'accepted'],
      [undefined, 'invalid_token'],
    ] as const) {
      const verifier = createVerifier({
        issuer: server.issuer,
        resource: RESOURCE,
        clientId: 'shop-api',
        clientSecret: server.secretOf('shop-api'),
        ...(tokenType && { tokenType }),
      });
      const verdict = await until('the verifier knows enough', () =>
        verifier.verify(jwt).then(
          () => 'accepted',
          ({ code }: AccessError) => code !== 'unavailable' && code,
        ),
      );
      verifier.close();
      assert.equal(verdict, expected);
    }
  });

  test('an ID token is still not an access token', async () => {
    const { id_token: idToken } = await createFlow(server).tokens(createBrowser(server.issuer));
    for (const client of ['shop-api', 'web']) {
      assert.deepEqual(await server.introspect(idToken, client), { active: false });
    }
  });

  test('a clientId that is its identifier is refused, either way round', async () => {
    const spelled = RESOURCE.slice(0, -1);
    for (const clientId of [RESOURCE, spelled]) {
      await assert.rejects(
        apply({ applications: [{ name: 'clash', clientId }] }, { dryRun: true }),
        /has token\.typ JWT, and https:\/\/api\.acme\.example\/? is the clientId of an application/,
      );
    }
    await assert.rejects(apply({ clientId: RESOURCE }), /has token\.typ JWT/, 'the organization as a client');
    const other = 'https://second.acme.example/';
    await apply({
      resources: [{ identifier: other }],
      applications: [{ name: 'clash', clientId: other }],
    });
    await assert.rejects(
      apply({ resources: [{ identifier: other, token: { typ: 'JWT' } }] }),
      /token\.typ JWT/,
    );
  });

  test('a dry run shows the change, and the type that was set goes on being so', async () => {
    const { changes } = await apply(
      { resources: [{ identifier: RESOURCE, token: { typ: 'at+jwt' } }] },
      { dryRun: true },
    );
    assert.deepEqual(
      changes.flatMap(({ fields }) => fields),
      [{ field: 'token.typ', from: 'JWT', to: 'at+jwt' }],
    );
    assert.deepEqual((await apply({ resources: [{ identifier: RESOURCE, name: 'shop-db' }] })).changes, []);
  });

  test('tokens of the type JWT end when the resource goes back to at+jwt', async () => {
    await apply({ resources: [{ identifier: RESOURCE, token: { typ: 'at+jwt' } }] });
    assert.deepEqual(await server.introspect(jwt), { active: false });
    const later = (await server.token('machine')).json.access_token;
    assert.equal(decodeProtectedHeader(later).typ, 'at+jwt');
    assert.equal((await server.introspect(later)).active, true);
  });
});
