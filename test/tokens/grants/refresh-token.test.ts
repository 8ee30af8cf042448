import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PASSWORD, startServer, type TestServer } from '../../support/server.ts';

const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 100 : 5;

describe('refresh_token', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const login = async (client = 'shop', form: Record<string, string> = {}) => {
    const { status, json } = await server.post('/oauth/token', client, {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      ...form,
    });
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };
  const refresh = (refreshToken: string, form: Record<string, string> = {}, client = 'shop') =>
    server.post('/oauth/token', client, {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      ...form,
    });

  test('RT-01 every use rotates, and the new access token says the same', async () => {
    const first = await login();
    const second = await refresh(first.refresh_token);
    assert.equal(second.status, 200);
    assert.notEqual(second.json.refresh_token, first.refresh_token);
    assert.deepEqual(second.json.permissions, first.permissions);
    const third = await refresh(second.json.refresh_token);
    assert.equal(third.status, 200);
    assert.equal((await server.introspect(third.json.access_token)).active, true);
  });

  test('RT-02 an honest retry within the grace gets the same successor', async () => {
    const { refresh_token } = await login();
    const first = await refresh(refresh_token);
    const retry = await refresh(refresh_token);
    assert.equal(retry.status, 200);
    assert.equal(retry.json.refresh_token, first.json.refresh_token);
    assert.equal((await refresh(first.json.refresh_token)).status, 200);
  });

  test('RT-02 reuse after the grace ends the whole login', async () => {
    const start = await login();
    const { json } = await refresh(start.refresh_token);
    server.clock.offset += 6_000;
    const reuse = await refresh(start.refresh_token);
    assert.equal(reuse.status, 400);
    assert.equal(reuse.json.error, 'invalid_grant');
    assert.equal((await refresh(json.refresh_token)).status, 400);
    for (const token of [start.access_token, json.access_token]) {
      assert.deepEqual(await server.introspect(token), { active: false });
    }
  });

  test('RT-02 a token that was used two rotations ago ends the login, grace or not', async () => {
    const { refresh_token } = await login();
    const second = await refresh(refresh_token);
    const third = await refresh(second.json.refresh_token);
    assert.equal((await refresh(refresh_token)).status, 400);
    assert.equal((await refresh(third.json.refresh_token)).status, 400);
  });

  test('RT-02 of 20 parallel refreshes all that succeed name one successor', async () => {
    // All are within the grace, however long they take.
    server.clock.stoppedAt = Date.now() + server.clock.offset;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { refresh_token } = await login();
      const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)));
      const successors = new Set(
        answers.filter(({ status }) => status === 200).map(({ json }) => json.refresh_token),
      );
      assert.equal(successors.size, 1);
      assert.equal((await refresh([...successors][0])).status, 200);
    }
    delete server.clock.stoppedAt;
  });

  test('RT-03 reuse is refused after a restart and after the clock was set back', async () => {
    const { refresh_token } = await login();
    const { json } = await refresh(refresh_token);
    server.clock.offset += 10_000;
    await server.restart();
    server.clock.offset -= 3_600_000;
    assert.equal((await refresh(refresh_token)).status, 400);
    server.clock.offset += 3_600_000;
    assert.equal((await refresh(json.refresh_token)).status, 400);
  });

  test('RT-04 no refresh that raced with a revocation leaves a living token', async () => {
    const rounds = process.env.GRANTABLE_TEST_LONG ? 1_000 : 25;
    for (let round = 0; round < rounds; round += 1) {
      const start = await login();
      const racing = Promise.all(Array.from({ length: 3 }, () => refresh(start.refresh_token)));
      await server.post('/oauth/revoke', 'shop', { token: start.refresh_token });
      for (const { status, json } of await racing) {
        if (status === 200) assert.deepEqual(await server.introspect(json.access_token), { active: false });
      }
      assert.deepEqual(await server.introspect(start.access_token), { active: false });
    }
  });

  test('RT-05 another client, no authentication and wider rights are refused', async () => {
    const { refresh_token } = await login();
    const stranger = await refresh(refresh_token, {}, 'other-shop');
    assert.equal(stranger.json.error, 'invalid_grant');
    const anonymous = await server.post('/oauth/token', undefined, {
      grant_type: 'refresh_token',
      refresh_token,
      client_id: 'shop',
    });
    assert.equal(anonymous.status, 401);
    assert.equal(
      (await refresh(refresh_token, { scope: 'orders.read orders.write' })).json.error,
      'invalid_scope',
    );
    const wider = await refresh(refresh_token, { permissions: '{"isAdmin":true,"tables":{}}' });
    assert.equal(wider.json.error, 'invalid_authorization_details');
    assert.equal((await refresh(refresh_token)).status, 200);
  });

  test('a refresh may ask for less, and the next one has all again', async () => {
    const { refresh_token } = await login();
    const less = await refresh(refresh_token, {
      permissions: '{"isAdmin":false,"tables":{"orders":{"read":true}}}',
    });
    assert.deepEqual(Object.keys(less.json.permissions.tables), ['orders']);
    const again = await refresh(less.json.refresh_token);
    assert.deepEqual(Object.keys(again.json.permissions.tables), ['orders', 'products']);
  });

  test('RT-06 rotation never extends the end of a login', async () => {
    const { refresh_token } = await login();
    const before = server.clock.offset;
    let current = refresh_token;
    for (let day = 0; day < 29; day += 7) {
      server.clock.offset = before + day * 86_400_000;
      const { status, json } = await refresh(current);
      assert.equal(status, 200, `day ${day}`);
      current = json.refresh_token;
    }
    server.clock.offset = before + 30 * 86_400_000 - 60_000;
    const last = await refresh(current);
    assert.equal(last.status, 200);
    assert.ok(last.json.expires_in <= 60, 'the access token ends with the login');
    server.clock.offset = before + 30 * 86_400_000 + 1_000;
    assert.equal((await refresh(last.json.refresh_token)).json.error, 'invalid_grant');
    server.clock.offset = before;
  });

  test('RT-07 revoking a refresh token kills its access tokens at once', async () => {
    const start = await login();
    const { json } = await refresh(start.refresh_token);
    const answer = await server.post('/oauth/revoke', 'shop', { token: json.refresh_token });
    assert.equal(answer.status, 200);
    for (const token of [start.access_token, json.access_token, json.refresh_token]) {
      assert.deepEqual(await server.introspect(token, 'shop'), { active: false });
    }
    assert.equal((await server.post('/oauth/revoke', 'shop', { token: 'gat_unknown' })).status, 200);
  });

  test('RT-07 a token of another client is refused and lives on', async () => {
    const { access_token, refresh_token } = await login();
    for (const token of [access_token, refresh_token]) {
      const answer = await server.post('/oauth/revoke', 'other-shop', { token });
      assert.equal(answer.status, 400);
      assert.equal((await server.introspect(token, 'shop')).active, true);
    }
  });

  test('JW-10 a shortened, lengthened or case-changed refresh token is unknown', async () => {
    const { refresh_token } = await login();
    const swap = (text: string) =>
      text.replace(/[a-z]/i, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
    const changed = [
      refresh_token.slice(0, -1),
      `${refresh_token}A`,
      refresh_token.slice(0, 4) + swap(refresh_token.slice(4)),
      refresh_token.slice(0, -1) + (refresh_token.endsWith('A') ? 'B' : 'A'),
      ` ${refresh_token}`,
    ];
    for (const token of changed) assert.equal((await refresh(token)).json.error, 'invalid_grant', token);
    assert.equal((await refresh(refresh_token)).status, 200);
  });
});
