import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD } from '../../support/server.ts';
import { startAdmin, type TestAdmin } from '../api/support.ts';

const CLIENT = 'support-desk';

/** Reads and changes some columns of the users of one application, and makes such users. */
const RIGHTS = {
  tables: {
    users: {
      read: { rows: { application: ['shop'] }, columns: ['username', 'displayName', 'application'] },
      update: { rows: { application: ['shop'] }, columns: ['displayName'] },
      create: { rows: { application: ['shop'] }, columns: ['username', 'application', 'displayName'] },
    },
  },
};

async function start(): Promise<TestAdmin & { readonly desk: string }> {
  const admin = await startAdmin({
    fixture(fixture: any) {
      const acme = fixture.organizations.find(({ name }: { name: string }) => name === 'acme');
      const shop = acme.applications.find(({ name }: { name: string }) => name === 'shop');
      // A machine hands out no rights over data, so it changes people who have none.
      const pat = { username: 'pat', password: PASSWORD, email: 'pat@acme.example', roles: [] };
      acme.users = [...(acme.users ?? []), { ...pat, application: shop.name }];
      acme.applications.push({
        name: CLIENT,
        clientId: CLIENT,
        clientSecret: `secret-of-${CLIENT}-`.padEnd(40, 'x'),
        grants: ['client_credentials'],
        resource: acme.applications.find((each: any) => each.name === 'admin-owner').resource,
        permissions: RIGHTS,
      });
    },
  });
  const answer = await admin.server.token(CLIENT, { scope: 'users:read users:update users:create' });
  return { ...admin, desk: answer.json.access_token };
}

test('limits of rows and columns hold for every access to objects', async () => {
  await using admin = await start();
  const call = (method: string, path: string, json?: object, version = 1) =>
    admin.call(method, path, undefined, {
      token: admin.desk,
      ...(json && { json }),
      headers: { 'if-match': `"${version}"` },
    });
  const users = '/organizations/acme/users';
  const all = (await admin.call('GET', `${users}?limit=200`, 'owner')).json.items;
  const pat = all.find((each: any) => each.username === 'pat');
  const { json: other } = await admin.call('POST', users, 'server', { json: { username: 'zed' } });

  const listed = (await call('GET', `${users}?limit=200`)).json.items;
  assert.ok(listed.length > 0);
  for (const each of listed) {
    assert.deepEqual(
      Object.keys(each).filter(
        (key) => !['id', 'version', 'username', 'displayName', 'application'].includes(key),
      ),
      [],
    );
    assert.equal(each.application, 'shop');
  }
  const found = async (text: string) =>
    (await call('GET', `${users}?search=${encodeURIComponent(text)}`)).json.items.length;
  assert.equal(await found(pat.username), 1);
  assert.equal(await found(pat.email), 0, 'a search by what may not be read tells nothing');
  assert.equal(await found(other.username), 0);
  assert.equal((await call('GET', `${users}/${other.id}`)).status, 404);
  assert.equal(
    (await call('PATCH', `${users}/${other.id}`, { displayName: 'X' }, other.version)).status,
    404,
  );
  assert.equal(
    (await call('PATCH', `${users}/${pat.id}`, { email: 'x@acme.example' }, pat.version)).status,
    403,
  );
  const changed = await call('PATCH', `${users}/${pat.id}`, { displayName: 'Pat' }, pat.version);
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.json.email, undefined);
  const stronger = all.find((each: any) => each.application === 'shop' && each.roles.length > 0);
  const called = await call('PATCH', `${users}/${stronger.id}`, { displayName: 'Ann' }, stronger.version);
  assert.equal(called.status, 200, 'what a person is called gives no rights');
  const elsewhere = await call('POST', users, { username: 'cy', displayName: 'Cy' });
  assert.equal(elsewhere.status, 403, elsewhere.text);
  const withRole = await call('POST', users, { username: 'cy', application: 'shop', roles: ['clerk'] });
  assert.equal(withRole.status, 403, withRole.text);
  const made = await call('POST', users, { username: 'cy', application: 'shop', displayName: 'Cy' });
  assert.equal(made.status, 201, made.text);
  assert.equal((await call('DELETE', `${users}/${made.json.id}`)).status, 403);
});

