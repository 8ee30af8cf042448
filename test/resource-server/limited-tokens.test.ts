/** Tokens with limited rights as a real server issues them, in every form that a resource can choose. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { RIGHTS_CLAIMS } from '../../src/permissions/token-claims.ts';
import { createVerifier, type VerifiedToken, type Verifier } from '../../src/resource-server/index.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const LIMIT = { columns: ['id', 'total'], rows: { customer: ['042'] } };
const own = [{ columns: ['id', 'total'], rows: { customer: ['42'] } }];

for (const claims of [RIGHTS_CLAIMS, ...RIGHTS_CLAIMS.map((claim) => [claim])]) {
  describe(`a JWT with the claims ${claims.join(' and ')}`, () => {
    let server: TestServer;
    let jwt: string;
    const verifiers: Verifier[] = [];
    before(async () => {
      server = await startServer({
        fixture(fixture) {
          const [acme] = fixture.organizations;
          const [resource] = acme.resources;
          resource.token.claims = claims;
          resource.tables[0].columns = [
            { name: 'id', type: 'integer' },
            { name: 'total', type: 'decimal' },
            { name: 'customer', type: 'integer' },
          ];
          acme.applications[1].permissions = { tables: { '*': { read: true }, orders: { update: LIMIT } } };
        },
      });
      jwt = (await server.token('machine')).json.access_token;
      for (const mode of ['local', 'introspection'] as const) {
        const clientSecret = server.secretOf('shop-api');
        const made = createVerifier({
          issuer: server.issuer,
          resource: RESOURCE,
          clientId: 'shop-api',
          clientSecret,
          mode,
        });
        verifiers.push(made);
        await until('it knows the revocations', () => made.verify(jwt).catch(() => undefined));
      }
    });
    after(async () => {
      for (const each of verifiers) each.close();
      await server[Symbol.asyncDispose]();
    });

    const read = (): Promise<VerifiedToken[]> => Promise.all(verifiers.map((each) => each.verify(jwt)));

    test('it says rights in these claims only', () => {
      const said = Object.keys(decodeJwt(jwt)).filter((name) =>
        RIGHTS_CLAIMS.some((claim) => claim === name),
      );
      assert.deepEqual(said.sort(), [...claims].sort());
    });

    test('every table may be read, also one that is not there yet', async () => {
      for (const { permissions, access } of await read()) {
        assert.equal(permissions.allows('later', 'read'), true);
        assert.deepEqual(access.limits('orders', 'read'), [{}]);
        assert.deepEqual(access.limits('later', 'delete'), []);
      }
    });

    test('the limited right has its limits, or is left out, and is never unlimited', async () => {
      const [local, introspected] = await read();
      for (const token of [local, introspected])
        assert.equal(token?.permissions.allows('orders', 'update'), false);
      const hasDetails = claims.some((claim) => claim === 'authorization_details');
      assert.deepEqual(local?.access.limits('orders', 'update'), hasDetails ? own : []);
      assert.deepEqual(introspected?.access.limits('orders', 'update'), own);
    });
  });
}
