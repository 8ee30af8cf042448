import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objects } from '../../../src/admin/operations/nouns/objects.ts';
import { startAdmin, type TestAdmin } from '../api/support.ts';

/** An entry of each kind that fits the organization of the fixture. */
const ENTRIES = {
  resources: { identifier: 'https://more.acme.example/', tables: [{ id: 'stock', name: 'Stock' }] },
  roles: { name: 'seer', permissions: { tables: { orders: { read: true } } } },
  applications: {
    name: 'till',
    grants: ['client_credentials'],
    resource: 'https://api.acme.example/',
    permissions: { tables: { orders: { read: true } } },
  },
  users: { username: 'bea', email: 'bea@acme.example', roles: [] },
  connections: { name: 'site', application: 'shop', permissions: { tables: { orders: { read: true } } } },
  datasources: { name: 'people', kind: 'sqlite', file: 'people.db' },
} as const;

type Kind = keyof typeof ENTRIES;
const KINDS = Object.keys(ENTRIES) as Kind[];

const CHANGES: { readonly [K in Kind]: object } = {
  resources: { description: 'Of the shop.' },
  roles: { permissions: { tables: { products: { read: true } } } },
  applications: { displayName: 'The till' },
  users: { displayName: 'Bea', email: null },
  connections: { scopes: [], lifetime: 3600 },
  datasources: { enabled: false },
};

async function create(admin: TestAdmin, kind: Kind, entry: object = ENTRIES[kind]) {
  const made = await admin.call('POST', `/organizations/acme/${kind}`, 'server', { json: entry });
  assert.equal(made.status, 201, JSON.stringify(made.json));
  return made;
}

for (const kind of KINDS) {
  test(`one of the ${kind} is made, read, listed, changed and removed`, async () => {
    await using admin = await startAdmin();
    const made = await create(admin, kind);
    const path = made.headers.get('location')?.replace(/^.*\/admin\/api\/v1/, '') ?? '';
    const read = await admin.call('GET', path, 'server');
    assert.equal(read.status, 200);
    objects[kind].parse(read.json);
    const { clientSecret, password, connectionToken, ...shown } = made.json;
    assert.deepEqual(read.json, shown);
    assert.equal(read.headers.get('etag'), `"${read.json.version}"`);
    const list = await admin.call('GET', `/organizations/acme/${kind}?limit=200`, 'server');
    assert.deepEqual(
      list.json.items.find(({ id }: { id: string }) => id === shown.id),
      shown,
    );
    const headers = { 'if-match': '"1"' };
    const changed = await admin.call('PATCH', path, 'server', { headers, json: CHANGES[kind] });
    assert.equal(changed.status, 200, JSON.stringify(changed.json));
    assert.equal(changed.json.version, 2);
    objects[kind].parse(changed.json);
    const stale = await admin.call('DELETE', path, 'server', { headers });
    assert.equal(stale.status, 412);
    const removed = await admin.call('DELETE', path, 'server', { headers: { 'if-match': '"2"' } });
    assert.equal(removed.status, 204);
    assert.equal((await admin.call('GET', path, 'server')).status, 404);
  });
}

test('a member that a patch takes away has the value of a new noun', async () => {
  await using admin = await startAdmin();
  const path = (await create(admin, 'applications')).headers.get('location')?.slice('/admin/api/v1'.length);
  const patch = (version: number, json: object) =>
    admin.call('PATCH', String(path), 'server', { headers: { 'if-match': `"${version}"` }, json });
  const wider = await patch(1, {
    permissions: { tables: { orders: { update: true } } },
    displayName: 'Till',
  });
  assert.deepEqual(wider.json.permissions, { tables: { orders: { read: true, update: true } } });
  const without = await patch(2, { permissions: { tables: { orders: null } }, displayName: null });
  assert.deepEqual(without.json.permissions, { tables: {} });
  assert.equal(without.json.displayName, undefined);
  const none = await patch(3, { grants: null, resource: null, permissions: null });
  assert.deepEqual(none.json.grants, []);
  assert.equal(none.json.resource, undefined);
  assert.deepEqual(none.json.resources, {});
});

test('a member that does not fit is told with its place, and nothing is written', async () => {
  await using admin = await startAdmin();
  const path = (await create(admin, 'roles')).headers.get('location')?.slice('/admin/api/v1'.length);
  const patch = (json: object) =>
    admin.call('PATCH', String(path), 'server', { headers: { 'if-match': '"1"' }, json });
  for (const [json, at, detail] of [
    [{ scope: 'x' }, '/scope', 'unknown key scope (did you mean scopes?)'],
    [{ scopes: 'orders.read' }, '/scopes', 'scopes must be a list, but is text'],
    [{ name: null }, '/name', 'name is missing'],
    [{ id: 'other' }, '/id', 'id cannot be changed'],
    [{ permissions: { tables: { ordesr: { read: true } } } }, '', /ordesr/],
  ] as const) {
    const answer = await patch(json);
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.json.errors[0].path, at);
    if (typeof detail === 'string') assert.equal(answer.json.errors[0].detail, detail);
    else assert.match(answer.json.errors[0].detail, detail);
  }
  assert.equal((await admin.call('GET', String(path), 'server')).json.version, 1);
});

