/** What callers with few rights over the administration could learn or do beside their limits, through the API. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PASSWORD, RESOURCE, secretOf } from '../../support/server.ts';
import { type Asked, startAdmin, type TestAdmin } from '../api/support.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const READ = { read: true };

/** Applications that act for themselves, by name, each with its tables. */
const DESKS: Record<string, object> = {
  'blind-audit': { audit: { read: { columns: ['event', 'at'] } } },
  'blind-tokens': {
    tokens: { read: { columns: ['id', 'clientId'] } },
    logins: { read: { columns: ['id', 'clientId'] } },
  },
  'only-tokens': { tokens: READ, logins: READ },
  'shop-logins': {
    users: READ,
    tokens: { read: true, delete: { rows: { application: ['shop'] } } },
    logins: { read: true, delete: { rows: { application: ['shop'] } } },
  },
  'role-writer': { roles: ALL },
  namer: {
    users: {
      read: { rows: { username: ['lena'] } },
      update: { rows: { username: ['lena'] }, columns: ['displayName'] },
    },
  },
  'helper-maker': { roles: { create: { rows: { name: ['helper'] } } } },
  writer: {
    users: { read: { columns: ['username'] }, update: { columns: ['displayName', 'email', 'identities'] } },
  },
  'resource-writer': { resources: ALL, applications: { read: { columns: ['resource'] } } },
  remover: { applications: { read: true, update: true, delete: true } },
};

const scopesOf = (tables: object): string =>
  Object.entries(tables)
    .flatMap(([table, actions]) => Object.keys(actions).map((action) => `${table}:${action}`))
    .join(' ');

