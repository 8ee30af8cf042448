import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { TokenRow } from '../../src/storage/contract.ts';
import { createTrader } from '../support/exchange.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const EXCHANGES = 'token_exchange';

describe('rows of tokens', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        for (const application of fixture.organizations[0]?.applications ?? []) {
          if (['machine', 'shop'].includes(application.name)) application.grants.push(EXCHANGES);
        }
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const tokens = () => server.server.foundations.storage.tokens;
  const page = async (by: 'application' | 'user' | 'connection' | 'parent', id = '') =>
    (await tokens().page({ by, id, now: server.clock.offset + Date.now(), limit: 100 })).items;
  const idOf = (token: string): string => String(decodeJwt(token).jti);

  const logIn = async () => {
    const form = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const { status, json } = await server.post('/oauth/token', 'shop', form);
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };

  test('a token has the nearest login, token or connection above it as its parent', async () => {
    const trader = createTrader(server);
    const first = await logIn();
    const [ofLogin] = await page('application', (await rowOf(first.access_token)).application);
    assert.equal(ofLogin?.id, idOf(first.access_token));
    assert.equal(ofLogin.parent, ofLogin.login);
    const refreshed = await server.post('/oauth/token', 'shop', {
      grant_type: 'refresh_token',
      refresh_token: first.refresh_token,
    });
    const traded = await trader.exchange('shop', first.access_token);
    assert.equal(traded.status, 200, traded.text);
    const { connection, token } = await trader.connect('machine', { scopes: ['orders.read'] });
    const connected = await trader.exchange('machine', token);
    assert.equal(connected.status, 200, connected.text);

    const ids = (rows: readonly TokenRow[]) => rows.map(({ id }) => id);
    const [second, third, fourth] = [refreshed, traded, connected].map(({ json }) => idOf(json.access_token));
    assert.deepEqual(ids(await page('parent', ofLogin.login)), [second, ofLogin.id]);
    assert.deepEqual(ids(await page('parent', ofLogin.id)), [third]);
    assert.deepEqual(ids(await page('user', ofLogin.user)), [third, second, ofLogin.id]);
    for (const by of ['parent', 'connection'] as const) {
      assert.deepEqual(ids(await page(by, connection.id)), [fourth]);
    }
    for (const row of [...(await page('user', ofLogin.user)), ...(await page('parent', connection.id))]) {
      assert.ok(row.ancestors.includes(row.parent ?? ''), 'a parent is one of the nodes above');
    }
    const [login] = await logins();
    assert.ok(login && !('parent' in login.row), 'above a login that a person began is none');
  });

  test('claims, introspection and the answer say the same seconds', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      server.clock.offset += 237;
      const answer = await logIn();
      const claims = decodeJwt(answer.access_token);
      const row = await rowOf(answer.access_token);
      const { iat, exp, auth_time } = await server.introspect(answer.access_token);
      assert.deepEqual([iat, exp, auth_time], [claims.iat, claims.exp, claims.auth_time]);
      assert.equal(Number(exp) - Number(iat), answer.expires_in);
      assert.equal(row.expiresAt, Number(exp) * 1000);
      for (const [at, seconds] of [
        [row.issuedAt, iat],
        [row.authenticatedAt, auth_time],
      ]) {
        assert.equal(Math.floor(Number(at) / 1000), seconds);
      }
    }
  });

  test('a row stays readable after its client was removed', async () => {
    const answer = await logIn();
    const before = await rowOf(answer.access_token);
    const { changes, storage } = server.server.foundations;
    const application = await storage.directory.applications.get(before.application);
    assert.ok(application);
    await changes.applications.remove(application, { actor: 'test' });
    assert.deepEqual(await rowOf(answer.access_token), before);
    assert.equal((await server.introspect(answer.access_token)).active, false);
  });

  async function rowOf(token: string): Promise<TokenRow> {
    const row = await server.server.foundations.registry.findRow('jwt', idOf(token));
    assert.ok(row);
    return row;
  }

  async function logins() {
    const found = [];
    for await (const record of server.server.foundations.storage.dump.export()) {
      if (record.kind === 'logins') found.push(record);
    }
    return found;
  }
});