test('a dry run tells what differs and whom it concerns, and writes nothing', async () => {
  await using admin = await startAdmin();
  const roles = await admin.call('GET', '/organizations/acme/roles?name=clerk', 'server');
  const [clerk] = roles.json.items;
  const answer = await admin.call('PATCH', `/organizations/acme/roles/${clerk.id}?dryRun=true`, 'server', {
    headers: { 'if-match': `"${clerk.version}"` },
    json: { permissions: { tables: { orders: null } } },
  });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.dryRun, true);
  assert.equal(answer.json.action, 'changed');
  assert.equal(answer.json.effect, 'narrows');
  assert.equal(answer.json.fields[0].field, 'permissions');
  assert.equal(answer.json.users.isMore, false);
  assert.ok(answer.json.users.count > 0);
  const after = await admin.call('GET', `/organizations/acme/roles/${clerk.id}`, 'server');
  assert.deepEqual(after.json, clerk);
});
test('an organization is made, found by name, changed and removed by the server', async () => {
  await using admin = await startAdmin();
  const made = await admin.call('POST', '/organizations', 'server', { json: { name: 'globex' } });
  assert.equal(made.status, 201, made.text);
  assert.match(made.headers.get('location') ?? '', /\/organizations\/globex$/);
  const list = await admin.call('GET', '/organizations?name=globex', 'server');
  assert.deepEqual(list.json.items, [made.json]);
  const changed = await admin.call('PATCH', '/organizations/globex', 'server', {
    headers: { 'if-match': '"1"' },
    json: { displayName: 'Globex' },
  });
  assert.equal(changed.json.displayName, 'Globex', changed.text);
  const removed = await admin.call('DELETE', '/organizations/globex', 'server', {
    headers: { 'if-match': '"2"' },
  });
  assert.equal(removed.status, 204, removed.text);
  assert.equal((await admin.call('GET', '/organizations/globex', 'server')).status, 404);
});

test('a resource is named in any spelling of its identifier', async () => {
  await using admin = await startAdmin();
  const [stored, other] = ['https://api.acme.example/', 'https://API.acme.example'];
  const tables = { orders: { read: true } };
  const granted = { permissions: { tables } };
  const role = await create(admin, 'roles', {
    ...ENTRIES.roles,
    resource: other,
    mayGrant: { [other]: granted },
  });
  assert.equal(role.json.resource, stored);
  assert.deepEqual(Object.keys(role.json.mayGrant), [stored]);
  const patched = await admin.call('PATCH', `/organizations/acme/roles/${role.json.id}`, 'server', {
    headers: { 'if-match': '"1"' },
    json: { resource: other, mayGrant: { [other]: null } },
  });
  assert.equal(patched.status, 200, JSON.stringify(patched.json));
  assert.equal(patched.json.resource, stored);
  assert.deepEqual(patched.json.mayGrant ?? {}, {});
  const application = await create(admin, 'applications', {
    name: 'till',
    grants: ['client_credentials'],
    resources: { [other]: { tables } },
    introspects: [other, stored],
  });
  assert.deepEqual(Object.keys(application.json.resources), [stored]);
  assert.deepEqual(application.json.introspects, [stored]);
  const connection = await create(admin, 'connections', { ...ENTRIES.connections, resource: other });
  assert.equal(connection.json.resource, stored);
  for (const [kind, filter, name] of [
    ['roles', 'resource', role.json.name],
    ['applications', 'resource', 'till'],
    ['connections', 'resource', 'site'],
    ['resources', 'identifier', stored],
  ]) {
    const query = new URLSearchParams({ [String(filter)]: other });
    const { json } = await admin.call('GET', `/organizations/acme/${kind}?${query}`, 'server');
    const names = json.items.map((each: any) => each.identifier ?? each.name);
    assert.ok(names.includes(name), `${kind}: ${JSON.stringify(json)}`);
  }
});

for (const identifier of ['https://api.acme.example', 'HTTPS://api.acme.example/']) {
  test(`a second resource cannot be made as ${identifier}, another spelling`, async () => {
    await using admin = await startAdmin();
    for (const organization of ['acme', 'other']) {
      const path = `/organizations/${organization}/resources`;
      const made = await admin.call('POST', path, 'server', { json: { identifier } });
      assert.equal(made.status, 409, JSON.stringify(made.json));
    }
  });
}

test('rows of a database are not people of the server itself', async () => {
  await using admin = await startAdmin();
  const table = {
    collection: 'people',
    usernameColumn: 'name',
    passwordColumn: 'password',
    passwordFormat: 'bcrypt',
    subjectColumn: 'id',
  };
  const json = { ...ENTRIES.datasources, userTables: [table] };
  const made = await admin.call('POST', '/organizations/management/datasources', 'server', { json });
  assert.equal(made.status, 422, JSON.stringify(made.json));
  assert.match(made.json.detail, /people of a realm that its organization does not have/);
});
