/** How long it is remembered that something ended. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { registrantNode, secretNode } from '../../src/registry/nodes.ts';
import { AUTHOR, newUser, openApplications } from './fixture.ts';

const YEAR = 366 * 86_400_000;

async function open(t: TestContext) {
  const fixture = await openApplications(t);
  const { storage, now, register } = fixture;
  return {
    ...fixture,
    register: async () => (await register()).application,
    /** Records of nodes that are still there in a year. */
    async countLasting(): Promise<number> {
      await storage.sweep(now() + YEAR, 100_000);
      return (await storage.nodes.changesSince(0, 10_000)).records.length;
    },
  };
}

test('applications that a person makes, changes and removes leave no record for ever', async (t) => {
  const { applications, register, countLasting } = await open(t);
  for (let made = 0; made < 3; made += 1) {
    const application = await register();
    await applications.renewSecret(application, AUTHOR);
    await applications.update(application, { name: 'Bar', scopes: [] }, AUTHOR);
    await applications.remove(application, AUTHOR);
  }
  assert.equal(await countLasting(), 0);
});

test('a person who changed their password and was removed leaves no record for ever', async (t) => {
  const { storage, changes, organization, application, countLasting } = await open(t);
  const made = await changes.users.create(newUser(organization.id, application.realm, 'eve', []), AUTHOR);
  const changed = await changes.users.replace({ ...made, passwordHash: 'another' }, AUTHOR);
  const off = await changes.users.replace({ ...changed, enabled: false }, AUTHOR);
  await changes.users.remove(off, AUTHOR);
  assert.equal(await storage.directory.users.get(made.id), undefined);
  assert.equal(await countLasting(), 0);
});

test('the end of what connections may hang below is remembered as long as it is there', async (t) => {
  const { changes, user, application, countLasting } = await open(t);
  const changed = await changes.users.replace({ ...user, passwordHash: 'another' }, AUTHOR);
  const off = await changes.applications.replace({ ...application, enabled: false }, AUTHOR);
  assert.equal(await countLasting(), 2);
  await changes.users.remove(changed, AUTHOR);
  await changes.applications.remove(off, AUTHOR);
  assert.equal(await countLasting(), 0);
});

test('the end of a person’s application is remembered as long as it exists', async (t) => {
  const { applications, changes, register, countLasting } = await open(t);
  const off = await changes.applications.replace({ ...(await register()), enabled: false }, AUTHOR);
  const on = await changes.applications.replace({ ...off, enabled: true }, AUTHOR);
  assert.equal(await countLasting(), 1, 'people may have consented to it before');
  await applications.remove(on, AUTHOR);
  assert.equal(await countLasting(), 0);
});

test('rights that a disabled person gave stay ended while the person is disabled', async (t) => {
  const { storage, changes, now, user, registry } = await open(t);
  const off = await changes.users.replace({ ...user, enabled: false }, AUTHOR);
  await storage.sweep(now() + 2 * YEAR, 100_000);
  assert.equal(await registry.isAlive([registrantNode(user.id)], now()), false);
  await changes.users.remove(off, AUTHOR);
  await storage.sweep(now() + YEAR, 100_000);
  assert.deepEqual(await storage.nodes.read([registrantNode(user.id)]), [], 'the record is gone');
});

test('ends are remembered as long as the longest login of an older API lasts', async (t) => {
  const { storage, changes, now, registry, applications, register, user } = await open(t);
  const made = await register();
  const asOf = now();
  await applications.renewSecret(made, AUTHOR);
  await changes.users.remove(user, AUTHOR);
  await storage.sweep(now() + 364 * 86_400_000, 100_000);
  const [secret] = made.secrets;
  assert.equal(await registry.isAlive([secretNode(secret?.id ?? '')], asOf), false);
  assert.equal(await registry.isAlive([user.id], asOf), false);
});
