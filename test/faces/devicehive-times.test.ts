/** Times and numbers in DeviceHive's requests, on a server whose zone is far from UTC. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const NOW = Date.parse('2031-01-02T03:04:05.900Z');
const zone = process.env.TZ;

interface Answer {
  readonly status: number;
  readonly json: Record<string, any>;
}

describe('DeviceHive on a server in another zone', () => {
  let server: TestServer;
  let token: string;
  let userId: number;
  before(async () => {
    process.env.TZ = 'Pacific/Auckland';
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.faces = { devicehive: { application: 'shop' } };
        acme.users.push({ username: 'digits', password: '8265093741560382', application: 'shop' });
      },
    });
    server.clock.stoppedAt = NOW;
    const { json } = await send('/token', { login: 'ann', password: PASSWORD });
    token = json.accessToken;
    userId = payloadOf(token).payload.u;
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  async function send(path: string, body: object, headers = {}): Promise<Answer> {
    const answer = await fetch(server.issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, any> };
  }
  const payloadOf = (jwt: string) => decodeJwt(jwt) as Record<string, any>;
  const create = (expiration: unknown) =>
    send('/token/create', { userId, expiration }, { authorization: `Bearer ${token}` });

  const END = Date.parse('2031-01-02T09:10:11Z');
  for (const text of [
    '2031-01-02T09:10:11',
    '2031-01-02 09:10:11',
    '2031-01-02T09:10:11.999',
    '2031-01-02T09:10:11Z',
    '2031-01-02T22:10:11+13:00',
    '2031-01-02T04:10:11-0500',
    END,
    String(END),
  ]) {
    test(`takes ${JSON.stringify(text)} for the same second`, async () => {
      const { status, json } = await create(text);
      assert.equal(status, 201);
      for (const made of [json.accessToken, json.refreshToken]) {
        const { exp, payload } = payloadOf(made);
        assert.equal(exp * 1000, END);
        assert.equal(payload.e, END);
      }
    });
  }

  for (const text of [
    '2031-02-29T00:00:00',
    '2031-02-30T00:00:00Z',
    '2031-04-31',
    '2031-13-01T00:00:00',
    '2031-01-32T00:00:00',
    '2031-01-02T24:00:01',
    '2031-01-02T23:60:00',
    '2031-01-02T23:59:60',
    '2031-01-02T09:10:11+99:00',
    '2031-1-2',
    '2031-01-02T09:10:11 GMT+1',
    '',
    '2031',
  ]) {
    test(`refuses ${JSON.stringify(text)}, which is not a time`, async () => {
      const { status, json } = await create(text);
      assert.equal(status, 400);
      assert.deepEqual(json, { error: 400, message: 'Invalid request parameters' });
    });
  }

  test('takes one second ahead, and less, for the future', async () => {
    for (const ahead of [1000, 999, 1]) {
      const { status, json } = await create(NOW + ahead);
      assert.equal(status, 201, String(ahead));
      assert.equal(payloadOf(json.accessToken).exp * 1000, Date.parse('2031-01-02T03:04:06Z'));
    }
    for (const behind of [0, 1, 1000]) assert.equal((await create(NOW - behind)).status, 400);
  });

  test('says one end in the refresh token of a login, to the second', async () => {
    const { json } = await send('/token', { login: 'ann', password: PASSWORD });
    const { exp, payload } = payloadOf(json.refreshToken);
    assert.equal(payload.e, exp * 1000);
  });

  test('takes a number for the text of its digits: a wrong one is 401', async () => {
    assert.deepEqual(await send('/token', { login: 'ann', password: 12345 }), {
      status: 401,
      json: { error: 401, message: 'Invalid credentials' },
    });
    assert.equal((await send('/token', { login: 'digits', password: 8265093741560382 })).status, 201);
    for (const password of [true, null, [], {}, '']) {
      assert.equal((await send('/token', { login: 'ann', password })).status, 400);
    }
  });

  test('tells a bad refresh token with the words of the original', async () => {
    const refused = (message: string) => ({ status: 401, json: { error: 401, message } });
    const { json } = await send('/token', { login: 'ann', password: PASSWORD });
    const { refreshToken, accessToken } = json;
    for (const bad of ['x', `${refreshToken}x`, 'a.b.c']) {
      assert.deepEqual(await send('/token/refresh', { refreshToken: bad }), refused('Unauthorized'));
    }
    assert.deepEqual(
      await send('/token/refresh', { refreshToken: accessToken }),
      refused('Invalid token type'),
    );
    const { json: made } = await create(NOW + 1000);
    await server.post('/oauth/revoke', 'shop', { token: refreshToken });
    assert.deepEqual(await send('/token/refresh', { refreshToken }), refused('Unauthorized'));
    server.clock.stoppedAt = NOW + 2000;
    assert.deepEqual(
      await send('/token/refresh', { refreshToken: made.refreshToken }),
      refused('Token has expired'),
    );
    server.clock.stoppedAt = NOW;
  });
});
