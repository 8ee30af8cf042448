import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MOST_AGENTS } from '../../src/agents/registration.ts';
import { createChildServer } from '../faults/child-server.ts';
import { freePort } from '../support/free-port.ts';
import { STORE, storageForTests } from '../support/mongodb.ts';
import type { TestServer } from '../support/server.ts';
import {
  invite,
  NATIVE,
  organizationOf,
  register,
  registered,
  send,
  startRegistration,
  storedOf,
} from './registration-world.ts';

async function countAgents(server: TestServer): Promise<number> {
  const { store } = server.server.foundations;
  const { id } = await organizationOf(server, 'acme');
  const listed = { key: 'agentOf', value: id } as const;
  return (await store.applications.count({ listed }, MOST_AGENTS * 2)).count;
}

async function countAudit(server: TestServer): Promise<number> {
  return (await server.server.foundations.storage.audit.count({}, 100_000)).count;
}

/** Copies one agent, without the limits, until there are so many. */
async function fill(server: TestServer, count: number): Promise<void> {
  const { storage } = server.server.foundations;
  const {
    number: _number,
    version: _version,
    ...first
  } = (await storedOf(server, (await registered(server)).id))!;
  let missing = count - (await countAgents(server));
  const addEach = async (): Promise<void> => {
    while (missing > 0) {
      missing -= 1;
      const id = crypto.randomUUID();
      await storage.directory.applications.insert({ ...first, id, clientId: id, name: id });
    }
  };
  await Promise.all(Array.from({ length: 20 }, addEach));
}

describe('limits of registration', () => {
  test('DO-05 an address may register so often', async () => {
    await using server = await startRegistration({ env: { GRANTABLE_REGISTRATION_LIMIT: '3/1h' } });
    // What is refused counts too.
    const { redirect_uris: _, ...wrong } = NATIVE;
    const statuses: number[] = [];
    for (const each of [NATIVE, wrong, NATIVE]) statuses.push((await register(server, each)).status);
    assert.deepEqual(statuses, [201, 400, 201]);
    const many = await register(server, NATIVE);
    assert.equal(many.status, 429);
    assert.equal(Number(many.headers.get('retry-after')) > 3000, true);
    server.clock.offset = 3_601_000;
    assert.equal((await register(server, NATIVE)).status, 201);
  });

  test('DO-05 a flood of registrations leaves the store and the audit log', async () => {
    await using server = await startRegistration({ env: { GRANTABLE_REGISTRATION_LIMIT: '5/1h' } });
    for (let count = 0; count < 5; count += 1) await registered(server);
    const [agents, entries] = [await countAgents(server), await countAudit(server)];
    const answers = await Promise.all(Array.from({ length: 200 }, () => register(server, NATIVE)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [429]);
    assert.equal(await countAgents(server), agents);
    assert.equal((await countAudit(server)) - entries <= 11, true);
  });

  test('DO-05 guesses of registration access tokens are limited', async () => {
    await using server = await startRegistration({ env: { GRANTABLE_CLIENT_LIMIT: '3/1m' } });
    const agent = await registered(server);
    const guess = () => send(agent.url, { token: `gra_${'x'.repeat(43)}` });
    for (const status of [401, 401, 401, 429]) assert.equal((await guess()).status, status);
    server.clock.offset = 61_000;
    assert.equal((await agent.manage()).status, 200);
  });

  test('DO-05 guesses of initial access tokens are limited', async () => {
    await using server = await startRegistration({
      registration: 'token',
      env: { GRANTABLE_CLIENT_LIMIT: '3/1m' },
    });
    const guess = () => register(server, NATIVE, { token: `gia_${'x'.repeat(43)}` });
    for (const status of [401, 401, 401, 429]) assert.equal((await guess()).status, status);
    server.clock.offset = 61_000;
    const token = await invite(server, 'acme');
    assert.equal((await register(server, NATIVE, { token })).status, 201);
  });

  test('DO-05 an agent may change itself so often', async () => {
    await using server = await startRegistration();
    const agent = await registered(server);
    const body = { ...NATIVE, client_id: agent.id };
    const put = async () => (await agent.manage({ method: 'PUT', body })).status;
    assert.equal(await put(), 200);
    const { throttle } = server.server.foundations;
    const { id } = (await storedOf(server, agent.id))!;
    for (let count = 0; count < 299; count += 1) await throttle.ownChange(id);
    assert.equal(await put(), 429);
  });

  test('DO-09 an organization has so many agents, also when many register at once', async () => {
    const storage = await storageForTests();
    await using server = await startRegistration({ env: storage });
    await fill(server, MOST_AGENTS - 5);
    // Another process on the same store.
    const port = await freePort();
    await using other = await createChildServer({
      dataDir: server.dataDir,
      port,
      env: {
        GRANTABLE_ISSUER: server.issuer,
        GRANTABLE_HOSTS: `localhost:${port}`,
        GRANTABLE_REGISTRATION_LIMIT: '100000/1h',
        ...storage,
      },
    });
    await other.start();
    const urls = [server.issuer, other.issuer].map((url) => `${url}/oauth/register`);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => send(urls[index % 2] ?? '', { method: 'POST', body: NATIVE })),
    );
    const made = answers.filter(({ status }) => status === 201).length;
    assert.equal(answers.filter(({ status }) => status === 429).length, 50 - made);
    assert.equal(await countAgents(server), MOST_AGENTS - 5 + made);
    // MongoDB may write an agent after one with a higher number, and then neither goes.
    assert.equal(made >= 5 && made <= (STORE === 'SQLite' ? 5 : 10), true, `${made} registered`);
    const full = await register(server, NATIVE);
    assert.equal(full.status, 429);
    assert.match(full.json.error_description, /has 1000 agents/);
    assert.equal(Number(full.headers.get('retry-after')), 3600);
  });
});
