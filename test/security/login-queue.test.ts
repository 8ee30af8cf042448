import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD, startServer } from '../support/server.ts';

const credentials = { grant_type: 'password', username: 'ann', password: PASSWORD };

test('the line in front of password hashing', async (t) => {
  await t.test('DO-02 a client with many IPv6 networks blocks no other client', async () => {
    await using server = await startServer({
      env: {
        GRANTABLE_TRUSTED_PROXIES: '127.0.0.1,::1',
        GRANTABLE_BCRYPT_COST: '9',
        GRANTABLE_HASH_QUEUE: '4',
      },
    });
    const logIn = (form: Record<string, string>, address: string) =>
      server.post('/oauth/token', 'shop', { ...credentials, ...form }, { 'X-Forwarded-For': address });
    const flood = Array.from({ length: 40 }, (_, i) =>
      logIn({ username: `nobody-${i}`, password: 'wrong' }, `2001:db8:1:${i}::1`),
    );
    const honest = await Promise.all(['198.51.100.7', '2001:db8:2::1'].map((from) => logIn({}, from)));
    assert.deepEqual(
      honest.map(({ status }) => status),
      [200, 200],
    );
    const refused = (await Promise.all(flood)).filter(({ status }) => status === 503);
    assert.notEqual(refused.length, 0, 'the room was full');
  });

  await t.test('E5 a clock set during hashing charges no client for it', async () => {
    await using server = await startServer({
      env: { GRANTABLE_BCRYPT_COST: '9', GRANTABLE_HASH_QUEUE: '1' },
    });
    let hours = 0;
    Object.defineProperty(server.clock, 'offset', {
      get() {
        hours += 1;
        return hours * 3_600_000;
      },
    });
    const logIn = () => server.post('/oauth/token', 'shop', credentials);
    await logIn();
    const answers = await Promise.all(Array.from({ length: 20 }, logIn));
    const refused = answers.filter(({ status }) => status === 503);
    assert.notEqual(refused.length, 0, 'the room was full');
    for (const { headers } of refused) assert.ok(Number(headers.get('retry-after')) < 60);
  });
});
