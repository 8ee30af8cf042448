import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createUnusedAgents } from '../../src/agents/unused.ts';
import type { Application } from '../../src/nouns/index.ts';
import { endUnusedAgents } from '../../src/server/sweep.ts';
import { addAgent, addLogin, approveAgent } from '../support/agents.ts';
import { storageForTests } from '../support/mongodb.ts';
import { startServer } from '../support/server.ts';

const DAY = 86_400_000;
const URL_ID = 'https://agent.example/client.json';

async function start(t: TestContext) {
  const server = await startServer({ env: await storageForTests() });
  t.after(() => server[Symbol.asyncDispose]());
  const { foundations } = server.server;
  const { applications } = foundations.storage.directory;
  return {
    server,
    foundations,
    now: foundations.now,
    /** All agents, once. */
    look: () => foundations.unusedAgents.look(1_000),
    pass: (ms: number) => {
      server.clock.offset += ms;
    },
    current: ({ id }: Pick<Application, 'id'>) => applications.get(id),
    eventsOf: async ({ id }: Pick<Application, 'id'>) => {
      const { entries } = await foundations.storage.audit.page({ subject: id, limit: 10 });
      return entries.map(({ event, actor }) => `${event} by ${actor}`).reverse();
    },
  };
}

test('an agent goes 30 days after the last of its logins ended', async (t) => {
  const { server, look, pass, current, now, eventsOf } = await start(t);
  const agent = await addAgent(server, { clientId: URL_ID });
  await addLogin(server, agent, { expiresAt: now() + 5 * DAY });
  await look();
  assert.equal((await current(agent))?.agentUnusedSince, undefined);
  pass(6 * DAY);
  await look();
  const since = (await current(agent))?.agentUnusedSince;
  assert.ok(since !== undefined && Math.abs(since - now()) < DAY);
  pass(29 * DAY);
  await look();
  assert.ok(await current(agent));
  pass(2 * DAY);
  await look();
  assert.equal(await current(agent), undefined);
  assert.deepEqual(await eventsOf(agent), ['agent.registered by test', 'agent.ended by clean-up']);
});

test('an agent that is used again stays, and its days begin anew', async (t) => {
  const { server, look, pass, current, now } = await start(t);
  const agent = await addAgent(server, { clientId: URL_ID });
  await look();
  pass(29 * DAY);
  await addLogin(server, agent, { expiresAt: now() + DAY });
  await look();
  assert.equal((await current(agent))?.agentUnusedSince, undefined);
  pass(2 * DAY);
  await look();
  pass(29 * DAY);
  await look();
  assert.ok(await current(agent));
});

test('a login that was ended does not keep an agent, and one among many does', async (t) => {
  const { server, look, current, foundations } = await start(t);
  const [ended, used] = [
    await addAgent(server, { clientId: URL_ID }),
    await addAgent(server, { clientId: 'https://other.example/client.json' }),
  ];
  const { storage, now } = foundations;
  const living = await addLogin(server, used);
  // More than one page of them.
  const end = async (agent: Application): Promise<void> => {
    await storage.nodes.mark(await addLogin(server, agent), { revokedAt: now() }, now() + 90 * DAY);
  };
  await Promise.all(Array.from({ length: 101 }, () => Promise.all([end(ended), end(used)])));
  await look();
  assert.ok((await current(ended))?.agentUnusedSince !== undefined);
  assert.equal((await current(used))?.agentUnusedSince, undefined, living);
});

test('an agent that registered and was never used goes after a day', async (t) => {
  const { server, look, pass, current, now } = await start(t);
  const registered = (clientId: string) =>
    addAgent(server, { clientId, facts: { agentUnusedSince: now(), createdAt: now() } });
  const [never, once] = [await registered('never'), await registered('once')];
  await addLogin(server, once, { expiresAt: now() + DAY / 4 });
  await look();
  pass(DAY / 2);
  await look();
  assert.ok(await current(never));
  pass(DAY);
  await look();
  assert.deepEqual([await current(never), (await current(once))?.id], [undefined, once.id]);
  pass(30 * DAY);
  await look();
  assert.equal(await current(once), undefined);
});

test('approved agents go too, and disabled ones and other applications stay', async (t) => {
  const { server, look, pass, current, foundations } = await start(t);
  const { storage, changes } = foundations;
  const approved = await approveAgent(server, await addAgent(server, { clientId: URL_ID }));
  const kept = await addAgent(server, { clientId: 'https://other.example/client.json' });
  const disabled = await changes.applications.replace({ ...kept, enabled: false }, { actor: 'test' });
  const before = (await storage.directory.applications.page({ limit: 100 })).items.length;
  await look();
  pass(31 * DAY);
  await look();
  assert.equal(await current(approved), undefined);
  assert.ok(await current(disabled));
  assert.equal((await storage.directory.applications.page({ limit: 100 })).items.length, before - 1);
});

test('a person who lets an agent in as it goes keeps it, and processes share the work', async (t) => {
  const { server, look, pass, current, foundations } = await start(t);
  const agent = await addAgent(server, { clientId: URL_ID });
  await look();
  pass(31 * DAY);
  const { storage, changes, now } = foundations;
  const { applications } = storage.directory;
  let isFirst = true;
  const other = createUnusedAgents({
    storage,
    now,
    changes: {
      applications: {
        ...changes.applications,
        // The consent is written after the agent was found unused, and before it is removed.
        async remove(found, author) {
          const stored = await applications.get(found.id);
          const { agentUnusedSince: _, ...used } = stored as Application;
          if (isFirst) await applications.replace(used);
          isFirst = false;
          await changes.applications.remove(found, author);
        },
      },
    },
  });
  await other.look(10);
  assert.equal((await current(agent))?.agentUnusedSince, undefined);
  await look();
  pass(31 * DAY);
  await Promise.all([look(), other.look(10)]);
  assert.equal(await current(agent), undefined);
});

test('an agent that registered stays from the moment in which a person lets it in', async (t) => {
  const { server, look, pass, current, now, foundations } = await start(t);
  const born = { agentUnusedSince: now(), createdAt: now() };
  const agent = await addAgent(server, { clientId: 'dcr-1', facts: born });
  pass(DAY - 1_000);
  await foundations.agents.keep(agent);
  assert.equal((await current(agent))?.agentUnusedSince, undefined);
  pass(2_000);
  await look();
  pass(2 * DAY);
  await look();
  assert.ok(await current(agent));
});

test('a round looks at a bounded number of agents, and the next goes on there', async (t) => {
  const { server, foundations, current } = await start(t);
  const agents: Application[] = [];
  for (let count = 0; count < 7; count += 1) {
    agents.push(await addAgent(server, { clientId: `https://agent.example/${count}` }));
  }
  const marked = async () => {
    const found = await Promise.all(agents.map((agent) => current(agent)));
    return found.filter((agent) => agent?.agentUnusedSince !== undefined).length;
  };
  const unused = createUnusedAgents(foundations);
  assert.equal(await unused.look(3), false);
  assert.equal(await marked(), 3);
  assert.equal(await unused.look(3), false);
  assert.equal(await marked(), 6);
  assert.equal(await unused.look(3), true);
  assert.equal(await marked(), 7);
  let calls = 0;
  const endless = { look: async (most: number) => ++calls * most < 0 };
  await endUnusedAgents(endless, { pause: async () => undefined });
  assert.equal(calls, 10);
  await endUnusedAgents(endless, { pause: async () => undefined, isStopping: () => true });
  assert.equal(calls, 10);
});
