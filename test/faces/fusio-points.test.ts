import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TestServer } from '../support/server.ts';
import { appOf, type Client, createClient, loginOf, start } from './fusio-client.ts';

/** Of one person and hour. */
const POINTS = 300;

describe('Fusio, what one person changes', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await start();
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('a person who makes and removes applications is refused after 300 changes an hour', async () => {
    const ann = loginOf(await client.login()).token;
    const app = await appOf(client, ann, {});
    const { storage, throttle } = server.server.foundations;
    const { owner = '' } = (await storage.directory.applications.findBy('clientId', app.appKey)) ?? {};
    for (let taken = 2; taken < POINTS; taken += 1) await throttle.ownChange(owner);
    const readChanges = async () =>
      (await storage.audit.page({ limit: 100 })).entries.filter(({ event }) => event !== 'request.refused');
    const before = await readChanges();
    const send = (method: string, path: string, body?: object) =>
      client.send(method, path, body, client.bearer(ann));
    const facts = { name: 'Bar', scopes: ['authorization'] };
    for (const answer of [
      await send('POST', '/consumer/app', facts),
      await send('GET', `/consumer/app/${app.id}`),
      await send('PUT', `/consumer/app/${app.id}`, facts),
      await send('DELETE', `/consumer/app/${app.id}`),
      await send('POST', '/consumer/authorize', {
        responseType: 'code',
        clientId: app.appKey,
        scope: 'authorization',
        allow: true,
      }),
    ]) {
      assert.equal(answer.status, 403, answer.text);
      assert.ok(answer.headers['retry-after']);
    }
    assert.deepEqual(await readChanges(), before);
    server.clock.offset += 3_600_000;
    assert.equal((await send('GET', `/consumer/app/${app.id}`)).status, 200);
  });
});
