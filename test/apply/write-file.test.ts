/** An organization that is written back as an apply file says all that a file can say, and no secret. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createDemo } from '../../src/admin/demo.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { formatReport } from '../../src/apply/report.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { type Administration, fileOf, openAdministration } from '../admin/fixture.ts';
import { applySample } from './examples.ts';

const API = 'https://api.acme.example/';
const SECRET = 's3cret-of-32-or-more-characters-x';

async function written(
  { storage, config }: Pick<Administration, 'storage' | 'config'>,
  name = 'acme',
): Promise<string> {
  const { directory } = storage;
  const organization = await directory.organizations.findBy('name', name);
  assert.ok(organization);
  return writeApplyFile(organization, directory, { accessTokenTtl: config.ttl.accessToken });
}

function makeCustomers({ config }: Administration): void {
  mkdirSync(join(config.dataDir, 'datasources'), { recursive: true });
  const database = new DatabaseSync(join(config.dataDir, 'datasources', 'crm.db'));
  database.exec('CREATE TABLE customers (id INTEGER, email TEXT, password_hash TEXT, active INTEGER)');
  database.close();
}

const everything = {
  organizations: [
    {
      name: 'acme',
      hosts: ['id.acme.example'],
      clientId: 'acme-itself',
      clientSecret: SECRET,
      faces: {
        sunbreak: { application: 'shop', registration: true, expiredAt: true },
        apiMaker: { application: 'shop', authTokenInfo: [{ authTokenType: 'AM_DB', instance: 'crm' }] },
        usergrid: { administrators: true, ttl: 600 },
        devicehive: { application: 'shop', plugins: [{ topic: 'news', creator: 'ann' }] },
        fusio: {
          application: 'shop',
          enabled: false,
          activationUrl: 'https://acme.example/activate?{token}',
        },
      },
      resources: [
        {
          identifier: API,
          name: 'The shop: "orders" #1',
          tables: [{ id: 'orders', name: 'Orders', description: 'What people buy.' }, { id: 'true' }],
          scopes: ['orders.read'],
          token: { ttl: 77, typ: 'JWT', alg: 'EdDSA', overflow: 'refuse' },
          channel: 'shop_channel',
        },
        { identifier: 'urn:open', catalogue: 'open', enabled: false },
      ],
      roles: [
        {
          name: 'clerk: all',
          default: true,
          permissions: { tables: { orders: { read: true }, true: { create: true } } },
        },
        { name: '007', resource: 'urn:open', permissions: { isAdmin: true }, enabled: false },
      ],
      applications: [
        {
          name: 'shop',
          clientId: 'shop',
          clientSecret: SECRET,
          grants: ['password', 'token_exchange'],
          scopes: ['openid', 'orders.read'],
          resource: API,
          permissions: { tables: { orders: { read: true, update: true } } },
          resources: { 'urn:open': { isAdmin: true } },
          introspects: [API],
          mayExchange: ['pages'],
          minPasswordLength: 12,
          maxExchangeTtl: 60,
        },
        {
          name: 'pages',
          clientId: 'pages',
          authMethod: 'none',
          native: true,
          grants: ['authorization_code'],
          redirectUris: ['com.example.app:/callback'],
          postLogoutRedirectUris: ['https://shop.acme.example/'],
          allowedOrigins: ['https://shop.acme.example'],
          realm: 'organization',
          idTokenAlg: 'ES256',
          permissions: { tables: { later: { read: true } } },
        },
      ],
      users: [
        {
          username: 'Ann',
          application: 'shop',
          password: 'correct-horse-battery',
          email: 'Ann@acme.example',
          emailVerified: true,
          roles: ['clerk: all'],
          devicehive: { actions: ['GetDevice'], networks: ['1'] },
        },
        { username: 'Ann', displayName: 'Ann, of the house', roles: ['007'], enabled: false },
      ],
      connections: [
        { name: 'website', application: 'shop', owner: 'ann', lifetime: 86_400, networks: ['192.0.2.0/24'] },
        { name: 'year', application: 'shop', scopes: ['orders.read'], maxTokenTtl: 30 },
      ],
      datasources: [
        {
          name: 'crm',
          kind: 'sqlite',
          file: 'crm.db',
          insecurePasswords: true,
          userTables: [
            {
              collection: 'customers',
              usernameColumn: 'email',
              passwordColumn: 'password_hash',
              passwordFormat: 'bcrypt',
              subjectColumn: 'id',
              activeColumn: 'active',
              conditions: { active: 1 },
              nullColumns: ['email'],
              roleColumn: 'active',
              roleMap: { '1': 'clerk: all' },
              claims: { level: 'active' },
              realm: 'shop',
            },
          ],
        },
        {
          name: 'erp',
          kind: 'postgres',
          host: 'db.acme.example',
          port: 5433,
          username: 'reader',
          password: SECRET,
          tls: 'off',
          ca: '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n',
        },
      ],
    },
  ],
};

const ENV = { GRANTABLE_DATASOURCE_HOSTS: 'db.acme.example' };

const demo = createDemo();

for (const [what, name, file, prepare] of [
  ['the sample', 'acme', parseApplyFile(applySample, 'sample'), makeCustomers],
  ['every kind of field', 'acme', fileOf(everything), makeCustomers],
  [
    'the demo',
    'demo',
    parseApplyFile(demo.file, 'demo'),
    ({ config }: Administration) => demo.prepare(config.dataDir),
  ],
] as const) {
  test(`${what}: what is written back changes nothing, and fills a new server alike`, async (t) => {
    const administration = await openAdministration(t, ENV);
    await prepare(administration);
    await administration.apply(file);
    const text = await written(administration, name);
    const again = await administration.apply(parseApplyFile(text, 'written'));
    assert.deepEqual(again.changes, [], `${formatReport(again).join('\n')}\n${text}`);

    const other = await openAdministration(t, ENV);
    await prepare(other);
    await other.apply(parseApplyFile(text, 'written'));
    assert.equal(await written(other, name), text);
    const back = await other.apply(file, { dryRun: true, comparePasswords: false });
    const secrets = /^(?:clientSecret|password)$/;
    for (const { action, name: changed, fields } of back.changes) {
      if (changed.startsWith('administrator ')) continue;
      assert.equal(action, 'changed', changed);
      for (const { field } of fields) assert.match(field, secrets, `${changed} ${text}`);
    }
  });
}

test('nothing that is written back is secret, and what is as in a new noun is left out', async (t) => {
  const administration = await openAdministration(t, ENV);
  makeCustomers(administration);
  await administration.apply(parseApplyFile(applySample, 'sample'));
  const text = await written(administration);
  for (const secret of [
    SECRET,
    'correct-horse-battery',
    'a-rather-long-sentence',
    '$2b$',
    'sealed',
    'hmac',
  ]) {
    assert.ok(!text.includes(secret), secret);
  }
  assert.match(text, /^# The organization acme, written by/);
  assert.equal(
    text.slice(text.indexOf('organizations:'), text.indexOf('    roles:')),
    `organizations:
  - name: acme
    default: true
    resources:
      - identifier: https://api.acme.example/
        name: shop-db
        tables:
          - id: orders
            name: Orders
          - id: products
            name: Products
        scopes:
          - orders.read
`,
  );
});

test('nouns that people registered are left out and counted, with what names them', async (t) => {
  const administration = await openAdministration(t);
  const { changes, storage } = administration;
  await administration.apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          resources: [{ identifier: API }],
          roles: [{ name: 'clerk' }],
          applications: [{ name: 'shop', clientId: 'shop', clientSecret: SECRET, resource: API }],
          users: [{ username: 'ann', password: 'correct-horse-battery' }],
        },
      ],
    }),
  );
  const { directory } = storage;
  const shop = await directory.applications.findBy('clientId', 'shop');
  const organization = await directory.organizations.findBy('name', 'acme');
  const [ann] = (await directory.users.page({ limit: 1 })).items;
  assert.ok(shop && organization && ann);
  const author = { actor: 'test' };
  const { id: _, number: __, version: ___, createdAt: ____, ...like } = shop;
  const app = await changes.applications.create(
    { ...like, name: 'hers', clientId: 'hers', owner: ann.id, registeredThrough: shop.id },
    author,
  );
  const site = await changes.resources.create(
    {
      organization: organization.id,
      identifier: 'https://site.example/',
      name: 'site',
      enabled: true,
      catalogue: 'open',
      tables: [],
      scopes: [],
      token: { format: 'jwt', ttl: 600, alg: 'ES256', overflow: 'reference' },
      registeredBy: shop.id,
      owner: ann.id,
    },
    author,
  );
  const role = await changes.roles.create(
    {
      organization: organization.id,
      name: 'of the site',
      enabled: true,
      default: false,
      resource: site.identifier,
      scopes: [],
      permissions: { isAdmin: true, tables: [] },
    },
    author,
  );
  await changes.users.replace({ ...ann, roles: [role.id] }, author);
  await changes.applications.replace({ ...shop, mayExchange: [app.id] }, author);
  const text = await written(administration);
  assert.match(
    text,
    /cannot say: 1 resource, 1 role, 1 application, 2 fields that name what is not here\. Applying/,
  );
  const again = await administration.apply(parseApplyFile(text, 'written'));
  assert.deepEqual(again.changes, [], text);
});

test('rights on tables that were removed are not written back', async (t) => {
  const administration = await openAdministration(t, ENV);
  makeCustomers(administration);
  await administration.apply(parseApplyFile(applySample, 'sample'));
  const resources = [{ identifier: API, tables: [{ id: 'products' }], scopes: [] }];
  await administration.apply(fileOf({ organizations: [{ name: 'acme', resources }] }));
  const text = await written(administration);
  assert.match(text, /cannot say: 6 fields that name what is not here\./);
  const again = await administration.apply(parseApplyFile(text, 'written'));
  assert.deepEqual(again.changes, [], text);
});

test('a connection whose application lost the resource is written back', async (t) => {
  const administration = await openAdministration(t);
  const shop = { name: 'shop', clientId: 'shop', resource: API, permissions: { isAdmin: true } };
  const acme = { name: 'acme', resources: [{ identifier: API }, { identifier: 'urn:other' }] };
  const connections = [{ name: 'site', application: 'shop', resource: API }];
  await administration.apply(fileOf({ organizations: [{ ...acme, applications: [shop], connections }] }));
  const moved = { ...shop, resource: 'urn:other', permissions: { isAdmin: true } };
  await administration.apply(fileOf({ organizations: [{ ...acme, applications: [moved] }] }));
  const file = parseApplyFile(await written(administration), 'written');
  const { changes, notes } = await administration.apply(file, { prune: true });
  assert.deepEqual(changes, []);
  assert.match(String(notes), /connection acme\/site is for .*may not have tokens/);
});

test('a connection whose owner is in another realm is written back', async (t) => {
  const administration = await openAdministration(t);
  const shop = { name: 'shop', clientId: 'shop', resource: API, permissions: { isAdmin: true } };
  const acme = (realm: string) => ({
    name: 'acme',
    resources: [{ identifier: API }],
    applications: [{ ...shop, realm }],
  });
  const [users, connections] = [[{ username: 'ann' }], [{ name: 'site', application: 'shop', owner: 'ann' }]];
  await administration.apply(fileOf({ organizations: [{ ...acme('organization'), users, connections }] }));
  for (const others of [[], [{ username: 'ann', application: 'shop' }]]) {
    await administration.apply(fileOf({ organizations: [{ ...acme('application'), users: others }] }));
    const file = parseApplyFile(await written(administration), 'written');
    assert.deepEqual((await administration.apply(file, { prune: true })).changes, []);
  }
});

test('the nouns of the server itself are written back, with its administrators', async (t) => {
  const administration = await openAdministration(t);
  const { storage, store, config, apply } = administration;
  const whole = `${config.issuer}/admin`;
  await apply(
    fileOf({
      organizations: [{ name: 'acme' }],
      management: {
        roles: [{ name: 'reader', permissions: { tables: { users: { read: true } } } }],
        applications: [
          {
            name: 'console',
            clientId: 'console',
            grants: ['password'],
            realm: 'organization',
            resource: whole,
            permissions: { tables: { users: { read: true } } },
          },
        ],
      },
      administrators: [
        { username: 'root', password: SECRET, email: 'root@acme.example', roles: ['owner', 'reader'] },
        { username: 'adam', password: SECRET, organizations: ['acme'], enabled: false },
      ],
    }),
  );
  const management = await store.organizations.findBy('name', 'management');
  assert.ok(management);
  const text = await writeApplyFile(management, store, { accessTokenTtl: config.ttl.accessToken });
  assert.ok(!text.includes(SECRET));
  const { management: own, administrators, organizations } = parseApplyFile(text, 'written.yaml');
  assert.equal(organizations, undefined);
  assert.deepEqual([own?.roles?.length, own?.applications?.length], [1, 1]);
  assert.deepEqual(
    administrators?.map(({ username, roles, organizations: of, enabled }) => [username, roles, of, enabled]),
    [
      ['root', ['owner', 'reader'], undefined, undefined],
      ['adam', undefined, ['acme'], false],
    ],
  );
  const revision = await storage.directory.revision();
  assert.deepEqual((await apply(parseApplyFile(text, 'written.yaml'), { prune: true })).changes, []);
  assert.deepEqual(await storage.directory.revision(), revision);
});
