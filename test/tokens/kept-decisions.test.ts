import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OPAQUE_RESOURCE, RESOURCE, tablesOf } from '../support/server.ts';
import { type KeptPair, startKeptPair } from './kept-pair.ts';

const READ_ONLY = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };

describe('decisions that are kept', () => {
  let pair: KeptPair;
  before(async () => {
    pair = await startKeptPair({
      fixture({ organizations: [acme] }) {
        acme.resources[0].scopes.push('stats:read');
        for (const application of acme.applications) {
          if (application.name === 'machine') application.scopes = ['orders.read', 'stats:read'];
        }
      },
    });
  });
  after(() => pair[Symbol.asyncDispose]());

  const ask = (form: Record<string, string> = {}) => pair.hot.token('machine', form);
  async function heat(form: Record<string, string> = {}) {
    for (let times = 0; times < 2; times += 1) assert.equal((await ask(form)).status, 200);
  }

  test('give each request a token of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ resource: OPAQUE_RESOURCE })));
    assert.equal(new Set(answers.map(({ json }) => json.access_token)).size, 20);
    const facts = await Promise.all(answers.map(({ json }) => pair.hot.introspect(json.access_token)));
    assert.equal(new Set(facts.map(({ jti }) => jti)).size, 20);
  });

  test('are those of what was asked for', async () => {
    const read = { authorization_details: '' };
    const forms: Record<string, string>[] = [
      {},
      { scope: 'orders.read' },
      { scope: 'orders:read' },
      { permissions: JSON.stringify({ isAdmin: false, tables: { orders: { read: true } } }) },
      { resource: OPAQUE_RESOURCE },
      { resource: OPAQUE_RESOURCE, scope: 'orders:read' },
    ];
    const answerTo = async (server: KeptPair['hot'], form: Record<string, string>) => {
      const { access_token: token, ...answer } = (await server.token('machine', { ...read, ...form })).json;
      const { jti: _, iat: __, exp: ___, ...facts } = await pair.hot.introspect(token);
      const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
      return { answer, facts, claims: claims.replace(/("(exp|iat|as_of)":)\d+|"jti":"[^"]+"/g, '$1') };
    };
    for (const form of [...forms, ...forms]) {
      assert.deepEqual(await answerTo(pair.hot, form), await answerTo(pair.plain, form));
    }
  });

  test('give each token a row that says which request it came from', async () => {
    const { storage, registry } = pair.hot.server.foundations;
    await heat({ resource: OPAQUE_RESOURCE });
    for (let times = 0; times < 3; times += 1) {
      const answer = await ask({ resource: OPAQUE_RESOURCE });
      const row = await registry.findRow('opaque', answer.json.access_token);
      assert.equal(row?.requestId, answer.headers.get('x-request-id'));
      assert.equal(row?.address, '127.0.0.1');
    }
    assert.deepEqual(await storage.verify(), []);
  });

  test('do not hold for another client that asks for the same', async () => {
    await heat();
    const other = await pair.hot.token('admin');
    assert.equal(other.json.permissions.isAdmin, true);
  });

  test('end when the ceiling of their application is lowered by another process', async () => {
    await heat();
    const { directory } = pair.plain.server.foundations.storage;
    const { ceilings = [] } = (await directory.applications.findBy('clientId', 'machine')) ?? {};
    const lowered = [{ resource: RESOURCE, permissions: READ_ONLY }];
    await pair.change('applications', 'clientId', 'machine', { ceilings: lowered });
    assert.deepEqual(tablesOf((await ask()).json), { orders: 'r' });
    await pair.change('applications', 'clientId', 'machine', { ceilings });
    assert.equal(Object.keys(tablesOf((await ask()).json)).length, 2);
  });

  test('end when a table leaves the catalogue', async () => {
    await heat();
    const resource = await pair.plain.server.foundations.storage.directory.resources.findBy(
      'identifier',
      RESOURCE,
    );
    const { tables = [] } = resource ?? {};
    await pair.change('resources', 'identifier', RESOURCE, { tables: tables.slice(0, 1) });
    assert.deepEqual(Object.keys(tablesOf((await ask()).json)), ['orders']);
    await pair.change('resources', 'identifier', RESOURCE, { tables });
  });

  test('end when their resource is disabled', async () => {
    await heat({ resource: OPAQUE_RESOURCE });
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { enabled: false });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).json.error, 'invalid_target');
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { enabled: true });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).status, 200);
  });

  test('say how long a token lives as their resource says it', async () => {
    await heat({ resource: OPAQUE_RESOURCE });
    const token = { format: 'opaque', ttl: 60, alg: 'ES256', overflow: 'reference' } as const;
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { token });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).json.expires_in, 60);
  });

  test('a scope that a resource begins to declare is not the name of a table any more', async () => {
    const form = { scope: 'stats:read' };
    const scopes = ['orders.read', 'orders.write'];
    await pair.change('resources', 'identifier', RESOURCE, { scopes });
    await pair.change('applications', 'clientId', 'machine', { enabled: true });
    assert.equal((await ask(form)).json.error, 'invalid_scope');
    await pair.change('resources', 'identifier', RESOURCE, { scopes: [...scopes, 'stats:read'] });
    assert.equal((await ask(form)).json.scope, 'stats:read');
  });
});
