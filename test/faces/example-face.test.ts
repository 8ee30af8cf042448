import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { exampleFace } from './example-face.ts';

test('the example of a face is short and knows only what a face is', () => {
  const source = readFileSync(join(import.meta.dirname, 'example-face.ts'), 'utf8');
  assert.ok(source.split('\n').length <= 60);
  const imported = [...source.matchAll(/ from '([^']+)'/g)].map(([, path]) => path);
  assert.deepEqual(imported, ['../../src/faces/face.ts']);
});

describe('a face for an API that does not exist', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({ faces: [exampleFace] });
    const { storage, changes } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(acme && shop);
    const turnstile = { enabled: true, registration: false, application: shop.id };
    await changes.organizations.replace({ ...acme, faces: { turnstile } }, { actor: 'test' });
  });
  after(() => server[Symbol.asyncDispose]());

  const enter = async (entry: object) => {
    const response = await fetch(`${server.issuer}/turnstile/enter`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(entry),
    });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  const readTicket = async (ticket: string) => {
    const headers = { authorization: `Bearer ${ticket}` };
    const response = await fetch(`${server.issuer}/turnstile/ticket`, { headers });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };

  test('a person enters with a password and gets a token in its words', async () => {
    const { status, body } = await enter({ who: 'ann', word: PASSWORD });
    assert.equal(status, 201);
    assert.deepEqual([body.goodFor, body.holder], ['600 s', 'ann']);
    assert.equal((await server.introspect(String(body.ticket))).username, 'ann');
    assert.equal((await readTicket(String(body.ticket))).body.holder, 'ann');
  });

  test('a wrong password is refused in its words, and is in the audit log', async () => {
    const { status, body } = await enter({ who: 'ann', word: 'wrong' });
    assert.deepEqual([status, body], [401, { turned: 'away', because: 'the guard does not know you' }]);
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 10 });
    const refused = entries.find(({ event }) => event === 'request.refused');
    assert.deepEqual([refused?.client, refused?.details?.path], ['acme.turnstile', '/turnstile/enter']);
  });

  test('it sees no tokens of other doors', async () => {
    const native = (await server.token('machine')).json.access_token;
    assert.equal((await readTicket(native)).status, 401);
  });

  test('an unknown path below it is refused in its words', async () => {
    const response = await fetch(`${server.issuer}/turnstile/exit`);
    assert.deepEqual(
      [response.status, ((await response.json()) as Record<string, string>).turned],
      [404, 'away'],
    );
  });
});
