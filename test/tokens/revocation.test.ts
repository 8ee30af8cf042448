import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { AUTHOR } from '../support/exchange.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

describe('revoking what holds at another time', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => {
    server.clock.offset = 0;
  });

  const logIn = async (): Promise<Record<string, string>> => {
    const form = { grant_type: 'password', username: 'ann', password: PASSWORD };
    return (await server.post('/oauth/token', 'shop', form)).json;
  };
  const revoke = async (token = ''): Promise<void> => {
    assert.equal((await server.post('/oauth/revoke', 'shop', { token })).status, 200);
  };
  const refresh = async (token = ''): Promise<number> =>
    (await server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: token })).status;
  const isActive = async (token = ''): Promise<boolean> => (await server.introspect(token)).active;

  async function setRoles(roles: readonly string[]): Promise<readonly string[]> {
    const { directory, users, changes } = server.server.foundations;
    const shop = await (await directory.view()).findApplication('shop');
    const ann = await users.findByLogin(shop!.application.realm, 'ann');
    await changes.users.replace({ ...ann!, roles: [...roles] }, AUTHOR);
    return ann!.roles;
  }

  test('a token that allows nothing is ended and does not come back', async () => {
    const [kept, revoked] = [await logIn(), await logIn()];
    const roles = await setRoles([]);
    assert.equal(await isActive(revoked.access_token), false);
    await revoke(revoked.access_token);
    await revoke(revoked.refresh_token);
    await setRoles(roles);
    assert.equal(await isActive(kept.access_token), true);
    assert.equal(await isActive(revoked.access_token), false);
    assert.equal(await refresh(kept.refresh_token), 200);
    assert.equal(await refresh(revoked.refresh_token), 400);
  });

  test('a login of a clock that was ahead is ended before its time has come', async () => {
    server.clock.offset = 60_000;
    const [kept, revoked] = [await logIn(), await logIn()];
    server.clock.offset = 0;
    await revoke(revoked.access_token);
    await revoke(revoked.refresh_token);
    server.clock.offset = 70_000;
    assert.equal(await refresh(kept.refresh_token), 200);
    assert.equal(await isActive(revoked.access_token), false);
    assert.equal(await refresh(revoked.refresh_token), 400);
  });
});
