import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after as afterAll, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createClient, GrantableError, type TokenSet } from '../../src/client/index.ts';
import type { World } from '../datasources/fixture.ts';
import { createTrader, stored, type Trader } from '../support/exchange.ts';
import { OPAQUE_RESOURCE, type TestServer, tablesOf } from '../support/server.ts';
import {
  answer,
  CUSTOMER,
  createProbe,
  cut,
  NO_REFRESH,
  ODD_ID,
  ODD_SECRET,
  PASSWORD,
  RESOURCE,
  startClientWorld,
} from './world.ts';

const READ_ORDERS = { isAdmin: false, tables: { orders: { read: true } } };

describe('the client', () => {
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
  const connect = async (): Promise<string> => {
    const { token } = await trader.connect('shop', {
      permissions: stored({ isAdmin: false, tables: { orders: { create: true, read: true } } }),
    });
    return token;
  };

  describe('asks for tokens', () => {
    test('with a name and a password, and says what they allow', async () => {
      const { client, told } = createProbe(server);
      assert.equal(client.tokens, undefined);
      const tokens = await client.login('ann', PASSWORD);
      assert.deepEqual(tablesOf(tokens), { orders: 'cru', products: 'r' });
      assert.equal(tokens.scope, 'orders.read');
      assert.equal(tokens.authorizationDetails.length, 2);
      assert.equal(tokens.expiresAt - tokens.issuedAt, 3_600_000);
      assert.equal(await client.getToken(), tokens.accessToken);
      assert.deepEqual([client.tokens, told], [tokens, [tokens]]);
      assert.equal((await server.introspect(tokens.accessToken)).username, 'ann');
      assert.deepEqual(JSON.parse(JSON.stringify(tokens)), tokens);
    });

    test('as the application, which says its own resource or another', async () => {
      const { client } = createProbe(server, { resource: OPAQUE_RESOURCE });
      const opaque = await client.clientCredentials();
      assert.equal((await server.introspect(opaque.accessToken)).aud, OPAQUE_RESOURCE);
      const jwt = await client.clientCredentials({ resource: RESOURCE });
      assert.equal((await server.introspect(jwt.accessToken)).aud, RESOURCE);
      assert.equal(await client.getToken(), jwt.accessToken);
    });

    test('for a person who is a row of a table', async () => {
      const { client, becomeDue } = createProbe(server);
      const tokens = await client.databaseUser(CUSTOMER);
      assert.equal((await server.introspect(tokens.accessToken)).username, CUSTOMER.username);
      becomeDue();
      assert.notEqual(await client.getToken(), tokens.accessToken);
      await assert.rejects(client.databaseUser({ ...CUSTOMER, password: 'wrong' }), {
        error: 'invalid_grant',
        status: 400,
      });
    });

    test('with a connection token, and holds what it gets', async () => {
      const { client } = createProbe(server);
      const token = await connect();
      const tokens = await client.exchange({ connectionToken: token, expiresIn: 600 });
      assert.deepEqual(tablesOf(tokens), { orders: 'cr' });
      assert.equal(tokens.expiresAt - tokens.issuedAt, 600_000);
      assert.equal(await client.getToken(), tokens.accessToken);
    });

    test('with an access token, for handing on a lesser one, and stays with its own', async () => {
      const { client, told, logIn } = createProbe(server);
      const own = await logIn();
      const lesser = await client.exchange(
        { subjectToken: await client.getToken(), expiresIn: 60 },
        { permissions: READ_ORDERS },
      );
      assert.deepEqual(tablesOf(lesser), { orders: 'r' });
      assert.equal(lesser.refreshToken, undefined);
      assert.equal(await client.getToken(), own.accessToken);
      assert.deepEqual(told, [own]);
    });

    test('narrowed in each spelling, and a refresh does not widen them', async () => {
      const { client, becomeDue } = createProbe(server);
      const detail = { type: 'table_access', identifier: 'orders', actions: ['read'] };
      for (const ask of [
        { permissions: READ_ORDERS },
        { authorizationDetails: [detail] },
        { authorizationDetails: [{ ...detail, locations: [RESOURCE] }], resource: RESOURCE },
        { scope: 'orders:read' },
        { scope: ['orders:read', 'orders.read'] },
      ]) {
        const tokens = await client.login('ann', PASSWORD, ask);
        assert.deepEqual(tablesOf(tokens), { orders: 'r' }, JSON.stringify(ask));
        becomeDue();
        await client.getToken();
        assert.notEqual(client.tokens?.accessToken, tokens.accessToken);
        assert.deepEqual(client.tokens?.permissions, tokens.permissions);
      }
    });

    test('never with more than was meant: too much is refused, and so is an empty scope', async () => {
      const { client, wire } = createProbe(server);
      const isRefused = (error: string) => (thrown: unknown) =>
        thrown instanceof GrantableError && thrown.error === error && thrown.status === 400;
      await assert.rejects(
        client.clientCredentials({ permissions: { isAdmin: true } }),
        isRefused('invalid_authorization_details'),
      );
      await assert.rejects(client.clientCredentials({ scope: 'unknown' }), isRefused('invalid_scope'));
      await assert.rejects(
        client.clientCredentials({ resource: 'https://other.example/' }),
        isRefused('invalid_target'),
      );
      await assert.rejects(
        client.clientCredentials({ scope: 'orders:read', permissions: READ_ORDERS }),
        isRefused('invalid_request'),
      );
      const asked = wire.requests.length;
      for (const scope of ['', ' ', []]) await assert.rejects(client.clientCredentials({ scope }), TypeError);
      assert.equal(wire.requests.length, asked);
      assert.equal(client.tokens, undefined);
    });

    test('without a secret, and with one that is written in odd signs', async () => {
      const page = createProbe(server, { clientId: 'page', clientSecret: undefined });
      await page.logIn();
      assert.deepEqual(
        page.wire.requests.map(({ form, headers }) => [form.client_id, headers.get('authorization')]),
        [['page', null]],
      );
      const odd = createProbe(server, { clientId: ODD_ID, clientSecret: ODD_SECRET });
      assert.ok(await isActive((await odd.client.clientCredentials()).accessToken));
      assert.equal(odd.wire.requests[0]?.form.client_id, undefined);

      const foreign = createProbe(server, { clientId: 'Zoë', clientSecret: '鍵 \u{1f511} \ud800' });
      await assert.rejects(foreign.client.clientCredentials(), GrantableError);
      const [, sent = ''] = (foreign.wire.requests[0]?.headers.get('authorization') ?? '').split(' ');
      assert.deepEqual(
        atob(sent)
          .split(':')
          .map((part) => decodeURIComponent(part.replaceAll('+', ' '))),
        ['Zoë', '鍵 \u{1f511} \ufffd'],
      );
    });

    test('at an issuer that is one, wherever it lies', async () => {
      const { client } = createProbe(server, { issuer: `${server.issuer}/` });
      await client.clientCredentials();
      const below = createProbe(server, { issuer: 'https://login.example/tenant' });
      below.wire.disturb(answer(200, { access_token: 'a', token_type: 'bearer', expires_in: 9 }));
      await below.client.clientCredentials();
      assert.equal(below.wire.requests[0]?.url, 'https://login.example/tenant/oauth/token');
      for (const issuer of [
        '',
        'login.example',
        'ftp://a.b',
        'https://u:p@a.b',
        'https://a.b/?x',
        'https://a.b/?',
        'https://a.b/#',
        'data:,x',
      ]) {
        assert.throws(() => createProbe(server, { issuer }), TypeError, issuer);
      }
    });

    test('and sends no secret in the clear but to the machine that it runs on', () => {
      for (const issuer of [
        'http://localhost:9000',
        'http://127.0.0.1',
        'http://127.8.9.1:80/tenant',
        'http://[::1]:9000',
        'http://LOCALHOST/',
      ]) {
        createProbe(server, { issuer });
      }
      for (const issuer of [
        'http://login.example',
        'http://10.0.0.1',
        'http://128.0.0.1',
        'http://127.0.0.1.example',
        'http://localhost.example',
        'http://notlocalhost',
        'http://[::2]',
        'http://[::ffff:7f00:1]',
      ]) {
        assert.throws(
          () => createProbe(server, { issuer }),
          { name: 'TypeError', message: /must be https/ },
          issuer,
        );
      }
    });
  });

  describe('keeps them good', () => {
    test('by one request, however many ask', async () => {
      const { client, wire, told, logIn, becomeDue } = createProbe(server);
      const first = await logIn();
      becomeDue();
      const tokens = await Promise.all(Array.from({ length: 50 }, () => client.getToken()));
      assert.equal(new Set(tokens).size, 1);
      assert.notEqual(tokens[0], first.accessToken);
      assert.deepEqual(wire.grants, ['password', 'refresh_token']);
      assert.deepEqual(told, [first, client.tokens]);
      assert.notEqual(client.tokens?.refreshToken, first.refreshToken);
      assert.ok(await isActive(String(tokens[0])));
    });

    test('not before it is time, and before they end', async () => {
      const { client, wire, logIn } = createProbe(server, { refreshBefore: 300 });
      const { accessToken } = await logIn();
      server.clock.offset += 3_290_000;
      assert.equal(await client.getToken(), accessToken);
      server.clock.offset += 20_000;
      assert.ok(await isActive(accessToken));
      const next = await client.getToken();
      assert.notEqual(next, accessToken);
      assert.equal(await client.getToken(), next);
      server.clock.offset += 3_310_000;
      assert.ok(await isActive(next));
      assert.notEqual(await client.getToken(), next);
      assert.deepEqual(wire.grants, ['password', 'refresh_token', 'refresh_token']);
    });

    test('in the second half of their life only, however early they are to be replaced', async () => {
      const { client, wire } = createProbe(server, { refreshBefore: 3_600 });
      const token = await connect();
      await client.exchange({ connectionToken: token, expiresIn: 200 });
      server.clock.offset += 80_000;
      await client.getToken();
      assert.equal(wire.requests.length, 1);
      server.clock.offset += 21_000;
      await client.getToken();
      assert.equal(wire.requests.length, 2);
    });

    test('by asking again in the same way where there is no refresh token', async () => {
      const { client, wire, becomeExpired } = createProbe(server);
      const token = await connect();
      for (const ask of [
        () => client.clientCredentials({ permissions: READ_ORDERS }),
        () => client.exchange({ connectionToken: token, expiresIn: 3_600 }, { permissions: READ_ORDERS }),
      ]) {
        const { accessToken } = await ask();
        becomeExpired();
        const tokens = await Promise.all(Array.from({ length: 50 }, () => client.getToken()));
        assert.equal(new Set(tokens).size, 1);
        assert.notEqual(tokens[0], accessToken);
        assert.deepEqual(tablesOf(await server.introspect(String(tokens[0]))), { orders: 'r' });
        const [last, before] = wire.requests.toReversed();
        assert.deepEqual(last?.form, before?.form);
      }
      assert.equal(wire.requests.length, 4);
    });

    test('over a restart of the app', async () => {
      const kept = await createProbe(server).logIn();
      const { client, becomeExpired } = createProbe(server, { tokens: structuredClone(kept) });
      assert.equal(await client.getToken(), kept.accessToken);
      becomeExpired();
      assert.ok(await isActive(await client.getToken()));
      assert.equal(createProbe(server, { tokens: null }).client.tokens, undefined);
    });

    test('as long as they live where they cannot be replaced', async () => {
      const { client, wire, told, logIn, becomeDue } = createProbe(server, NO_REFRESH);
      await assert.rejects(client.getToken(), { error: 'login_required', status: 0 });
      const tokens = await logIn();
      assert.equal(tokens.refreshToken, undefined);
      becomeDue();
      assert.equal(await client.getToken(), tokens.accessToken);
      server.clock.offset += 10_000;
      await assert.rejects(client.getToken(), { error: 'login_required', status: 0 });
      assert.deepEqual([client.tokens, told], [undefined, [tokens, undefined]]);
      assert.deepEqual(wire.grants, ['password']);
    });

    test('for several clients that share a login, at whatever times they ask', async () => {
      let kept: TokenSet | undefined;
      const options = {
        onToken: (tokens: TokenSet | undefined) => {
          kept = tokens;
        },
        readTokens: async () => kept,
      };
      const one = createProbe(server, options);
      const other = createProbe(server, { ...options, tokens: await one.logIn() });
      one.becomeDue();
      const fresh = await one.client.getToken();
      server.clock.offset += 20_000;
      assert.equal(await other.client.getToken(), fresh, 'found without a request');
      assert.equal(other.wire.requests.length, 0);

      for (let hour = 0; hour < 4; hour += 1) {
        one.becomeExpired();
        const [first, second] = hour % 2 ? [one, other] : [other, one];
        assert.ok(await isActive(await first.client.getToken()));
        assert.ok(await isActive(await second.client.getToken()));
      }
      await one.client.revoke();
      one.becomeExpired();
      await assert.rejects(other.client.getToken(), { error: 'login_required' });
      assert.equal(other.client.tokens, undefined);
    });
  });

  describe('gives them back', () => {
    test('a login with all its tokens', async () => {
      const { client, wire, told, logIn, becomeDue } = createProbe(server);
      const first = await logIn();
      becomeDue();
      const second = await client.getToken();
      const { refreshToken = '' } = client.tokens ?? {};
      await client.revoke();
      for (const token of [first.accessToken, second]) assert.equal(await isActive(token), false);
      const { json } = await server.post('/oauth/token', 'shop', {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
      });
      assert.equal(json.error, 'invalid_grant');
      assert.deepEqual([client.tokens, told.at(-1), told.length], [undefined, undefined, 3]);
      await assert.rejects(client.getToken(), { error: 'login_required' });
      await client.revoke();
      assert.deepEqual(
        wire.grants,
        ['password', 'refresh_token', 'revoke'],
        'what is gone is not asked about',
      );
    });

    test('a token without a login, and asks for no other', async () => {
      const { client } = createProbe(server);
      const { accessToken } = await client.clientCredentials();
      await client.revoke();
      assert.equal(await isActive(accessToken), false);
      await assert.rejects(client.getToken(), { error: 'login_required' });
    });

    test('at the second call, if the server could not be told at the first', async () => {
      const { client, wire, told, logIn } = createProbe(server);
      const { accessToken } = await logIn();
      wire.disturb(cut, cut);
      await assert.rejects(client.revoke(), { error: 'network_error', status: 0 });
      assert.deepEqual([client.tokens, told.length], [undefined, 2], 'here it is over');
      assert.ok(await isActive(accessToken));
      await client.revoke();
      assert.equal(await isActive(accessToken), false);
      assert.equal(told.length, 2);
    });

    test('every one that the server could not be told of, after another login too', async () => {
      const { client, wire, logIn } = createProbe(server);
      const first = await logIn();
      wire.disturb(cut, cut);
      await assert.rejects(client.revoke(), { error: 'network_error' });
      const second = await client.login('bob', PASSWORD);
      wire.disturb(cut, cut, cut, cut);
      await assert.rejects(client.revoke(), { error: 'network_error' });
      const third = await client.clientCredentials();
      for (const { accessToken } of [first, second, third]) assert.ok(await isActive(accessToken));
      await client.revoke();
      for (const { accessToken } of [first, second, third]) assert.equal(await isActive(accessToken), false);
      const { length } = wire.requests;
      await client.revoke();
      assert.equal(wire.requests.length, length, 'of what the server knows it is not told again');
    });

    test('also when that cannot be kept', async () => {
      const { client, logIn } = createProbe(server, {
        onToken(tokens) {
          if (!tokens) throw new Error('the disk is full');
        },
      });
      const { accessToken } = await logIn();
      await assert.rejects(client.revoke(), /the disk is full/);
      assert.equal(await isActive(accessToken), false);
    });
  });

  describe('fetches with the token', () => {
    const seen: { path: string | undefined; authorization: string | undefined }[] = [];
    const api = createServer(({ url, headers }, response) => {
      seen.push({ path: url, authorization: headers.authorization });
      if (url === '/away') response.writeHead(302, { location: '/orders' });
      response.end(headers['x-own'] ?? '');
    });
    let origin: string;
    before(async () => {
      await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
      origin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    });
    afterAll(() => new Promise((resolve) => api.close(resolve)));

    test('from the origins that are listed, and from no other', async () => {
      const { client, logIn, wire } = createProbe(server, { origins: [`${origin}/`] });
      await assert.rejects(client.fetch(`${origin}/orders`), { error: 'login_required' });
      const { accessToken } = await logIn();
      const response = await client.fetch(`${origin}/orders?a=b`, { headers: { 'x-own': 'kept' } });
      assert.equal(await response.text(), 'kept');
      await client.fetch(new Request(`${origin}/products`, { method: 'POST', body: 'x' }));
      const authorization = `Bearer ${accessToken}`;
      assert.deepEqual(seen.splice(0), [
        { path: '/orders?a=b', authorization },
        { path: '/products', authorization },
      ]);
      const asked = wire.requests.length;
      const elsewhere = [
        origin.replace('127.0.0.1', 'localhost'),
        origin.replace('http:', 'https:'),
        `${origin.replace(/:\d+$/, '')}:1`,
        `${origin}.evil.example`,
        'data:,x',
      ];
      for (const url of elsewhere) await assert.rejects(client.fetch(url), TypeError, url);
      await assert.rejects(createProbe(server).client.fetch(origin), /is not among the origins/);
      assert.equal(wire.requests.length, asked);
      for (const bad of ['data:,x', 'file:///x', 'api.example']) {
        assert.throws(() => createProbe(server, { origins: [bad] }), TypeError);
      }
    });

    test('and follows a redirect only if it is told to', async () => {
      const { client, logIn } = createProbe(server, { origins: [origin] });
      await logIn();
      await assert.rejects(client.fetch(`${origin}/away`), TypeError);
      await assert.rejects(client.fetch(new Request(`${origin}/away`)), TypeError);
      assert.deepEqual(
        seen.splice(0).map(({ path }) => path),
        ['/away', '/away'],
      );
      assert.equal((await client.fetch(`${origin}/away`, { redirect: 'follow' })).status, 200);
    });
  });

  test('no secret stands in an address, an error or the client', async () => {
    const token = await connect();
    const secrets = [PASSWORD, 'a-wrong-password', server.secretOf('shop'), CUSTOMER.password, token];
    const { client, wire, logIn, becomeExpired } = createProbe(server, { origins: ['https://api.example'] });
    const thrown: unknown[] = [];
    const failing = async (action: () => Promise<unknown>): Promise<void> => {
      await assert.rejects(action, (error) => {
        thrown.push(error);
        return true;
      });
    };
    const page = '<html>502</html>';
    for (const way of [
      cut,
      answer(502, page),
      answer(429, {}),
      answer(200, page),
      answer(401, { error: {} }),
    ]) {
      wire.disturb(way);
      await failing(logIn);
      wire.disturb(way);
      await failing(() => client.databaseUser(CUSTOMER));
      wire.disturb(way);
      await failing(() => client.exchange({ connectionToken: token }));
    }
    await failing(() => client.login('ann', 'a-wrong-password'));
    const { refreshToken = '', accessToken } = await logIn();
    secrets.push(refreshToken, accessToken);
    await failing(() => client.fetch('https://elsewhere.example/?key=in-the-address'));
    secrets.push('in-the-address');
    becomeExpired();
    wire.disturb(cut, answer(502, page));
    await failing(() => client.getToken());
    await server.post('/oauth/revoke', 'shop', { token: refreshToken });
    await failing(() => client.getToken());
    await failing(() => client.getToken());
    assert.equal(thrown.length, 20);
    const written = inspect([thrown, wire.requests.map(({ url }) => url)], { depth: 9, showHidden: true });
    const { tokens: _, ...rest } = Object.getOwnPropertyDescriptors(client);
    const client_ = inspect([
      rest,
      createClient({ issuer: 'https://a.example', clientId: 'a', clientSecret: 'c' }),
    ]);
    for (const secret of secrets) {
      assert.ok(!written.includes(secret), `${secret} in ${written}`);
      assert.ok(!written.includes(encodeURIComponent(secret)));
      assert.ok(!client_.includes(secret));
    }
    assert.deepEqual(new Set(wire.requests.map(({ url }) => url)), new Set([`${server.issuer}/oauth/token`]));
  });
});
