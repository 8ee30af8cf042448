import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { createFlow } from '../interaction/flow.ts';
import {
  basic,
  OPAQUE_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
} from '../support/server.ts';

interface Told extends JWTPayload {
  readonly next: string;
  readonly more: boolean;
  readonly reset: boolean;
  readonly nonce?: string;
  readonly resources: readonly string[];
  readonly nodes: readonly {
    readonly id: string;
    readonly revoked_at?: number;
    readonly restored_at?: number;
    readonly narrowed_at?: number;
    readonly exp: number;
  }[];
}

describe('the revocation feed', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const ask = (query = '', client = 'shop-api', init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.issuer}/oauth/revocations${query}`, {
      ...init,
      headers: { authorization: basic(client, server.secretOf(client)), ...init.headers },
    });
  const told = async (response: Response, client = 'shop-api'): Promise<Told> => {
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const keys = createRemoteJWKSet(new URL(`${server.issuer}/oauth/jwks`));
    const { payload } = await jwtVerify(text, keys, {
      issuer: server.issuer,
      audience: client,
      typ: 'revocations+jwt',
      algorithms: ['ES256'],
    });
    return payload as Told;
  };
  const cursor = async (): Promise<string> => (await told(await ask())).next;
  const revoke = (token: string, client = 'machine') => server.post('/oauth/revoke', client, { token });

  test('tells what was ended, signed, to the server of its resource', async () => {
    const after = await cursor();
    const token = (await server.token('machine')).json.access_token;
    assert.equal((await revoke(token)).status, 200);
    const response = await ask(`?after=${after}`);
    assert.equal(response.headers.get('content-type'), 'application/revocations+jwt');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const answer = await told(response);
    assert.equal(answer.nodes.length, 1);
    const [node] = answer.nodes;
    const { jti, exp } = decodeJwt(token);
    assert.equal(node?.id, jti);
    assert.equal(node?.exp, exp);
    assert.ok(Number(node?.revoked_at) <= Date.now());
    assert.deepEqual((await told(await ask(`?after=${answer.next}`))).nodes, []);
  });

  test('MT-02 tells only the ends in the caller’s organization and resource', async () => {
    const after = await cursor();
    const foreign = (await server.token('other-shop')).json.access_token;
    await revoke(foreign, 'other-shop');
    const opaque = (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token;
    const { jti } = await server.introspect(opaque);
    await revoke(opaque);
    assert.deepEqual(
      (await told(await ask(`?after=${after}`))).nodes.map(({ id }) => id),
      [jti],
    );
    const others = await told(await ask(`?after=${after}`, 'other-api'), 'other-api');
    assert.deepEqual(
      others.nodes.map(({ id }) => id),
      [decodeJwt(foreign).jti],
    );
  });

  test('AZ-10 tells of a code that a client of another organization burnt', async () => {
    const flow = createFlow(server);
    const { code, pkce } = await flow.login();
    const { json } = await flow.redeem(code, pkce.verifier);
    const after = await cursor();
    assert.equal((await flow.redeem(code, pkce.verifier, 'other-web')).json.error, 'invalid_grant');
    const ended = (await told(await ask(`?after=${after}`))).nodes.map(({ id }) => id);
    assert.equal(ended.length, 1);
    assert.ok((decodeJwt(json.access_token).anc as string[]).includes(String(ended[0])));
    assert.deepEqual((await told(await ask(`?after=${after}`, 'other-api'), 'other-api')).nodes, []);
  });

  test('tells of a person and of an application what a token has in its anc', async () => {
    const after = await cursor();
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'bob',
      password: PASSWORD,
    });
    const { changes, storage } = server.server.foundations;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const bob = await storage.directory.users.findBy('username', `${shop?.realm}/bob`);
    assert.ok(bob);
    await changes.users.replace({ ...bob, enabled: false }, { actor: 'test' });
    const { nodes } = await told(await ask(`?after=${after}`));
    const node = nodes.find(({ id }) => id === bob.id);
    assert.ok((decodeJwt(json.access_token).anc as string[]).includes(bob.id));
    assert.ok(node?.revoked_at !== undefined && node.restored_at === undefined);
  });

  test('a long poll answers when something happens, and when its time is over', async () => {
    const after = await cursor();
    const order: string[] = [];
    const poll = async (name: string, wait: number, client?: string) => {
      const answer = await told(await ask(`?after=${after}&wait=${wait}`, client), client);
      order.push(name);
      return answer.nodes;
    };
    const idle = poll('three seconds', 3);
    assert.deepEqual(await poll('none', 0), []);
    assert.deepEqual(await idle, []);
    assert.deepEqual(order, ['none', 'three seconds']);

    const token = (await server.token('machine')).json.access_token;
    const unconcerned = poll('of others', 6, 'other-api');
    const polls = Array.from({ length: 5 }, () => poll('woken', 20));
    await poll('none', 0);
    await revoke(token);
    for (const nodes of await Promise.all(polls)) assert.equal(nodes.length, 1);
    assert.deepEqual(await unconcerned, []);
    assert.deepEqual(order.slice(3), [...Array(5).fill('woken'), 'of others']);
  });

  test('ends of others do not wake a long poll, and the cursor goes on', async () => {
    const after = await cursor();
    const poll = ask(`?after=${after}&wait=3`);
    await ask(`?after=${after}`);
    await revoke((await server.token('other-shop')).json.access_token, 'other-shop');
    const answer = await told(await poll);
    assert.deepEqual(answer.nodes, []);
    assert.ok(Number(answer.next) > Number(after));
  });

  test('a cursor that the store never gave starts anew, and says so', async () => {
    const answer = await told(await ask('?after=999999999'));
    assert.equal(answer.reset, true);
    assert.ok(answer.nodes.length > 0);
    assert.equal((await told(await ask())).reset, false);
  });

  test('the servers of both resources are told of a role that moves', async () => {
    const after = await cursor();
    const { changes, storage } = server.server.foundations;
    const { directory } = storage;
    const acme = await directory.organizations.findBy('name', 'acme');
    const role = await directory.roles.findBy('name', `${acme?.id}/reader`);
    assert.ok(role);
    const author = { actor: 'test' };
    const moved = await changes.roles.replace({ ...role, resource: OPAQUE_RESOURCE, scopes: [] }, author);
    await changes.roles.replace({ ...moved, permissions: { isAdmin: false, tables: [] } }, author);
    const { applications } = directory;
    const shopApi = await applications.findBy('clientId', 'shop-api');
    assert.ok(shopApi);
    await changes.applications.replace({ ...shopApi, introspects: [RESOURCE] }, author);
    const { nodes, resources } = await told(await ask(`?after=${after}`));
    assert.ok(nodes.some(({ id }) => id === role.id));
    assert.deepEqual(resources, [RESOURCE]);
    const changed = await applications.findBy('clientId', 'shop-api');
    assert.ok(changed);
    await changes.applications.replace({ ...changed, introspects: shopApi.introspects }, author);
  });

  test('repeats what the question was told apart by', async () => {
    assert.equal((await told(await ask('?nonce=abc-1'))).nonce, 'abc-1');
    for (const nonce of ['', 'a b', 'x'.repeat(65)]) {
      assert.equal((await ask(`?nonce=${nonce}`)).status, 400);
    }
  });

  test('ends older than any living token are not told', async () => {
    const token = (await server.token('machine')).json.access_token;
    await revoke(token);
    const { changes, storage } = server.server.foundations;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const bob = await storage.directory.users.findBy('username', `${shop?.realm}/bob`);
    assert.ok(bob);
    const ended = await changes.users.replace({ ...bob, enabled: !bob.enabled }, { actor: 'test' });
    await changes.users.replace({ ...ended, enabled: false }, { actor: 'test' });
    assert.ok((await told(await ask())).nodes.some(({ id }) => id === bob.id));
    server.clock.offset += 31 * 86_400_000;
    const later = await (await ask()).text();
    assert.ok(!decodeJwt<Told>(later).nodes.some(({ id }) => id === bob.id));
    server.clock.offset = 0;
  });

  test('comes in pages of bounded size, which together miss nothing', async () => {
    const after = await cursor();
    const { nodes } = server.server.foundations.storage;
    const ids = Array.from({ length: 1_500 }, (_, index) => `page-${index}`);
    const organization = (await server.introspect((await server.token('machine')).json.access_token)).anc[0];
    const scope = { organization, resource: RESOURCE };
    const mark = (id: string) => nodes.mark(id, { revokedAt: Date.now() }, Date.now() + 60_000, scope);
    for (let from = 0; from < ids.length; from += 50) await Promise.all(ids.slice(from, from + 50).map(mark));
    const seen = new Set<string>();
    let next = after;
    let more = true;
    let pages = 0;
    while (more) {
      const answer = await told(await ask(`?after=${next}`));
      for (const { id } of answer.nodes) seen.add(id);
      ({ next, more } = answer);
      pages += 1;
    }
    assert.ok(pages >= 2);
    assert.ok(ids.every((id) => seen.has(id)));
  });

  test('is for authenticated servers of a resource: everybody else is refused', async () => {
    assert.equal((await fetch(`${server.issuer}/oauth/revocations`)).status, 401);
    const wrong = await fetch(`${server.issuer}/oauth/revocations`, {
      headers: { authorization: basic('shop-api', 'wrong') },
    });
    assert.equal(wrong.status, 401);
    assert.equal((await ask('', 'machine')).status, 403);
    for (const query of [
      '?after=x',
      '?after=-1',
      '?wait=31',
      '?wait=1e1',
      '?after=1&after=2',
      '?client_id=x',
    ]) {
      const refused = await ask(query);
      assert.equal(refused.status, 400, query);
      assert.equal(((await refused.json()) as { error: string }).error, 'invalid_request');
    }
    assert.equal((await ask('', 'shop-api', { method: 'PUT' })).status, 405);
    const evil = await ask('', 'shop-api', { headers: { origin: 'https://evil.example' } });
    assert.equal(evil.headers.get('access-control-allow-origin'), null);
  });

  test('a client that authenticates by form asks with POST', async () => {
    const send = (fields: Record<string, string>) => server.post('/oauth/revocations', undefined, fields);
    const answer = await server.post('/oauth/revocations', 'shop-api', { wait: '0' });
    assert.equal(answer.status, 200);
    assert.equal(decodeJwt(answer.text).aud, 'shop-api');
    assert.equal((await send({ client_id: 'shop-api', client_secret: 'wrong' })).status, 401);
    assert.equal((await send({ token: 'x' })).status, 400);
  });

  test('E16 a server that stops lets those who wait go, with an answer', async () => {
    await using other = await startServer();
    const authorization = basic('shop-api', other.secretOf('shop-api'));
    const poll = fetch(`${other.issuer}/oauth/revocations?wait=30`, { headers: { authorization } });
    await fetch(`${other.issuer}/oauth/revocations`, { headers: { authorization } });
    await Promise.all([other.server.stop(), poll.then((answer) => assert.equal(answer.status, 200))]);
    await other.restart().catch(() => undefined);
  });
});