async function makeAnew({ call }: TestAdmin, name: string): Promise<void> {
  const { headers } = await call('GET', `/organizations/${name}`, 'server');
  const gone = await call('DELETE', `/organizations/${name}`, 'server', {
    headers: { 'if-match': headers.get('etag') ?? '' },
  });
  assert.equal(gone.status, 204, gone.text);
  const made = await call('POST', '/organizations', 'server', { json: { name } });
  assert.equal(made.status, 201, made.text);
}

test('MT-04 rights over an organization do not pass to another one of its name', async () => {
  await using admin = await startAdmin({
    fixture(fixture: any) {
      fixture.organizations.push({ name: 'third' });
      fixture.administrators.push({
        username: 'adam',
        password: PASSWORD,
        organizations: ['third', 'other'],
      });
    },
  });
  const login = { grant_type: 'password', username: 'adam', password: PASSWORD, scope: 'users:read' };
  const { access_token: token } = (await admin.server.post('/oauth/token', 'admin-server', login)).json;
  const listed = async (organization: string) =>
    (await admin.call('GET', `/organizations/${organization}/users`, undefined, { token })).status;
  assert.deepEqual([await listed('third'), await listed('other')], [200, 200]);
  await makeAnew(admin, 'third');
  assert.deepEqual([await listed('third'), await listed('other')], [404, 200]);
  const { items } = (await admin.call('GET', '/organizations/management/users', 'server')).json;
  assert.deepEqual(items.find((each: any) => each.username === 'adam').organizations, ['other']);
});

test('MT-04 a right that is limited to an organization ends with it', async () => {
  const only = (...organization: string[]) => ({ read: { rows: { organization } } });
  const limits = {
    tables: { users: only('third'), applications: only('third', 'other'), roles: { read: true } },
  };
  await using admin = await startAdmin({
    fixture(fixture: any) {
      const [server] = fixture.management.applications;
      fixture.organizations.push({ name: 'third' });
      fixture.management.roles = [{ name: 'desk', permissions: limits }];
      fixture.management.applications.push({
        name: CLIENT,
        clientId: CLIENT,
        clientSecret: `secret-of-${CLIENT}-`.padEnd(40, 'x'),
        grants: ['client_credentials'],
        resource: server.resource,
        permissions: limits,
      });
      fixture.administrators.push({ username: 'dora', password: PASSWORD, roles: ['desk'] });
    },
  });
  const scope = 'users:read applications:read';
  const login = { grant_type: 'password', username: 'dora', password: PASSWORD, scope };
  const tokens = [
    (await admin.server.post('/oauth/token', 'admin-server', login)).json.access_token,
    (await admin.server.token(CLIENT, { scope })).json.access_token,
  ];
  const statuses = (path: string) =>
    Promise.all(tokens.map(async (token) => (await admin.call('GET', path, undefined, { token })).status));
  assert.deepEqual(await statuses('/organizations/third/users'), [200, 200]);
  const connection = { name: 'night', application: CLIENT, permissions: limits };
  await admin.call('POST', '/organizations/management/connections', 'server', { json: connection });
  await makeAnew(admin, 'third');
  assert.deepEqual(await statuses('/organizations/third/users'), [403, 403], 'nothing is left over users');
  assert.deepEqual(await statuses('/organizations/third/applications'), [404, 404]);
  assert.deepEqual(await statuses('/organizations/other/applications'), [200, 200]);
  const left = { tables: { applications: only('other'), roles: { read: true } } };
  const of = async (kind: string, name: string) =>
    (await admin.call('GET', `/organizations/management/${kind}?name=${name}`, 'server')).json.items[0];
  assert.deepEqual((await of('roles', 'desk')).permissions, left);
  assert.deepEqual((await of('applications', CLIENT)).permissions, left);
  assert.deepEqual((await of('connections', connection.name)).permissions, left);
});
