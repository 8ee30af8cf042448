import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD, startServer } from '../support/server.ts';

test('DO-03 strangers who guess one name keep a known address from no other name', async () => {
  await using server = await startServer({ env: { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1,::1' } });
  const logIn = async (username: string, address: string, password = PASSWORD) => {
    const form = { grant_type: 'password', username, password };
    return (await server.post('/oauth/token', 'shop', form, { 'X-Forwarded-For': address })).status;
  };
  assert.equal(await logIn('ann', '198.51.100.7'), 200);
  for (let i = 0; i < 11; i += 1) await logIn('ann@acme.example', `203.0.113.${i}`, 'wrong');
  assert.equal(await logIn('ann@acme.example', '203.0.113.99'), 429);
  assert.equal(await logIn('Ann@acme.example', '198.51.100.7'), 200);
});
