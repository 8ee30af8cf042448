import assert from 'node:assert/strict';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import { createLogger } from '../../src/http/log.ts';
import { engines } from './engines.ts';
import { startWorld, userTable } from './fixture.ts';

test('the log of a refused login against a user table names table and datasource', async () => {
  const lines: { reason?: string }[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const [sqlite] = engines;
  assert.ok(sqlite);
  await using world = await startWorld(
    sqlite,
    async (engine) => {
      const ann = { id: 1, email: 'ann@acme.example', password: bcrypt.hashSync('right', 4) };
      await engine.fill('customers', [ann]);
      return [userTable(engine)];
    },
    { log: createLogger({ level: 'info', destination }) },
  );
  for (const [username, wrong] of [
    ['ann@acme.example', 'wrong password'],
    ['bob@acme.example', 'no row has this user name'],
  ] as const) {
    const { status } = await world.logIn({ collection: 'customers', username, password: 'guess' });
    assert.equal(status, 400);
    assert.equal(lines.at(-1)?.reason, `${wrong}, in the table customers of datasource crm`);
  }
});
