import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';

const PASSWORD = 'correct-horse-battery';
const LAST = /This is the last owner\. Make another person owner before\./;
const owner = (username: string) => ({ username, password: PASSWORD, roles: ['owner'] });
const withoutRoles = (username: string) => ({ username, password: PASSWORD, roles: [] });

async function requireNothingWritten({ storage }: Administration): Promise<void> {
  assert.equal(await storage.directory.organizations.findBy('name', 'fresh'), undefined);
}

test('a file that takes the last owner of the server is refused before the first write', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf({ administrators: [owner('root')] }));
  const file = fileOf({ organizations: [{ name: 'fresh' }], administrators: [withoutRoles('root')] });
  const [problem, ...others] = await refusal(administration.apply(file));
  assert.match(String(problem), LAST);
  assert.deepEqual(others, []);
  await requireNothingWritten(administration);
});

test('a file that takes both owners of the server is refused before the first write', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf({ administrators: [owner('root'), owner('zoe')] }));
  const administrators = [withoutRoles('root'), withoutRoles('zoe')];
  const problems = await refusal(
    administration.apply(fileOf({ organizations: [{ name: 'fresh' }], administrators })),
  );
  assert.match(String(problems), LAST);
  await requireNothingWritten(administration);
});

test('an owner goes when the same file makes another one', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf({ administrators: [owner('root')] }));
  const file = fileOf({
    organizations: [{ name: 'fresh' }],
    administrators: [withoutRoles('root'), owner('zoe')],
  });
  await administration.apply(file);
  assert.deepEqual((await administration.apply(file)).changes, []);
});

test('the last owner of an organization is not pruned', async (t) => {
  const administration = await openAdministration(t);
  const acme = { name: 'acme', applications: [{ name: 'desk', clientId: 'desk', realm: 'organization' }] };
  const users = [owner('olga')];
  await administration.apply(fileOf({ organizations: [{ ...acme, users }] }));
  const file = fileOf({ organizations: [{ name: 'fresh' }, { ...acme, users: [] }] });
  assert.match(String(await refusal(administration.apply(file, { prune: true }))), LAST);
  await requireNothingWritten(administration);
});

test('the application of the last owner is not disabled without another owner', async (t) => {
  const administration = await openAdministration(t);
  const desk = { name: 'desk', clientId: 'desk' };
  const olga = { ...owner('olga'), application: 'desk' };
  await administration.apply(
    fileOf({ organizations: [{ name: 'acme', applications: [desk], users: [olga] }] }),
  );
  const applications = [
    { ...desk, enabled: false },
    { name: 'front', clientId: 'front', realm: 'organization' },
  ];
  const file = (users: object[]) =>
    fileOf({ organizations: [{ name: 'acme', applications, users }, { name: 'fresh' }] });
  assert.match(String(await refusal(administration.apply(file([withoutRoles('zoe')])))), LAST);
  await requireNothingWritten(administration);
  await administration.apply(file([owner('zoe')]));
  assert.deepEqual((await administration.apply(file([owner('zoe')]))).changes, []);
});

test('one application of owners is disabled while the file enables the other one', async (t) => {
  const administration = await openAdministration(t);
  const file = (desk: boolean, front: boolean) => {
    const applications = [
      { name: 'desk', clientId: 'desk', enabled: desk },
      { name: 'front', clientId: 'front', enabled: front },
    ];
    const users = [
      { ...owner('olga'), application: 'desk' },
      { ...owner('zoe'), application: 'front' },
    ];
    return fileOf({ organizations: [{ name: 'acme', applications, users }] });
  };
  await administration.apply(file(true, false));
  await administration.apply(file(false, true));
  assert.deepEqual((await administration.apply(file(false, true))).changes, []);
});

test('the application of the last owner is pruned beside another owner', async (t) => {
  const administration = await openAdministration(t);
  const file = (name: string, username: string) => {
    const applications = [{ name, clientId: name }];
    return fileOf({
      organizations: [{ name: 'acme', applications, users: [{ ...owner(username), application: name }] }],
    });
  };
  await administration.apply(file('desk', 'olga'));
  await administration.apply(file('front', 'zoe'), { prune: true });
  assert.deepEqual((await administration.apply(file('front', 'zoe'), { prune: true })).changes, []);
});
