import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD, startServer } from '../support/server.ts';

test('DO-03 wrong passwords given at a back end do not keep out its right secret', async () => {
  await using server = await startServer({ env: { GRANTABLE_ADDRESS_LIMIT: '10/2m' } });
  const logIn = (username: string, password: string) =>
    server.token('shop', { grant_type: 'password', username, password });
  const { access_token: token } = (await logIn('ann', PASSWORD)).json;
  for (let i = 0; i < 10; i += 1) await logIn(`nobody-${i}`, 'wrong');
  assert.equal((await logIn('ann', PASSWORD)).status, 429);
  assert.equal((await server.token('machine')).status, 200);
  assert.equal((await server.introspect(token)).active, true);
});