describe('callers with few rights', () => {
  let admin: TestAdmin;
  const tokens: Record<string, string> = {};

  before(async () => {
    admin = await startAdmin({
      fixture(fixture: any) {
        const acme = fixture.organizations.find(({ name }: any) => name === 'acme');
        const { resource } = acme.applications.find(({ name }: any) => name === 'admin-owner');
        const client = (name: string, more: object) => ({
          name,
          clientId: name,
          clientSecret: secretOf(name),
          grants: ['client_credentials'],
          ...more,
        });
        for (const [name, tables] of Object.entries(DESKS)) {
          acme.applications.push(client(name, { resource, permissions: { tables } }));
        }
        acme.applications.push(client('people', { realm: 'application' }));
        acme.users.push({ username: 'odo', application: 'people', password: PASSWORD, roles: ['owner'] });
        acme.users.push({ username: 'lena', password: PASSWORD });
        acme.users.push({ username: 'anna', email: 'anna@acme.example', password: PASSWORD });
        fixture.administrators.push({ username: 'adam', password: PASSWORD, organizations: ['acme'] });
      },
    });
    for (const [name, tables] of Object.entries(DESKS)) {
      const { json, text } = await admin.server.token(name, { scope: scopesOf(tables) });
      assert.ok(json.access_token, text);
      tokens[name] = json.access_token;
    }
    const permissions = JSON.stringify({
      isAdmin: false,
      tables: { organizations: READ, keys: ALL, users: ALL },
    });
    const form = { grant_type: 'password', username: 'adam', password: PASSWORD, permissions };
    const { json, text } = await admin.server.post('/oauth/token', 'admin-server', form);
    assert.ok(json.access_token, text);
    tokens.adam = json.access_token;
  });
  after(() => admin[Symbol.asyncDispose]());

  const as = (who: string, method: string, path: string, asked: Asked = {}) =>
    admin.call(method, path, undefined, { token: tokens[who], ...asked });
  const acme = '/organizations/acme';
  async function userOf(username: string): Promise<any> {
    const { json } = await admin.call('GET', `${acme}/users?search=${username}`, 'owner');
    assert.equal(json.items.length, 1, JSON.stringify(json));
    return json.items[0];
  }

  async function applicationOf(name: string): Promise<any> {
    const { json } = await admin.call('GET', `${acme}/applications?name=${name}`, 'owner');
    return json.items[0];
  }

  test('an administrator of one organization does not rotate the keys of all', async () => {
    const rotated = await as('adam', 'POST', '/keys/rotate', { json: {} });
    assert.equal(rotated.status, 403, rotated.text);
    assert.deepEqual((await as('adam', 'GET', '/keys')).json.items, []);
  });

  test('MT-01 an administrator of one organization gets no counts of others', async () => {
    assert.equal((await as('adam', 'GET', `${acme}/state`)).status, 200);
    assert.equal((await as('adam', 'GET', '/organizations/other/state')).status, 404);
    assert.equal((await as('adam', 'GET', '/state')).status, 403);
  });

  test('MT-07 a filter of the audit log tells nothing of columns that are hidden', async () => {
    const { id } = await userOf('anna');
    await admin.call('POST', `${acme}/users/${id}/unlock`, 'owner');
    const seen = await admin.call('GET', `${acme}/audit?target=${id}`, 'owner');
    assert.ok(seen.json.items.length > 0, seen.text);
    const listed = await as('blind-audit', 'GET', `${acme}/audit?target=${id}`);
    assert.deepEqual(listed.json.items, [], listed.text);
    const counted = await as('blind-audit', 'GET', `${acme}/audit/count?target=${id}`);
    assert.equal(counted.json.count, 0, counted.text);
    const allowed = await as('blind-audit', 'GET', `${acme}/audit?event=user.unlocked`);
    assert.ok(allowed.json.items.length > 0, allowed.text);
  });

  test('MT-07 tokens and logins are not found by columns that are hidden', async () => {
    const { id } = await userOf('admin-owner');
    const { json } = await admin.call('GET', `${acme}/tokens?user=${id}`, 'owner');
    assert.ok(json.items.length > 0);
    for (const table of ['tokens', 'logins']) {
      const { json: found, text } = await as('blind-tokens', 'GET', `${acme}/${table}?user=${id}`);
      assert.deepEqual(found, { items: [] }, text);
    }
  });

  test('MT-01 a page tells nothing of tokens of another organization', async () => {
    const { json } = await admin.call('GET', '/organizations/other/users?search=admin-other', 'other');
    const [{ id }] = json.items;
    await admin.token('other');
    const { json: found } = await admin.call('GET', `${acme}/tokens?user=${id}&limit=1`, 'owner');
    assert.deepEqual(found, { items: [] });
  });

  test('all tokens of a person end only for a caller who may end each', async () => {
    const { id } = await userOf('anna');
    const answer = await as('shop-logins', 'POST', `${acme}/users/${id}/revoke`);
    assert.equal(answer.status, 403, answer.text);
  });

  test('a token is explained only to callers who may read what it comes from', async () => {
    const token = admin.tokens.owner;
    const answer = await as('only-tokens', 'POST', `${acme}/explain/token`, { json: { token } });
    assert.equal(answer.status, 403, answer.text);
    const auditor = await admin.call('POST', `${acme}/explain/token`, 'auditor', { json: { token } });
    assert.equal(auditor.status, 200, auditor.text);
  });

  test('a dry run does not show what a column had that may not be read', async () => {
    const ann = await userOf('anna');
    const asked = { json: { email: 'new@acme.example' }, headers: { 'if-match': `"${ann.version}"` } };
    const { status, text } = await as('writer', 'PATCH', `${acme}/users/${ann.id}?dryRun=true`, asked);
    assert.equal(status, 200, text);
    assert.ok(!text.includes('anna@acme.example'), text);
  });

  test('a patch does not tell whether a hidden column has a value', async () => {
    const ann = await userOf('anna');
    const statuses = await Promise.all(
      [true, false].map(async (enabled) => {
        const asked = { json: { enabled }, headers: { 'if-match': `"${ann.version}"` } };
        return (await as('writer', 'PATCH', `${acme}/users/${ann.id}?dryRun=true`, asked)).status;
      }),
    );
    assert.deepEqual(statuses, [403, 403]);
  });

  test('a dry run names and counts only what the caller may read', async () => {
    const { json } = await admin.call('GET', `${acme}/resources`, 'owner');
    const resource = json.items[0];
    const asked = { json: { enabled: false }, headers: { 'if-match': `"${resource.version}"` } };
    const path = `${acme}/resources/${resource.id}?dryRun=true`;
    const { json: whole } = await admin.call('PATCH', path, 'owner', asked);
    assert.ok(whole.applications.length > 0, JSON.stringify(whole));
    const part = await as('resource-writer', 'PATCH', path, asked);
    assert.equal(part.status, 200, part.text);
    assert.deepEqual(part.json.applications ?? [], []);
  });

  test('a taken email address or identity does not tell whose it is', async () => {
    const identities = [{ issuer: 'https://idp.acme.example', subject: 's1' }];
    const anna = await userOf('anna');
    const given = await admin.call('PATCH', `${acme}/users/${anna.id}`, 'owner', {
      json: { identities },
      headers: { 'if-match': `"${anna.version}"` },
    });
    assert.equal(given.status, 200, given.text);
    const lena = await userOf('lena');
    for (const json of [{ email: 'anna@acme.example' }, { identities }]) {
      const headers = { 'if-match': `"${lena.version}"` };
      const { status, text } = await as('writer', 'PATCH', `${acme}/users/${lena.id}`, { json, headers });
      assert.equal(status, 422, text);
      assert.match(text, /is taken/);
      assert.doesNotMatch(text, /is anna/);
    }
  });

  test('a refused creation does not tell which names are taken', async () => {
    const make = (name: string, resource?: string) =>
      as('helper-maker', 'POST', `${acme}/roles?dryRun=true`, {
        json: { name, permissions: { tables: {} }, ...(resource && { resource }) },
      });
    const told = [
      ['clerk', RESOURCE],
      ['clerx', RESOURCE],
      ['clerx', `${RESOURCE}x`],
    ].map(async ([name = '', resource]) => {
      const { status, json } = await make(name, resource);
      return [status, json.detail];
    });
    const [taken, ...others] = await Promise.all(told);
    assert.equal(taken?.[0], 403);
    assert.deepEqual(others, [taken, taken]);
    assert.equal((await make('helper', RESOURCE.toUpperCase().replace('HTTPS', 'https'))).status, 200);
  });

  test('a refused change does not tell which addresses, identities and roles there are', async () => {
    const [lena, anna] = [await userOf('lena'), await userOf('anna')];
    const identities = (subject: string) => [{ issuer: 'https://idp.acme.example', subject }];
    const given = await admin.call('PATCH', `${acme}/users/${anna.id}`, 'owner', {
      json: { identities: identities('s2') },
      headers: { 'if-match': `"${anna.version}"` },
    });
    assert.equal(given.status, 200, given.text);
    const change = async (json: object) => {
      const headers = { 'if-match': `"${lena.version}"` };
      const answer = await as('namer', 'PATCH', `${acme}/users/${lena.id}?dryRun=true`, { json, headers });
      return [answer.status, answer.json.detail];
    };
    for (const [taken, free] of [
      [{ email: 'anna@acme.example' }, { email: 'annb@acme.example' }],
      [{ username: 'anna' }, { username: 'annb' }],
      [{ identities: identities('s2') }, { identities: identities('s3') }],
      [{ roles: ['nowhere'] }, { roles: ['clerk'] }],
    ]) {
      const refused = await change(free as object);
      assert.equal(refused[0], 403);
      assert.deepEqual(await change(taken as object), refused);
    }
    assert.equal((await change({ username: 'lena', displayName: 'Lena' }))[0], 200);
    assert.equal((await change({ username: 'lena', roles: [], identities: null }))[0], 200);
  });

  test('an application is not removed with a stronger person in it', async () => {
    const people = await applicationOf('people');
    const headers = { 'if-match': `"${people.version}"` };
    const removed = await as('remover', 'DELETE', `${acme}/applications/${people.id}`, { headers });
    assert.equal(removed.status, 403, removed.text);
    const off = { headers, json: { enabled: false } };
    const disabled = await as('remover', 'PATCH', `${acme}/applications/${people.id}`, off);
    assert.equal(disabled.status, 403, disabled.text);
  });

  test('no role takes the name of a built-in one', async () => {
    const role = { name: 'helper', permissions: { tables: {} } };
    const made = await as('role-writer', 'POST', `${acme}/roles`, { json: role });
    assert.equal(made.status, 201, made.text);
    const renamed = await as('role-writer', 'PATCH', `${acme}/roles/${made.json.id}`, {
      json: { name: 'owner' },
      headers: { 'if-match': `"${made.json.version}"` },
    });
    assert.ok([400, 403, 409, 422].includes(renamed.status), renamed.text);
    const owner = await as('role-writer', 'POST', `${acme}/roles`, { json: { ...role, name: 'owner' } });
    assert.ok([400, 403, 409, 422].includes(owner.status), owner.text);
  });
});
