import assert from 'node:assert/strict';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import { engines } from './engines.ts';
import { startWorld, userTable } from './fixture.ts';

const LIMITS = { GRANTABLE_ACCOUNT_LIMIT: '5/15m', GRANTABLE_ADDRESS_LIMIT: '20/2m' };

async function startCustomers() {
  const engine = engines.find(({ name }) => name === 'SQLite');
  assert.ok(engine);
  const world = await startWorld(
    engine,
    async (opened) => {
      const password = bcrypt.hashSync('right', 4);
      await opened.fill('customers', [
        { id: 1, email: 'ann', password },
        { id: 2, email: 'bob', password },
      ]);
      return [userTable(opened)];
    },
    { env: LIMITS },
  );
  const statusOf = async (username: string, password = 'wrong') =>
    (await world.logIn({ collection: 'customers', username, password })).status;
  return Object.assign(world, { statusOf });
}

test('a throttled login does not ask the database', async () => {
  await using world = await startCustomers();
  for (let i = 0; i < 5; i += 1) assert.equal(await world.statusOf('ann'), 400);
  await world.engine.run('DROP TABLE customers');
  assert.equal(await world.statusOf('bob'), 503, 'who has guesses left is looked for');
  assert.equal(await world.statusOf('ann', 'right'), 429);
});

test('throttled logins count for the address', async () => {
  await using world = await startCustomers();
  for (let i = 0; i < 20; i += 1) await world.statusOf('ann');
  assert.equal(await world.statusOf('bob', 'right'), 429);
  world.server.clock.offset += 120_000;
  assert.equal(await world.statusOf('bob', 'right'), 200);
});
