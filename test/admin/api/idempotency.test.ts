import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Answer, PASSWORD } from '../../support/server.ts';
import { during } from './probes.ts';
import { type Kind, startAdmin, type TestAdmin } from './support.ts';

const LIST = '/organizations/acme/probes';

const create = (admin: TestAdmin, key: string, name: string, who: Kind = 'owner'): Promise<Answer> =>
  admin.call('POST', LIST, who, { json: { name }, headers: { 'idempotency-key': key } });

async function namesOf(admin: TestAdmin): Promise<string[]> {
  return (await admin.call('GET', `${LIST}?limit=200`, 'owner')).json.items.map(({ name }: any) => name);
}

describe('repeated creations in the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());
  afterEach(() => {
    during.creation = async () => undefined;
  });

  test('the same key gives the same object with the same secret', async () => {
    const first = await create(admin, 'same', 'same');
    const second = await create(admin, '"same"', 'same');
    assert.equal(first.status, 201);
    assert.match(first.json.secret, /^[\w-]{43}$/);
    assert.deepEqual(
      [second.status, second.json, second.headers.get('etag'), second.headers.get('location')],
      [201, first.json, '"1"', first.headers.get('location')],
    );
    assert.equal((await namesOf(admin)).filter((name) => name === 'same').length, 1);
  });

  test('the same key with another body is 422', async () => {
    await create(admin, 'two-bodies', 'one body');
    const { status, json } = await create(admin, 'two-bodies', 'another body');
    assert.deepEqual([status, json.code], [422, 'idempotency_key_reused']);
  });

  test('the keys of two actors are two keys', async () => {
    const first = await create(admin, 'shared-key', 'of owner');
    const second = await create(admin, 'shared-key', 'of maintainer', 'maintainer');
    assert.deepEqual([first.status, second.status], [201, 201]);
  });

  test('a key that is not one text is refused', async () => {
    for (const key of ['', '""', 'a"b', 'x'.repeat(300), 'é']) {
      const { status } = await create(admin, key, `bad key ${key.length}`);
      assert.equal(status, key === '' ? 201 : 400, key);
    }
  });

  test('a creation that failed can be sent again with the same key', async () => {
    during.creation = async () => {
      throw new Error('after the object was made');
    };
    const failed = await create(admin, 'fails-at-first', 'fails at first');
    assert.deepEqual([failed.status, failed.json.code], [500, 'server_error']);
    assert.equal(failed.json.request_id, failed.headers.get('x-request-id'));
    during.creation = async () => undefined;
    const { status, json } = await create(admin, 'fails-at-first', 'fails at first');
    assert.equal(status, 201);
    assert.match(json.secret, /^[\w-]{43}$/);
  });

  test('the secret is answered for ten minutes and the rest for a day', async () => {
    await using server = await startAdmin();
    const { clock } = server.server;
    const again = async () => {
      const headers = { 'idempotency-key': 'kept' };
      const token = await server.token('owner');
      return server.call('POST', LIST, undefined, { token, json: { name: 'kept' }, headers });
    };
    const first = await again();
    clock.offset += 599_000;
    assert.deepEqual((await again()).json, first.json);
    clock.offset += 2_000;
    const { secret: _, ...told } = first.json;
    const later = await again();
    assert.deepEqual([later.status, later.json, later.headers.get('etag')], [201, told, '"1"']);
    clock.offset += 86_400_000;
    assert.equal((await again()).status, 409);
  });

  test('the secret is not answered again to a token with other rights', async () => {
    const first = await create(admin, 'narrowed', 'narrowed');
    const { json } = await admin.server.post('/oauth/token', 'admin-owner', {
      grant_type: 'password',
      username: 'admin-owner',
      password: PASSWORD,
      permissions: JSON.stringify({ tables: { roles: { create: true } } }),
    });
    const again = await admin.call('POST', LIST, undefined, {
      token: json.access_token,
      json: { name: 'narrowed' },
      headers: { 'idempotency-key': 'narrowed' },
    });
    const { secret: _, ...told } = first.json;
    assert.deepEqual([again.status, again.json], [201, told]);
  });

  test('creations at once with one key make one object', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(admin, 'at-once', 'at once')));
    const made = answers.filter(({ status }) => status === 201);
    assert.ok(made.length >= 1);
    assert.equal(new Set(made.map(({ text }) => text)).size, 1);
    for (const { status, headers, json } of answers.filter((answer) => !made.includes(answer))) {
      assert.deepEqual([status, json.code], [409, 'idempotency_key_in_use']);
      assert.ok(Number(headers.get('retry-after')) > 0);
    }
    assert.equal((await namesOf(admin)).filter((name) => name === 'at once').length, 1);
  });

  test('another server on the same store gives the same answer', async () => {
    await using second = await startAdmin({ shared: admin.shared });
    const first = await create(admin, 'two-servers', 'two servers');
    const again = await create(second, 'two-servers', 'two servers');
    assert.deepEqual([again.status, again.json], [201, first.json]);

    const servers = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? admin : second));
    const answers = await Promise.all(
      servers.map((server) => create(server, 'both-at-once', 'both at once')),
    );
    const made = answers.filter(({ status }) => status === 201);
    assert.ok(made.length >= 1);
    assert.equal(new Set(made.map(({ json }) => json.secret)).size, 1);
    assert.ok(answers.every(({ status }) => status === 201 || status === 409));
    assert.equal((await namesOf(second)).filter((name) => name === 'both at once').length, 1);
  });

  test('an attempt after a kill finds the object that was made', async (t) => {
    const env = { ...process.env, SHARED: JSON.stringify(admin.shared) };
    const child = fork(join(import.meta.dirname, 'child.ts'), { env });
    t.after(() => child.kill('SIGKILL'));
    const [port] = await once(child, 'message');
    const sent = request({
      port,
      method: 'POST',
      path: `/admin/api/v1${LIST}`,
      headers: {
        host: new URL(admin.issuer).host,
        authorization: `Bearer ${admin.tokens.owner}`,
        'content-type': 'application/json',
        'idempotency-key': 'killed',
      },
    });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ name: 'killed' }));
    const [said] = await once(child, 'message');
    assert.equal(said, 'made');
    child.kill('SIGKILL');
    await once(child, 'exit');

    const busy = await create(admin, 'killed', 'killed');
    assert.deepEqual([busy.status, busy.json.code], [409, 'idempotency_key_in_use']);
    admin.server.clock.offset += 20_000;
    const first = await create(admin, 'killed', 'killed');
    assert.equal(first.status, 201, first.text);
    const second = await create(admin, 'killed', 'killed');
    assert.deepEqual(second.json, first.json);
    assert.equal((await namesOf(admin)).filter((name) => name === 'killed').length, 1);
  });

  test('the store has no secret of an answer in the clear', async () => {
    const name = randomUUID();
    const { json } = await create(admin, name, name);
    const { storage } = admin.server.server.foundations;
    const texts: string[] = [];
    for await (const record of storage.dump.export()) texts.push(JSON.stringify(record));
    assert.ok(texts.some((text) => text.includes(name)));
    assert.ok(!texts.some((text) => text.includes(json.secret)));
  });
});
