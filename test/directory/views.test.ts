import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { findResourceSpelled } from '../../src/directory/collections.ts';
import { createDirectory, type DirectoryView } from '../../src/directory/directory.ts';
import type { Resource } from '../../src/nouns/index.ts';
import { Conflict, type DirectoryStore } from '../../src/storage/contract.ts';
import { AUTHOR, CLERK, newApplication, newResource, openFixture } from './fixture.ts';

const OTHER_RESOURCE = 'https://api.other.example/';

/** @returns the same store, which notes the collections that are read */
function noting(store: DirectoryStore, reads: string[]): DirectoryStore {
  const wrapped = Object.entries(store).map(([name, part]) => {
    if (typeof part === 'function') return [name, part];
    const methods = Object.entries(part).map(([method, run]) => [
      method,
      (...args: unknown[]) => {
        reads.push(`${name}.${method}`);
        return (run as (...given: unknown[]) => unknown)(...args);
      },
    ]);
    return [name, Object.fromEntries(methods)];
  });
  return Object.fromEntries(wrapped);
}

/** The fixture's organization beside another one, seen by a process that notes what it reads. */
async function openTwo(t: TestContext) {
  const fixture = await openFixture(t);
  const { changes, storage, now } = fixture;
  const other = await changes.organizations.create(
    { name: 'other', enabled: true, default: false, hosts: ['other.example'] },
    AUTHOR,
  );
  const resource = await changes.resources.create(newResource(other.id, OTHER_RESOURCE), AUTHOR);
  const application = await changes.applications.create(
    {
      ...newApplication(other.id, 'desk'),
      allowedOrigins: ['https://desk.example'],
      resource: OTHER_RESOURCE,
      ceilings: [{ resource: OTHER_RESOURCE, permissions: CLERK }],
    },
    AUTHOR,
  );
  const role = await changes.roles.create(
    {
      organization: other.id,
      name: 'clerk',
      enabled: true,
      default: false,
      resource: OTHER_RESOURCE,
      scopes: [],
      permissions: CLERK,
    },
    AUTHOR,
  );
  const reads: string[] = [];
  const directory = createDirectory({ store: noting(storage.directory, reads), faceRules: [], now });
  const askOther = (view: DirectoryView) =>
    Promise.all([
      view.findApplication(application.clientId),
      view.findApplicationById(application.id),
      view.findApplicationNamed(other.id, 'desk'),
      view.findFirstApplication(other.id),
      view.findApplications(other.id),
      view.findOrganization(other.id),
      view.findOrganizationNamed('other'),
      view.findResource(OTHER_RESOURCE),
      view.findRole(role.id),
      view.findDatasources(other.id),
      view.isListedOrigin('https://desk.example'),
    ]);
  return {
    ...fixture,
    other: { organization: other, resource, application, role },
    reads,
    directory,
    askOther,
  };
}

test('a change leaves in memory what other organizations have', async (t) => {
  const { changes, directory, askOther, reads, organization, application, role, resource } = await openTwo(t);
  const before = await askOther(await directory.view());
  const newest = await changes.applications.replace({ ...application, name: 'shop2' }, AUTHOR);
  await changes.applications.replace({ ...newest, grants: ['client_credentials'] }, AUTHOR);
  await changes.roles.replace({ ...role, scopes: [] }, AUTHOR);
  await changes.resources.replace({ ...resource, name: 'db2' }, AUTHOR);
  await changes.organizations.replace({ ...organization, displayName: 'ACME' }, AUTHOR);
  const view = await directory.view();
  reads.length = 0;
  assert.deepEqual(await askOther(view), before);
  assert.deepEqual(reads, []);
});

test('a change of a role leaves its organization and the applications in memory', async (t) => {
  const { changes, directory, other, reads } = await openTwo(t);
  const ask = async () => {
    const view = await directory.view();
    reads.length = 0;
    await view.findApplication(other.application.clientId);
    await view.findRole(other.role.id);
  };
  await ask();
  await changes.roles.replace({ ...other.role, scopes: ['orders.read'] }, AUTHOR);
  await ask();
  assert.deepEqual(reads, ['roles.get']);
});

test('DO-09 a URL that is the client id of no agent takes no place in memory', async (t) => {
  const { directory, reads } = await openTwo(t);
  const view = await directory.view();
  const find = async () => {
    reads.length = 0;
    assert.equal(await view.findApplication('https://stranger.example/agent'), undefined);
    return [...reads];
  };
  const first = await find();
  assert.deepEqual(await find(), first);
});

test('a view gives the same answer after a change, and a new view the new one', async (t) => {
  const { changes, directory, application } = await openTwo(t);
  const early = await directory.view();
  const before = await early.findApplication(application.clientId);
  await changes.applications.replace({ ...application, enabled: false }, AUTHOR);
  const late = await directory.view();
  assert.equal(await late.findApplication(application.clientId), undefined);
  assert.equal(await early.findApplication(application.clientId), before);
});

test('many who ask for one noun at a time wait for one reading', async (t) => {
  const { directory, reads, application } = await openTwo(t);
  const views = await Promise.all(Array.from({ length: 20 }, () => directory.view()));
  const found = await Promise.all(views.map((view) => view.findApplication(application.clientId)));
  assert.equal(new Set(found).size, 1);
  assert.deepEqual(reads, ['applications.findBy', 'organizations.get']);
});

test('a resource is found by each spelling, and no second one is made by another', async (t) => {
  const { changes, directory, organization } = await openTwo(t);
  const make = (identifier: string) =>
    changes.resources.create(newResource(organization.id, identifier), AUTHOR);
  await make('https://new.example/');
  await assert.rejects(make('https://new.example'), Conflict);
  const view = await directory.view();
  assert.equal((await view.findResource('https://new.example'))?.identifier, 'https://new.example/');
});

test('of two resources in a store, the one that is spelled as asked is found', async () => {
  const findBy = async (_key: string, identifier: string) => ({ identifier }) as Resource;
  const resources = { findBy } as DirectoryStore['resources'];
  for (const identifier of ['https://new.example', 'https://new.example/']) {
    assert.equal((await findResourceSpelled({ resources }, identifier))?.identifier, identifier);
  }
});

test('the revision of an organization grows with its own changes only', async (t) => {
  const { changes, directory, organization, application, other } = await openTwo(t);
  const first = await directory.view();
  await changes.applications.replace({ ...application, name: 'shop2' }, AUTHOR);
  const second = await directory.view();
  assert.equal(second.revisionOf(other.organization.id), first.revisionOf(other.organization.id));
  assert.equal(second.revisionOf(organization.id), second.revision);
  assert.equal(second.revisionOf(other.organization.id, organization.id), second.revision);
  assert.notEqual(first.revisionOf(organization.id), second.revisionOf(organization.id), 'seen from before');
  await changes.organizations.replace({ ...other.organization, hosts: [] }, AUTHOR);
  const third = await directory.view();
  assert.equal(third.revisionOf(other.organization.id), third.revision);
  assert.equal(third.revisionOf(organization.id), second.revision);
});
