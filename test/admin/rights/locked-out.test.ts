/** Owners who are people of one application: what ends that application would lock them out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LastOwner } from '../../../src/changes/owners.ts';
import type { Application, User } from '../../../src/nouns/index.ts';
import { PASSWORD, secretOf, startServer, type TestServer } from '../../support/server.ts';

const AUTHOR = { actor: 'test' };

let server: TestServer;
before(async () => {
  server = await startServer({
    fixture({ organizations: [acme] }) {
      for (const name of ['staff', 'desk'])
        acme.applications.push({ name, clientId: name, clientSecret: secretOf(name) });
      acme.users.push(
        { username: 'olga', password: PASSWORD, application: 'staff', roles: ['owner'] },
        { username: 'otto', password: PASSWORD },
        { username: 'dora', password: PASSWORD, application: 'desk' },
      );
    },
  });
});
after(() => server[Symbol.asyncDispose]());

const parts = () => server.server.foundations;
const organization = async () => (await parts().store.organizations.findBy('name', 'acme'))?.id ?? '';
async function application(name: string): Promise<Application> {
  const found = await parts().store.applications.findBy('name', `${await organization()}/${name}`);
  assert.ok(found);
  return found;
}
const staff = () => application('staff');
async function user(realm: User['realm'], username: string): Promise<User> {
  const found = await parts().store.users.findBy('username', `${realm}/${username}`);
  assert.ok(found);
  return found;
}
const otto = async () => user(`organization:${await organization()}`, 'otto');
const olga = async () => user(`application:${(await staff()).id}`, 'olga');

test('the last owner is not locked out with the application of their realm', async () => {
  const { applications } = parts().changes;
  const before = await staff();
  for (const change of [{ enabled: false }, { realm: `organization:${await organization()}` as const }]) {
    await assert.rejects(applications.replace({ ...before, ...change }, AUTHOR), LastOwner);
  }
  await assert.rejects(applications.remove(before, AUTHOR), LastOwner);
  assert.deepEqual(await staff(), before);
  assert.ok((await olga()).enabled);
});

test('an owner who is locked out does not stand in for the last one', async () => {
  const { applications, users } = parts().changes;
  const { roles } = await olga();
  await users.replace({ ...(await otto()), roles }, AUTHOR);
  await applications.replace({ ...(await staff()), enabled: false }, AUTHOR);
  await assert.rejects(users.replace({ ...(await otto()), roles: [] }, AUTHOR), LastOwner);
  await applications.remove(await staff(), AUTHOR);
});

test('of two moves at once that lock out both owners, one fails', async () => {
  const { applications, users } = parts().changes;
  const { roles } = await otto();
  const realm = `application:${(await application('desk')).id}` as const;
  await users.replace({ ...(await user(realm, 'dora')), roles }, AUTHOR);
  const moves = await Promise.allSettled([
    applications.replace({ ...(await application('desk')), enabled: false }, AUTHOR),
    users.replace({ ...(await otto()), roles: [] }, AUTHOR),
  ]);
  assert.ok(moves.some(({ status }) => status === 'rejected'));
  assert.ok((await application('desk')).enabled || (await otto()).roles.length > 0);
});
