import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after as afterAll, before, describe, test } from 'node:test';
import { type Client, GrantableError, type TokenSet } from '../../src/client/index.ts';
import type { World } from '../datasources/fixture.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../support/exchange.ts';
import type { TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { after, answer, createProbe, cut, lose, PASSWORD, startClientWorld } from './world.ts';

const CONNECTION = { permissions: stored({ isAdmin: false, tables: { orders: { read: true } } }) };

describe('the client, when something goes wrong', () => {
  let world: World;
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    world = await startClientWorld();
    server = world.server;
    trader = createTrader(server);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const isActive = async (token: string): Promise<boolean> => (await server.introspect(token)).active;

  test('retries a lost refresh with the same refresh token', async () => {
    const { client, wire, logIn, becomeDue } = createProbe(server);
    const { refreshToken } = await logIn();
    for (const way of [lose, cut, answer(502, '<html>'), answer(504, '')]) {
      becomeDue();
      const before = client.tokens?.accessToken;
      wire.disturb(way);
      assert.notEqual(await client.getToken(), before);
      const [last, first] = wire.requests.toReversed();
      assert.equal(last?.form.refresh_token, first?.form.refresh_token);
    }
    assert.equal(wire.requests[1]?.form.refresh_token, refreshToken);
    becomeDue();
    server.clock.offset += 60_000;
    assert.ok(await isActive(await client.getToken()));
  });

  test('gives the token that it has while that lives and the server is away', async () => {
    const { client, wire, told, logIn, becomeDue } = createProbe(server);
    const tokens = await logIn();
    becomeDue();
    for (let tries = 0; tries < 3; tries += 1) {
      wire.disturb(cut, cut);
      assert.equal(await client.getToken(), tokens.accessToken);
      assert.equal(await client.getToken(), tokens.accessToken);
      assert.equal(wire.requests.length, 3 + 2 * tries, 'after a failure there is a pause');
      server.clock.offset += 1_100;
    }
    server.clock.offset += 60_000;
    wire.disturb(cut, cut);
    await assert.rejects(client.getToken(), { error: 'network_error', status: 0 });
    assert.equal(client.tokens, tokens);
    assert.deepEqual(told, [tokens]);
    assert.ok(await isActive(await client.getToken()));
    assert.equal(told.length, 2);
  });

  test('waits as long as the server wants before it asks again', async () => {
    for (const [status, header, seconds] of [
      [429, '30', 30],
      [503, '30', 30],
      [503, 'in 30 seconds', 30],
    ] as const) {
      const { client, wire, logIn, becomeDue, becomeExpired } = createProbe(server);
      const tokens = await logIn();
      const date = new Date(Date.now() + server.clock.offset + 3_590_000 + 30_000).toUTCString();
      const retryAfter = header === 'in 30 seconds' ? date : header;
      becomeDue();
      wire.disturb(answer(status, { error: 'slow_down' }, { 'retry-after': retryAfter }));
      assert.equal(await client.getToken(), tokens.accessToken);
      assert.equal(wire.requests.length, 2, 'no second try at once');
      server.clock.offset += 20_000;
      await assert.rejects(client.getToken(), (error) => {
        assert.ok(error instanceof GrantableError);
        assert.deepEqual([error.error, error.status], ['slow_down', status]);
        assert.ok(Math.abs((error.retryAfter ?? 0) - seconds) <= 1, String(error.retryAfter));
        return true;
      });
      assert.equal(wire.requests.length, 2);
      server.clock.offset += 11_000;
      assert.ok(await isActive(await client.getToken()));
      becomeExpired();
    }
  });

  test('takes a connection that was used too often for no dead one', async () => {
    const { client, wire, becomeDue } = createProbe(server);
    const { token } = await trader.connect('shop', CONNECTION);
    const tokens = await client.exchange({ connectionToken: token, expiresIn: 3_600 });
    becomeDue();
    wire.disturb(answer(429, { error: 'invalid_request' }, { 'retry-after': '5' }));
    assert.equal(await client.getToken(), tokens.accessToken);
    server.clock.offset += 5_100;
    assert.notEqual(await client.getToken(), tokens.accessToken);
  });

  test('says how long to wait after too many wrong passwords', async () => {
    const { client, wire } = createProbe(server);
    wire.disturb(
      answer(429, { error: 'invalid_request', error_description: 'too many' }, { 'retry-after': '7' }),
    );
    await assert.rejects(client.login('ann', 'wrong'), {
      name: 'GrantableError',
      message: 'invalid_request: too many',
      error: 'invalid_request',
      description: 'too many',
      status: 429,
      retryAfter: 7,
    });
  });

  test('takes a page of a proxy for no answer, and half a token for none', async () => {
    const { client, wire } = createProbe(server);
    const good = { access_token: 'a', token_type: 'Bearer', expires_in: 60 };
    for (const body of [
      '<html>hello</html>',
      'null',
      '[]',
      {},
      { ...good, token_type: 'mac' },
      { ...good, expires_in: 0 },
      { ...good, expires_in: '60' },
      { ...good, access_token: '' },
      { ...good, access_token: undefined },
    ]) {
      wire.disturb(answer(200, body));
      await assert.rejects(client.clientCredentials(), { error: 'unexpected_answer', status: 200 });
    }
    wire.disturb(answer(500, { error: 'server_error' }));
    await assert.rejects(client.clientCredentials(), { error: 'server_error', status: 500 });
    assert.equal(client.tokens, undefined);
  });

  test('sends a password nowhere but to the server', async (context) => {
    const asked: (string | undefined)[] = [];
    const proxy = createServer(({ url }, response) => {
      asked.push(url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    }).listen(0, '127.0.0.1');
    context.after(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const { client } = createProbe(server, { issuer: `http://127.0.0.1:${port}` });
    await assert.rejects(client.login('ann', PASSWORD), { error: 'network_error' });
    assert.deepEqual(asked, ['/oauth/token']);
  });

  test('forgets a login that the server refuses to go on with', async () => {
    for (const become of ['becomeDue', 'becomeExpired'] as const) {
      const { client, wire, told, logIn, ...probe } = createProbe(server);
      const { refreshToken = '' } = await logIn();
      await server.post('/oauth/revoke', 'shop', { token: refreshToken });
      probe[become]();
      const asked = await Promise.allSettled(Array.from({ length: 9 }, () => client.getToken()));
      for (const each of asked) {
        assert.ok(each.status === 'rejected' && each.reason instanceof GrantableError);
        assert.deepEqual([each.reason.error, each.reason.status], ['invalid_grant', 400]);
      }
      assert.deepEqual([client.tokens, told.slice(1)], [undefined, [undefined]]);
      await assert.rejects(client.getToken(), { error: 'login_required' });
      assert.deepEqual(wire.grants, ['password', 'refresh_token']);
      await logIn();
      assert.ok(await isActive(await client.getToken()));
    }
  });

  test('forgets a connection that has ended', async () => {
    const { client, told, becomeExpired } = createProbe(server);
    const { connection, token } = await trader.connect('shop', CONNECTION);
    await client.exchange({ connectionToken: token });
    await server.server.foundations.connections.end(connection, AUTHOR);
    server.clock.offset += 86_400_000;
    becomeExpired();
    await assert.rejects(client.getToken(), { error: 'invalid_request', status: 400 });
    assert.deepEqual([client.tokens, told.at(-1)], [undefined, undefined]);
    await assert.rejects(client.getToken(), { error: 'login_required' });
  });

  test('keeps a login that only its own secret stands in the way of', async () => {
    const tokens = await createProbe(server).logIn();
    const { client, told, becomeDue } = createProbe(server, { tokens, clientSecret: 'another-one' });
    becomeDue();
    assert.equal(await client.getToken(), tokens.accessToken);
    server.clock.offset += 60_000;
    await assert.rejects(client.getToken(), { error: 'invalid_client', status: 401 });
    assert.deepEqual([client.tokens, told], [tokens, []]);
    assert.ok(await isActive(await createProbe(server, { tokens }).client.getToken()));
  });

  test('keeps what it holds when a login is refused', async () => {
    const { client, told, logIn } = createProbe(server);
    const tokens = await logIn();
    await assert.rejects(client.login('ann', 'wrong'), { error: 'invalid_grant' });
    assert.equal(await client.getToken(), tokens.accessToken);
    assert.deepEqual(told, [tokens]);
  });

  test('says that a token could not be kept, and has it all the same', async () => {
    let isFull = false;
    const { client, becomeDue, logIn } = createProbe(server, {
      async onToken() {
        if (isFull) throw new Error('the disk is full');
      },
    });
    const { accessToken } = await logIn();
    becomeDue();
    isFull = true;
    await assert.rejects(client.getToken(), /the disk is full/);
    const next = await client.getToken();
    assert.notEqual(next, accessToken);
    assert.ok(await isActive(next));
  });

  describe('and things happen at the same time', () => {
    /** A client whose refresh is on its way back. */
    async function refreshing(
      first: (client: Client) => Promise<TokenSet> = (each) => each.login('ann', PASSWORD),
    ) {
      const probe = createProbe(server);
      const before = await first(probe.client);
      probe.becomeDue();
      const { promise, resolve: release } = Promise.withResolvers<void>();
      const got: Response[] = [];
      probe.wire.disturb(async (go) => {
        const response = await go();
        got.push(response.clone());
        await promise;
        return response;
      });
      const asked = probe.client.getToken();
      asked.catch(() => undefined);
      await until('an answer came', () => got.length > 0);
      const late = (await got[0]?.json()) as { access_token: string };
      return { ...probe, before, asked, late: late.access_token, release };
    }

    test('a refresh that ends late does not undo a login', async () => {
      const { client, told, before, asked, release } = await refreshing();
      const bob = await client.login('bob', PASSWORD);
      release();
      assert.equal(await asked, bob.accessToken, 'who waited gets the new one');
      assert.deepEqual([client.tokens, told], [bob, [before, bob]]);
      assert.equal(await client.getToken(), bob.accessToken);
    });

    test('a login does not wait for what stood in the way of the one before', async () => {
      const { client, logIn, wire, becomeDue, release, asked } = await refreshing();
      await logIn();
      becomeDue();
      const second = await client.getToken();
      assert.deepEqual(wire.grants.slice(2), ['password', 'refresh_token'], 'the first is still on its way');
      release();
      assert.equal(await asked, second);

      becomeDue();
      wire.disturb(answer(503, {}, { 'retry-after': '3600' }));
      await client.getToken();
      const { accessToken } = await logIn();
      becomeDue();
      assert.notEqual(await client.getToken(), accessToken);
    });

    test('a refresh that fails late does not undo a login either', async () => {
      const { client, told, logIn, wire, becomeDue } = createProbe(server);
      const { refreshToken = '' } = await logIn();
      await server.post('/oauth/revoke', 'shop', { token: refreshToken });
      becomeDue();
      const { promise, resolve } = Promise.withResolvers<void>();
      wire.disturb(after(promise));
      const asked = client.getToken();
      await until('two requests are made', () => wire.requests.length === 2);
      const next = await logIn();
      resolve();
      assert.equal(await asked, next.accessToken);
      assert.deepEqual([client.tokens, told.at(-1)], [next, next]);
    });

    test('a login that is refused does not cost the refresh that was under way', async () => {
      const { client, asked, late, release } = await refreshing();
      await assert.rejects(client.login('bob', 'wrong'), { error: 'invalid_grant' });
      release();
      assert.equal(await asked, late);
      assert.equal(client.tokens?.accessToken, late);
    });

    test('a refresh that ends after revoke() gives nothing, and nothing lives on', async () => {
      for (const first of [undefined, (client: Client) => client.clientCredentials()]) {
        const { client, told, before, asked, late, release } = await refreshing(first);
        await client.revoke();
        release();
        await assert.rejects(asked, { error: 'login_required' });
        assert.deepEqual([client.tokens, told], [undefined, [before, undefined]]);
        for (const token of [before.accessToken, late]) assert.equal(await isActive(token), false);
      }
    });

    test('a login that ends after revoke() was called is over', async () => {
      const { client, wire, told } = createProbe(server);
      const { promise, resolve } = Promise.withResolvers<void>();
      let given: { access_token: string } | undefined;
      wire.disturb(async (go) => {
        const response = await go();
        given = (await response.clone().json()) as { access_token: string };
        await promise;
        return response;
      });
      const login = client.login('ann', PASSWORD);
      const refused = assert.rejects(login, { error: 'revoked', status: 0 });
      await until('a token is given', () => given !== undefined);
      await client.revoke();
      resolve();
      await refused;
      assert.deepEqual([client.tokens, told], [undefined, []]);
      assert.equal(await isActive(given?.access_token ?? ''), false);
    });

    test('ends the tokens of such a login at the next revoke()', async () => {
      const { client, wire } = createProbe(server);
      const { promise, resolve } = Promise.withResolvers<void>();
      let given: { access_token: string } | undefined;
      wire.disturb(
        async (go) => {
          const response = await go();
          given = (await response.clone().json()) as { access_token: string };
          await promise;
          return response;
        },
        cut,
        cut,
      );
      const refused = assert.rejects(client.login('ann', PASSWORD), { error: 'revoked' });
      await until('a token is given', () => given !== undefined);
      await client.revoke();
      resolve();
      await refused;
      assert.ok(await isActive(given?.access_token ?? ''));
      await client.revoke();
      assert.equal(await isActive(given?.access_token ?? ''), false);
    });

    test('of two logins the one that was called last is held, whichever ends first', async () => {
      const { client, wire, told } = createProbe(server);
      const { promise, resolve } = Promise.withResolvers<void>();
      wire.disturb(after(promise));
      const ann = client.login('ann', PASSWORD);
      const bob = await client.login('bob', PASSWORD);
      resolve();
      assert.equal((await server.introspect((await ann).accessToken)).username, 'ann');
      assert.deepEqual([client.tokens, told], [bob, [bob]]);
    });
  });
});
