/** What requests learn of other organizations by naming what those have: nothing, for it is refused as what is not there. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OTHER_RESOURCE, RESOURCE } from '../../support/server.ts';
import { startAdmin, type TestAdmin } from '../api/support.ts';

const READ = { read: true };
const SPELLED = OTHER_RESOURCE.slice(0, -1);

/** Of these rights each says something else of the catalogue. */
const ASKED: Readonly<Record<string, object>> = {
  'a table that it has': { orders: READ },
  'a table that it may have': { order: READ },
  'a group that it may have': { '@good': READ },
  'a column that it has': { bills: { read: { columns: ['total'] } } },
  'a column that it may have': { bills: { read: { columns: ['totl'] } } },
  'a value of another type': { bills: { read: { rows: { total: ['much'] } } } },
};

const permissionsOf = (tables: object) => ({ isAdmin: false, tables });

/** Entries that name a resource. */
const ENTRIES: Readonly<Record<string, (resource: string, tables: object) => [string, object]>> = {
  'an application': (resource, tables) => [
    'applications',
    { name: 'new', resource, permissions: permissionsOf(tables), scopes: ['orders.read'] },
  ],
  'a further resource of an application': (resource, tables) => [
    'applications',
    { name: 'new', resources: { [resource]: permissionsOf(tables) }, scopes: ['orders.read'] },
  ],
  'a default for agents': (resource, tables) => [
    'applications',
    { name: 'new', resource, permissions: { isAdmin: true }, default: permissionsOf(tables) },
  ],
  'a role': (resource, tables) => [
    'roles',
    { name: 'new', resource, permissions: permissionsOf(tables), scopes: ['orders.read', 'orders.reed'] },
  ],
  'what a role may grant': (resource, tables) => [
    'roles',
    {
      name: 'new',
      resource: RESOURCE,
      permissions: permissionsOf({}),
      mayGrant: { [resource]: { permissions: permissionsOf(tables), scopes: ['orders.reed'] } },
    },
  ],
  'a connection': (resource, tables) => [
    'connections',
    { name: 'new', application: 'shop', resource, permissions: permissionsOf(tables) },
  ],
  'a served resource': (resource) => ['applications', { name: 'new', introspects: [resource] }],
};

describe('MT-01 nouns of another organization in a body', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin({
      env: { GRANTABLE_HOSTS: 'id.other.example' },
      fixture(fixture: any) {
        const [acme, other] = fixture.organizations;
        acme.default = false;
        other.default = true;
        other.hosts = ['id.other.example'];
        const [resource] = other.resources;
        resource.tables = [
          ...resource.tables,
          { id: 'bills', columns: [{ name: 'total', type: 'integer' }] },
        ];
        resource.groups = [{ id: 'goods', tables: ['orders', 'products'] }];
      },
    });
  });
  after(() => admin[Symbol.asyncDispose]());

  async function told(resource: string, toEntry: (typeof ENTRIES)[string], tables: object): Promise<string> {
    const [collection, json] = toEntry(resource, tables);
    const path = `/organizations/acme/${collection}?dryRun=true`;
    const { status, text } = await admin.call('POST', path, 'owner', { json });
    assert.equal(status, 422, text);
    return text.replaceAll(resource, 'it');
  }

  for (const [what, toEntry] of Object.entries(ENTRIES)) {
    test(`${what}: its resource is told of as an unknown one`, async () => {
      for (const [right, tables] of Object.entries(ASKED)) {
        const unknown = await told('https://api.none.example/', toEntry, tables);
        assert.equal(await told(OTHER_RESOURCE, toEntry, tables), unknown, right);
        assert.equal(await told(SPELLED, toEntry, tables), unknown, `${right}, in another spelling`);
      }
    });
  }

  test('an administration of it is told of as an unknown one', async () => {
    const toEntry = ENTRIES['a further resource of an application'] as (typeof ENTRIES)[string];
    const unknown = await told(`${admin.issuer}/admin/none`, toEntry, { orders: READ });
    for (const path of ['/admin/other', '/admin']) {
      assert.equal(await told(admin.issuer + path, toEntry, { orders: READ }), unknown);
    }
  });

  test('the organization with a host, or the default one, is not named', async () => {
    const path = '/organizations/acme';
    const { headers } = await admin.call('GET', path, 'owner');
    const ifMatch = { 'if-match': headers.get('etag') ?? '' };
    for (const json of [{ default: true }, { hosts: ['id.other.example'] }, { hosts: ['id.none.example'] }]) {
      const answer = await admin.call('PATCH', `${path}?dryRun=true`, 'owner', { json, headers: ifMatch });
      assert.equal(answer.status, 403, answer.text);
    }
  });
});
