/** Several secrets of one application, at two servers on one store. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { parseApplyFile } from '../../src/apply/file.ts';
import { type NewSecret, TooManySecrets, UnknownSecret } from '../../src/clients/secrets.ts';
import { createClientSecret } from '../../src/directory/client-secrets.ts';
import { AlreadyTaken, FieldsRefused, MalformedRequest } from '../../src/errors/domain.ts';
import { type Application, MOST_SECRETS } from '../../src/nouns/index.ts';
import { basic, FIXTURE, OPAQUE_RESOURCE, type TestServer } from '../support/server.ts';
import { type CachedPair, startCachedPair } from '../tokens/cached-pair.ts';

const AUTHOR = { actor: 'test' };
const MINUTE = 60_000;

describe('secrets of an application', () => {
  let pair: CachedPair;
  let made = 0;
  before(async () => {
    pair = await startCachedPair();
  });
  after(() => pair[Symbol.asyncDispose]());

  const secretsOf = ({ server }: TestServer) => server.foundations.applicationSecrets;
  const now = () => pair.hot.clock.stoppedAt ?? Date.now() + pair.hot.clock.offset;

  async function find(clientId: string): Promise<Application> {
    const application = await pair.plain.server.foundations.store.applications.findBy('clientId', clientId);
    assert.ok(application);
    return application;
  }

  /** An application of its own for each test, with its default secret. */
  async function create(): Promise<{ application: Application; secret: string }> {
    made += 1;
    const clientId = `client-${made}`;
    const { changes } = pair.plain.server.foundations;
    const { id: _, number: __, version: ___, ...like } = await find('machine');
    const id = randomUUID();
    const bare = { ...like, id, clientId, name: clientId, realm: `application:${id}` as const, secrets: [] };
    const { secret } = await secretsOf(pair.plain).addSecret(
      await changes.applications.create(bare, AUTHOR),
      { name: 'default' },
      AUTHOR,
    );
    return { application: await find(clientId), secret };
  }

  const add = (application: Application, wanted: NewSecret, server = pair.plain) =>
    secretsOf(server).addSecret(application, wanted, AUTHOR);
  const remove = (application: Application, id: string, server = pair.plain) =>
    secretsOf(server).removeSecret(application, id, AUTHOR);

  const ask = (server: TestServer, { clientId }: Application, secret: string, form = {}) =>
    server.post(
      '/oauth/token',
      undefined,
      { grant_type: 'client_credentials', ...form },
      { authorization: basic(clientId, secret) },
    );

  async function tokenOf(
    application: Application,
    secret: string,
    server = pair.hot,
    form: Record<string, string> = {},
  ): Promise<string> {
    const { status, json, text } = await ask(server, application, secret, form);
    assert.equal(status, 200, text);
    return json.access_token;
  }

  const isActive = async (token: string): Promise<boolean> => {
    const [hot, plain] = await Promise.all([pair.hot.introspect(token), pair.plain.introspect(token)]);
    assert.equal(hot.active, plain.active);
    return hot.active;
  };

  test('each of several secrets is right, in the header and in the form', async () => {
    const { application, secret } = await create();
    const { secret: other } = await add(application, { name: 'next' });
    assert.match(other, /^gcs_/);
    for (const server of [pair.hot, pair.plain]) {
      for (const each of [secret, other]) {
        await tokenOf(application, each, server);
        const form = { client_id: application.clientId, client_secret: each };
        const posted = await server.post('/oauth/token', undefined, {
          grant_type: 'client_credentials',
          ...form,
        });
        assert.equal(posted.status, 200, posted.text);
      }
      assert.equal((await ask(server, application, createClientSecret())).status, 401);
    }
  });

  test('a secret that one server removes is refused by the other at its next request', async () => {
    const { application, secret } = await create();
    const { id, secret: other } = await add(application, { name: 'next' });
    await tokenOf(application, other);
    await remove(application, id);
    const refused = await ask(pair.hot, application, other);
    assert.deepEqual([refused.status, refused.json.error], [401, 'invalid_client']);
    await tokenOf(application, secret);
  });

  test('adding a secret ends nothing', async () => {
    const { application, secret } = await create();
    const tokens = [
      await tokenOf(application, secret),
      await tokenOf(application, secret, pair.plain, { resource: OPAQUE_RESOURCE }),
    ];
    await add(application, { name: 'next' });
    for (const token of tokens) assert.ok(await isActive(token));
  });

  test('removing a secret ends what was made with it and nothing else', async () => {
    const { application, secret } = await create();
    const { id, secret: other } = await add(application, { name: 'next' });
    const made = async (each: string) => [
      // The second of each is made by a decision that is kept.
      await tokenOf(application, each),
      await tokenOf(application, each),
      await tokenOf(application, each, pair.plain, { resource: OPAQUE_RESOURCE }),
    ];
    const [kept, ended] = [await made(secret), await made(other)];
    for (const token of [...kept, ...ended]) assert.ok(await isActive(token));
    await remove(application, id);
    for (const token of kept) assert.ok(await isActive(token));
    for (const token of ended) assert.equal(await isActive(token), false);
  });

  test('no token that is made while its secret is removed outlives it', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { application } = await create();
      const { id, secret } = await add(application, { name: 'next' });
      const asking = Array.from({ length: 40 }, async (_, index) => {
        const server = index % 2 === 0 ? pair.hot : pair.plain;
        return (await ask(server, application, secret)).json.access_token as string | undefined;
      });
      await asking[0];
      await remove(application, id);
      const tokens = (await Promise.all(asking)).filter((token) => token !== undefined);
      assert.ok(tokens.length > 0);
      for (const token of tokens) assert.equal(await isActive(token), false);
    }
  });

  test('an expired secret is refused, and what was made with it lives on', async () => {
    const { application, secret } = await create();
    const { id, secret: brief } = await add(application, { name: 'brief', expiresAt: now() + MINUTE });
    const token = await tokenOf(application, brief);
    pair.hot.clock.offset += MINUTE;
    for (const server of [pair.hot, pair.plain]) {
      assert.equal((await ask(server, application, brief)).status, 401);
      await tokenOf(application, secret, server);
    }
    assert.ok(await isActive(token));
    await remove(application, id);
    assert.equal(await isActive(token), false);
  });

  test('a value that one secret has after it expired under another name is right', async () => {
    const { application } = await create();
    const secret = createClientSecret();
    await add(application, { name: 'brief', secret, expiresAt: now() + MINUTE });
    await tokenOf(application, secret);
    pair.hot.clock.offset += MINUTE;
    await add(application, { name: 'again', secret });
    await tokenOf(application, secret);
  });

  test('of parallel additions under one name one succeeds', async () => {
    const { application } = await create();
    const additions = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        add(application, { name: 'next' }, index % 2 === 0 ? pair.hot : pair.plain),
      ),
    );
    const told = additions.flatMap((each) => (each.status === 'fulfilled' ? [each.value.secret] : []));
    assert.equal(told.length, 1);
    for (const each of additions) {
      if (each.status === 'rejected') assert.ok(each.reason instanceof AlreadyTaken, String(each.reason));
    }
    await tokenOf(application, told[0] ?? '');
  });

  test('parallel additions never make more secrets than an application may have', async () => {
    const { application } = await create();
    const additions = await Promise.allSettled(
      Array.from({ length: MOST_SECRETS + 2 }, (_, index) =>
        add(application, { name: `secret ${index}` }, index % 2 === 0 ? pair.hot : pair.plain),
      ),
    );
    const { secrets } = await find(application.clientId);
    assert.ok(secrets.length <= MOST_SECRETS);
    for (const each of additions) {
      if (each.status === 'fulfilled') assert.ok(secrets.some(({ id }) => id === each.value.id));
    }
    for (let name = 0; (await find(application.clientId)).secrets.length < MOST_SECRETS; name += 1) {
      await add(application, { name: `further ${name}` });
    }
    await assert.rejects(add(application, { name: 'one too many' }), TooManySecrets);
  });

  test('an addition that is retried with its id and value adds nothing', async () => {
    const { application } = await create();
    const wanted = { name: 'next', id: randomUUID(), secret: createClientSecret() };
    const answers = await Promise.all([add(application, wanted), add(application, wanted, pair.hot)]);
    for (const { id, secret } of answers) assert.deepEqual([id, secret], [wanted.id, wanted.secret]);
    assert.equal((await find(application.clientId)).secrets.length, 2);
    const other = { ...wanted, secret: createClientSecret() };
    await assert.rejects(add(application, other), AlreadyTaken);
  });

  test('an addition that cannot be is refused with what would be right', async () => {
    const { application } = await create();
    const wrong: [NewSecret, RegExp][] = [
      [{ name: '' }, /^name /],
      [{ name: 'two\nlines' }, /^name /],
      [{ name: 'past', expiresAt: now() }, /^expiresAt is in the past: name a later time, or none\.$/],
      [{ name: 'no time', expiresAt: Number.NaN }, /^expiresAt /],
      [{ name: 'short', secret: 'short' }, /^secret is shorter than 32 characters/],
    ];
    for (const [wanted, description] of wrong) {
      await assert.rejects(add(application, wanted), (error) => {
        assert.ok(error instanceof FieldsRefused, String(error));
        assert.match(error.told, description);
        return true;
      });
    }
    await assert.rejects(add(application, { name: 'default' }), AlreadyTaken);
    await assert.rejects(add(await find('spa'), { name: 'any' }), MalformedRequest);
    await assert.rejects(add({ ...application, id: randomUUID() }, { name: 'any' }), UnknownSecret);
    await assert.rejects(remove(application, randomUUID()), UnknownSecret);
    assert.equal((await find(application.clientId)).secrets.length, 1);
  });

  test('the last use of a secret is told, and written once a minute', async () => {
    const { application, secret } = await create();
    const { id } = await add(application, { name: 'unused' });
    const [used] = application.secrets;
    const start = now();
    pair.hot.clock.stoppedAt = start;
    const lastUse = () => secretsOf(pair.hot).findUse(used?.id ?? '');
    try {
      assert.equal(await lastUse(), undefined);
      await Promise.all([tokenOf(application, secret), tokenOf(application, secret)]);
      const first = { at: start, address: '127.0.0.1' };
      assert.deepEqual(await lastUse(), first);
      assert.deepEqual(await secretsOf(pair.plain).findUse(used?.id ?? ''), first);
      pair.hot.clock.stoppedAt = start + MINUTE - 1;
      await tokenOf(application, secret);
      assert.deepEqual(await lastUse(), first);
      pair.hot.clock.stoppedAt = start + MINUTE;
      assert.equal((await ask(pair.hot, application, createClientSecret())).status, 401);
      assert.deepEqual(await lastUse(), first);
      await tokenOf(application, secret);
      assert.deepEqual(await lastUse(), { ...first, at: start + MINUTE });
      assert.equal(await secretsOf(pair.hot).findUse(id), undefined);
    } finally {
      delete pair.hot.clock.stoppedAt;
    }
  });

  test('the audit log names secrets that were added and removed, without their hashes', async () => {
    const { application } = await create();
    const expiresAt = now() + MINUTE;
    const { id } = await add(application, { name: 'next', expiresAt });
    await remove(application, id);
    const page = await pair.plain.server.foundations.audit.page({ limit: 50 });
    const entries = page.entries.filter(({ subject }) => subject === application.id);
    const [removal, addition] = entries.map(({ details }) => details?.secrets as any);
    const [{ createdAt, ...secret }] = addition.added;
    assert.deepEqual(secret, { id, name: 'next', expiresAt });
    assert.deepEqual(addition, { added: [{ ...secret, createdAt }], removed: [] });
    assert.deepEqual(removal, { added: [], removed: [{ ...secret, createdAt }] });
    assert.ok(!JSON.stringify(entries).includes('hmac-sha256'));
  });

  test('an apply file replaces its own secret only', async () => {
    const machine = await find('machine');
    const { secret: added, id } = await add(machine, { name: 'added' });
    const token = await tokenOf(machine, added);
    const before = await tokenOf(machine, pair.hot.secretOf('machine'));
    const file = structuredClone(FIXTURE) as any;
    const { applications } = file.organizations[0];
    const entry = applications.find(({ name }: { name: string }) => name === 'machine');
    const { apply } = pair.plain.server.foundations;
    const applyFile = () => apply(parseApplyFile(JSON.stringify(file), 'apply.json'));
    await applyFile();
    assert.ok(await isActive(before));
    entry.clientSecret = createClientSecret();
    await applyFile();
    assert.ok(await isActive(token));
    assert.equal(await isActive(before), false);
    await tokenOf(machine, added);
    await tokenOf(machine, entry.clientSecret);
    assert.equal((await ask(pair.hot, machine, pair.hot.secretOf('machine'))).status, 401);
    const { clientSecret: _, ...without } = entry;
    applications.splice(applications.indexOf(entry), 1, without);
    await applyFile();
    const { secrets } = await find('machine');
    assert.deepEqual(secrets.map(({ name }) => name).sort(), ['added', 'default']);
    await remove(machine, id);
  });

  test('an apply file gives no secret to an application that has ten others', async () => {
    const admin = await find('admin');
    const [own] = admin.secrets;
    await remove(admin, own?.id ?? '');
    for (let name = 0; name < MOST_SECRETS; name += 1) await add(admin, { name: `secret ${name}` });
    const { apply } = pair.plain.server.foundations;
    const applying = apply(parseApplyFile(JSON.stringify(FIXTURE), 'apply.json'));
    await assert.rejects(applying, /application acme\/admin has 10 other secrets: remove one/);
  });
});
