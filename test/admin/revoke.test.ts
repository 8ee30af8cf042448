import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { findApplication, findUsers } from '../../src/admin/find-named.ts';
import {
  revokeApplication,
  revokeEverything,
  revokeOrganization,
  revokeToken,
  revokeUser,
} from '../../src/admin/revoke.ts';
import { createRevocations } from '../../src/changes/revocations.ts';
import { type Administration, openAdministration } from './fixture.ts';
import { acme, logIn, mint } from './tokens.ts';

const AUTHOR = { actor: 'test' };

async function openAcme(t: TestContext) {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const { storage } = administration;
  const deps = {
    ...administration,
    store: storage.directory,
    logins: storage.logins,
    author: AUTHOR,
  };
  return { administration, deps };
}

async function lastEvent({ storage }: Administration): Promise<string | undefined> {
  return (await storage.audit.page({ limit: 1 })).entries[0]?.event;
}

for (const format of ['jwt', 'opaque'] as const) {
  test(`a token (${format}) is ended with what hangs below it, and nothing else`, async (t) => {
    const { administration, deps } = await openAcme(t);
    const { registry } = administration;
    const parent = await mint(administration, format);
    const child = await mint(administration, 'opaque', {
      ancestors: [...parent.row.ancestors, parent.row.id],
    });
    const sibling = await mint(administration, 'opaque');
    assert.ok(await registry.find('opaque', child.value));
    const revoked = await revokeToken(parent.value, deps);
    assert.match(revoked ?? '', new RegExp(parent.row.id));
    assert.ok(!JSON.stringify(revoked).includes(parent.value));
    assert.equal(await registry.find(format, format === 'jwt' ? parent.row.id : parent.value), undefined);
    assert.equal(await registry.find('opaque', child.value), undefined);
    assert.ok(await registry.find('opaque', sibling.value));
    assert.equal(await lastEvent(administration), 'token.revoked');
  });
}

test('a refresh token ends its login and the tokens that came from it', async (t) => {
  const { administration, deps } = await openAcme(t);
  const { value, login } = await logIn(administration);
  const token = await mint(administration, 'opaque', { ancestors: [...login.ancestors, login.id] });
  await revokeToken(value, deps);
  assert.equal(await administration.registry.findLogin(login.id), undefined);
  assert.equal(await administration.registry.find('opaque', token.value), undefined);
  assert.equal(await lastEvent(administration), 'login.revoked');
});

test('a text that is not a living token revokes nothing', async (t) => {
  const { deps, administration } = await openAcme(t);
  const { row } = await mint(administration, 'jwt');
  for (const value of ['gat_x', 'grt_x', 'eyJ.x.y', row.id, '']) {
    assert.equal(await revokeToken(value, deps), undefined);
  }
});

test('RT-09 all tokens of a user, application, organization or server can be ended', async (t) => {
  const { administration, deps } = await openAcme(t);
  const { registry, storage, clock } = administration;
  const [user] = await findUsers(storage.directory, 'acme/shop/ann');
  const application = await findApplication(storage.directory, 'acme/shop');
  const organization = await storage.directory.organizations.findBy('name', 'acme');
  assert.ok(user && application && organization);
  for (const revoke of [
    () => revokeUser(user, deps),
    () => revokeApplication(application, deps),
    () => revokeOrganization(organization, deps),
    () => revokeEverything(deps),
  ]) {
    const { login } = await logIn(administration);
    const token = await mint(administration, 'opaque');
    clock.offset += 1_000;
    await revoke();
    assert.equal(await registry.findLogin(login.id), undefined);
    assert.equal(await registry.find('opaque', token.value), undefined);
    clock.offset += 1_000;
    assert.ok(await registry.find('opaque', (await mint(administration, 'opaque')).value));
  }
});

test('RT-04 a token that was made before its end was written ends too', async (t) => {
  const { administration, deps } = await openAcme(t);
  const { registry, storage, clock } = administration;
  const [user] = await findUsers(storage.directory, 'acme/shop/ann');
  assert.ok(user);
  let made: string | undefined;
  const slow: typeof registry = {
    ...registry,
    async markAboveConnections(...mark) {
      clock.offset += 10;
      made ??= (await mint(administration, 'opaque')).value;
      clock.offset += 10;
      await registry.markAboveConnections(...mark);
    },
  };
  const revocations = createRevocations({ ...deps, registry: slow });
  await revokeUser(user, { ...deps, revocations });
  assert.ok(made);
  assert.equal(await registry.find('opaque', made), undefined);
});

test('RT-09 of two moments before which tokens are dead, at two levels, each counts', async (t) => {
  const { administration, deps } = await openAcme(t);
  const { registry, storage, clock } = administration;
  const application = await findApplication(storage.directory, 'acme/shop');
  assert.ok(application);
  const levels = [() => revokeEverything(deps), () => revokeApplication(application, deps)];
  for (const order of [levels, levels.toReversed()]) {
    const first = await mint(administration, 'opaque');
    clock.offset += 1_000;
    await order[0]?.();
    clock.offset += 1_000;
    const second = await mint(administration, 'opaque');
    assert.ok(await registry.find('opaque', second.value));
    clock.offset += 1_000;
    await order[1]?.();
    assert.equal(await registry.find('opaque', first.value), undefined);
    assert.equal(
      await registry.find('opaque', second.value),
      undefined,
      'the later moment does not undo the earlier',
    );
  }
});

test('users and applications are found by the names that people have for them', async (t) => {
  const { administration } = await openAcme(t);
  const { directory } = administration.storage;
  const realmOf = async (name: string) =>
    (await findUsers(directory, name)).map(({ realm }) => realm.split(':')[0]);
  assert.deepEqual(await realmOf('acme/shop/ann'), ['application']);
  assert.deepEqual(await realmOf('acme/shop/ANN'), ['application']);
  assert.deepEqual(await realmOf('acme/ann'), ['organization']);
  assert.deepEqual(await realmOf('management/root'), ['management']);
  const [ann] = await findUsers(directory, 'acme/ann');
  assert.deepEqual(await findUsers(directory, ann?.id ?? ''), [ann]);
  for (const name of [
    '',
    '/',
    'acme',
    'acme/',
    'acme//ann',
    'other/ann',
    'acme/page/ann',
    crypto.randomUUID(),
  ]) {
    assert.deepEqual(await findUsers(directory, name), [], name);
  }
  const shop = await findApplication(directory, 'shop-client');
  assert.equal(shop?.name, 'shop');
  assert.deepEqual(await findApplication(directory, 'acme/shop'), shop);
  assert.deepEqual(await findApplication(directory, shop?.id ?? ''), shop);
  assert.equal(await findApplication(directory, 'acme/nothing'), undefined);
  assert.equal(await findApplication(directory, 'shop'), undefined);
});
