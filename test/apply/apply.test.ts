import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createApply } from '../../src/apply/apply.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { type ApplyReport, formatReport } from '../../src/apply/report.ts';
import { isClientSecret } from '../../src/directory/client-secrets.ts';
import type { Application, User } from '../../src/nouns/index.ts';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';
import { applySample } from './examples.ts';

const RESOURCE = 'https://api.acme.example/';
const SECRET = 's3cret-of-32-or-more-characters-x';

const organization = {
  name: 'acme',
  resources: [
    { identifier: RESOURCE, tables: [{ id: 'orders' }, { id: 'products' }], scopes: ['orders.read'] },
  ],
  roles: [
    {
      name: 'clerk',
      scopes: ['orders.read'],
      permissions: { tables: { orders: { create: true, read: true } } },
    },
  ],
  applications: [
    {
      name: 'shop',
      clientId: 'shop',
      clientSecret: SECRET,
      grants: ['password'],
      resource: RESOURCE,
      permissions: { tables: { orders: { read: true } } },
    },
  ],
  users: [{ username: 'Ann', password: 'correct-horse-battery', application: 'shop', roles: ['clerk'] }],
};
const acme = fileOf({ organizations: [organization] });

async function requireApplication({ storage }: Administration, clientId: string): Promise<Application> {
  const application = await storage.directory.applications.findBy('clientId', clientId);
  assert.ok(application);
  return application;
}

async function allUsers({ storage }: Administration): Promise<User[]> {
  return (await storage.directory.users.page({ limit: 100 })).items;
}

const namesOf = ({ changes }: ApplyReport): string[] =>
  changes.map(({ action, name }) => `${action} ${name}`);

/** Applies a file with one application of `acme`. */
function applierOf({ apply }: Administration, name: string) {
  return (application: object, options = {}) =>
    apply(
      fileOf({ organizations: [{ name: 'acme', applications: [{ name, clientId: name, ...application }] }] }),
      options,
    );
}

test('applying the documented sample twice changes nothing the second time', async (t) => {
  const administration = await openAdministration(t);
  mkdirSync(join(administration.config.dataDir, 'datasources'), { recursive: true });
  const crm = new DatabaseSync(join(administration.config.dataDir, 'datasources', 'crm.db'));
  crm.exec('CREATE TABLE customers (id INTEGER, email TEXT, password_hash TEXT, active INTEGER)');
  crm.close();
  const sample = parseApplyFile(applySample, 'sample.yaml');
  const first = await administration.apply(sample);
  assert.deepEqual(namesOf(first), [
    'added organization acme',
    'added resource https://api.acme.example/',
    'added role acme/clerk',
    'added application acme/shop',
    'added application acme/storefront',
    'added application acme/shop-api',
    'added user acme/shop/ann',
    'added user acme/bob',
    'added administrator root',
    'added connection acme/website',
    'added datasource acme/crm',
  ]);
  const revision = await administration.storage.directory.revision();

  const again = await administration.apply(sample);
  assert.deepEqual(again.changes, []);
  assert.equal(again.unchanged.length, 11);
  assert.deepEqual(again.notes, []);
  assert.equal(await administration.storage.directory.revision(), revision, 'nothing was written');
});

test('a lifetime counts from when its connection was made, however long applying takes', async (t) => {
  const administration = await openAdministration(t);
  let offset = 0;
  Object.defineProperty(administration.clock, 'offset', { get: () => (offset += 700) });
  const connections = [{ name: 'website', application: 'shop', lifetime: 86_400 }];
  const file = fileOf({ organizations: [{ ...organization, connections }] });
  await administration.apply(file);
  const [made] = (await administration.storage.directory.connections.page({ limit: 1 })).items;
  assert.equal((made?.expiresAt ?? 0) - (made?.createdAt ?? 0), 86_400_000);
  assert.deepEqual((await administration.apply(file)).changes, []);
});

test('left out fields get their documented defaults', async (t) => {
  const administration = await openAdministration(t, { GRANTABLE_ACCESS_TOKEN_TTL: '20m' });
  await administration.apply(acme);
  const { directory } = administration.storage;
  const shop = await requireApplication(administration, 'shop');
  assert.equal(shop.realm, `application:${shop.id}`);
  assert.deepEqual(shop.ceilings, [
    { resource: RESOURCE, permissions: { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] } },
  ]);
  assert.ok(isClientSecret(administration.clientSecrets, SECRET, shop.secrets[0]?.hash));
  const resource = await directory.resources.findBy('identifier', RESOURCE);
  assert.deepEqual(resource?.token, { format: 'jwt', ttl: 1200, alg: 'ES256', overflow: 'reference' });
  assert.equal(resource?.catalogue, 'closed');
  assert.deepEqual(resource?.tables[0], { id: 'orders', name: 'orders' });
  const role = await directory.roles.findBy('name', `${shop.organization}/clerk`);
  assert.equal(role?.resource, RESOURCE, "the organization's first resource");
  const [ann] = await allUsers(administration);
  assert.equal(ann?.realm, shop.realm);
  assert.deepEqual(ann?.roles, [role?.id]);
  assert.equal(ann?.username, 'Ann');
  assert.equal(ann?.canonicalUsername, 'ann');
  const user = await administration.authenticateUser({
    realm: shop.realm,
    login: 'ann',
    password: 'correct-horse-battery',
    address: '192.0.2.1',
    queue: shop.organization,
  });
  assert.equal(user.id, ann?.id);
});

test('a resource is the same with and without the slash of an empty path', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const bare = RESOURCE.slice(0, -1);
  const respelled = JSON.parse(JSON.stringify({ organizations: [organization] }).replaceAll(RESOURCE, bare));
  const report = await administration.apply(fileOf(respelled));
  assert.deepEqual(report.changes, []);
  const { items } = await administration.storage.directory.resources.page({ limit: 10 });
  assert.deepEqual(
    items.map(({ identifier }) => identifier),
    [RESOURCE],
  );
  assert.throws(
    () =>
      fileOf({
        organizations: [{ name: 'acme', resources: [{ identifier: bare }, { identifier: RESOURCE }] }],
      }),
    /is there twice/,
  );
});

test('mayGrant of a role may spell a resource without the slash of an empty path', async (t) => {
  const administration = await openAdministration(t);
  const scopes = ['orders.list'];
  const resources = [{ identifier: RESOURCE, scopes }];
  const roles = [{ name: 'clerk', mayGrant: { [RESOURCE.slice(0, -1)]: { scopes } } }];
  await administration.apply(fileOf({ organizations: [{ name: 'acme', resources, roles }] }));
  const { items } = await administration.storage.directory.roles.page({ limit: 10 });
  assert.deepEqual(
    items.flatMap(({ mayGrant = [] }) => mayGrant.map(({ resource }) => resource)),
    [RESOURCE],
  );
});

test('another algorithm is shown, and the one before it stays known', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const naming = (idTokenAlg: string, alg: string) =>
    fileOf({
      organizations: [
        {
          name: 'acme',
          resources: [{ identifier: RESOURCE, token: { alg } }],
          applications: [{ name: 'shop', idTokenAlg }],
        },
      ],
    });
  const report = await administration.apply(naming('PS256', 'RS256'));
  assert.deepEqual(
    report.changes
      .flatMap(({ fields }) => fields)
      .map(({ field }) => field)
      .sort(),
    ['idTokenAlg', 'token.alg'],
  );
  await administration.apply(naming('EdDSA', 'RS256'));
  const shop = await requireApplication(administration, 'shop');
  assert.equal(shop.idTokenAlg, 'EdDSA');
  assert.deepEqual(shop.idTokenAlgsBefore, ['PS256', 'RS256']);
  const resource = await administration.storage.directory.resources.findBy('identifier', RESOURCE);
  assert.deepEqual(resource?.token.algsBefore, ['ES256']);
  assert.deepEqual((await administration.apply(naming('EdDSA', 'RS256'))).changes, []);
});

test('changed fields are shown with old and new value', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const report = await administration.apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          roles: [{ name: 'clerk', permissions: { tables: { products: { read: true } } } }],
          resources: [{ identifier: RESOURCE, token: { ttl: 60 } }],
          applications: [
            { name: 'shop', enabled: false, clientSecret: `${SECRET}-another`, realm: 'organization' },
          ],
          users: [],
        },
      ],
    }),
  );
  assert.deepEqual(report.changes, [
    {
      action: 'changed',
      name: `resource ${RESOURCE}`,
      fields: [{ field: 'token.ttl', from: '3600', to: '60' }],
    },
    {
      action: 'changed',
      name: 'role acme/clerk',
      fields: [{ field: 'permissions', from: 'orders: create read', to: 'products: read' }],
    },
    {
      action: 'changed',
      name: 'application acme/shop',
      fields: [
        { field: 'enabled', from: 'true', to: 'false' },
        { field: 'clientSecret' },
        { field: 'realm', from: 'application', to: 'organization' },
      ],
    },
  ]);
  assert.deepEqual(report.unchanged, ['organization acme']);
  const shop = await requireApplication(administration, 'shop');
  assert.deepEqual(shop.grants, ['password']);
  assert.equal((await allUsers(administration)).length, 1);
  assert.deepEqual(formatReport(report).slice(-1), ['0 added, 3 changed, 1 left as they are']);
});

test('every noun can be disabled, and its tokens end', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const off = { enabled: false };
  await administration.apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          ...off,
          resources: [{ identifier: RESOURCE, ...off }],
          roles: [{ name: 'clerk', ...off }],
          applications: [{ name: 'shop', ...off }],
          users: [{ username: 'ann', application: 'shop', ...off }],
        },
      ],
    }),
  );
  for (const collection of ['organizations', 'resources', 'roles', 'applications', 'users'] as const) {
    const { items } = await administration.storage.directory[collection].page({ limit: 10 });
    for (const noun of items) {
      assert.equal(noun.enabled, false, collection);
      const [record] = await administration.storage.nodes.read([noun.id]);
      assert.ok(collection === 'roles' ? record?.narrowedAt : record?.revokedAt, collection);
    }
    assert.ok(items.length > 0);
  }
});

test('a dry run says the same, and writes nothing', async (t) => {
  const administration = await openAdministration(t);
  const file = fileOf({ organizations: [{ ...organization, applications: [{ name: 'shop' }] }] });
  const report = await administration.apply(file, { dryRun: true });
  assert.equal(report.changes.length, 5);
  assert.equal(report.generatedSecrets.count, 1);
  assert.deepEqual((await administration.storage.directory.organizations.page({ limit: 10 })).items, []);
  assert.deepEqual((await administration.storage.audit.page({ limit: 10 })).entries, []);
  await assert.rejects(stat(report.generatedSecrets.path));
  const text = formatReport(report).join('\n');
  assert.match(text, /5 would be added, 0 would be changed/);
  assert.match(text, /1 secret would be made and kept in/);
});

test('a changed pkce setting is shown', async (t) => {
  const administration = await openAdministration(t);
  const apply = applierOf(administration, 'shop');
  const stored = async () => (await requireApplication(administration, 'shop')).pkce;
  const both = ['https://shop.example/cb', 'http://localhost/cb'];
  await apply({ native: true, redirectUris: both, grants: ['authorization_code'] });
  const report = await apply({ pkce: 'optional' }, { dryRun: true });
  assert.deepEqual(report.changes[0]?.fields, [{ field: 'pkce', from: 'required', to: 'optional' }]);
  assert.match(String(report.notes), /PKCE stays required at http:\/\/localhost\/cb/);
  await apply({ pkce: 'optional' });
  await apply({ enabled: true });
  assert.equal(await stored(), 'optional');
  await assert.rejects(apply({ authMethod: 'none' }), /pkce is optional, which needs an authMethod other/);
  await assert.rejects(
    apply({ redirectUris: ['http://localhost/cb'] }),
    /pkce is optional, but the application is native and each redirect URI/,
  );
  await apply({ pkce: 'required' });
  assert.equal(await stored(), undefined);
});

test('a text for a scope that the resource does not have is told', async (t) => {
  const { apply } = await openAdministration(t);
  const scopeTexts = { reports: { displayName: 'see reports' }, report: { displayName: 'see one' } };
  const resources = [{ identifier: 'https://api.acme.example/', scopes: ['reports'], scopeTexts }];
  const { notes } = await apply(fileOf({ organizations: [{ name: 'acme', resources }] }));
  assert.deepEqual(notes, [
    'resource https://api.acme.example/ has a text for the scope report, which it does not have',
  ]);
});

test('firstParty is shown when it changes, kept when left out, and refused on devices', async (t) => {
  const administration = await openAdministration(t);
  const apply = applierOf(administration, 'shop');
  const stored = async () => (await requireApplication(administration, 'shop')).firstParty;
  await apply({ redirectUris: ['https://shop.example/cb'], grants: ['authorization_code'] });
  const report = await apply({ firstParty: true }, { dryRun: true });
  assert.deepEqual(report.changes[0]?.fields, [{ field: 'firstParty', from: 'false', to: 'true' }]);
  await apply({ firstParty: true });
  await apply({ enabled: true });
  assert.equal(await stored(), true);
  for (const uri of ['http://[::1]/cb', 'com.example.app:/cb']) {
    const redirectUris = ['https://shop.example/cb', uri];
    await assert.rejects(apply({ redirectUris, native: true }), /firstParty is true, but a redirect URI/);
  }
  await apply({ firstParty: false });
  assert.equal(await stored(), undefined);
});

test('SE-03 secrets that are made go to their own file, 0600, and nowhere else', async (t) => {
  const administration = await openAdministration(t);
  const path = join(administration.config.dataDir, 'generated-secrets.txt');
  await writeFile(path, 'here before\n');
  await chmod(path, 0o644);
  const report = await administration.apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          applications: [{ name: 'shop' }, { name: 'page', authMethod: 'none' }],
          users: [{ username: 'ann', application: 'shop' }],
        },
      ],
    }),
  );
  assert.deepEqual(report.generatedSecrets, { path, count: 2 });
  const text = await readFile(path, 'utf8');
  assert.match(text, /^here before\n/);
  const [, clientId = '', secret = ''] =
    /application acme\/shop clientId (\S+) clientSecret (\S+)\n/.exec(text) ?? [];
  const shop = await requireApplication(administration, clientId);
  assert.ok(isClientSecret(administration.clientSecrets, secret, shop.secrets[0]?.hash));
  const [, password = ''] = /user acme\/shop\/ann password (\S+)\n/.exec(text) ?? [];
  await administration.authenticateUser({
    realm: shop.realm,
    login: 'ann',
    password,
    address: '192.0.2.1',
    queue: shop.organization,
  });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const said = [
    JSON.stringify(report),
    formatReport(report).join('\n'),
    JSON.stringify((await administration.storage.audit.page({ limit: 100 })).entries),
  ].join('\n');
  assert.ok(!said.includes(secret) && !said.includes(password));
  assert.ok(said.includes(clientId), 'the clientId is no secret');

  const again = await administration.apply(
    fileOf({ organizations: [{ name: 'acme', applications: [{ name: 'shop' }] }] }),
  );
  assert.deepEqual(again.changes, [], 'a secret that is there is not made anew');
  assert.equal(await readFile(path, 'utf8'), text);
});

test('another password is reported, and applied only when asked for', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const [before] = await allUsers(administration);
  const file = fileOf({
    organizations: [
      { name: 'acme', users: [{ username: 'Ann', application: 'shop', password: 'another-horse-battery' }] },
    ],
  });
  const report = await administration.apply(file);
  assert.deepEqual(report.changes, []);
  assert.match(report.notes.join(), /user acme\/shop\/Ann has another password than the file says; it stays/);
  assert.equal((await allUsers(administration))[0]?.passwordHash, before?.passwordHash);

  const unlooked = await administration.apply(file, { comparePasswords: false });
  assert.deepEqual(unlooked.notes, []);

  const wouldReset = await administration.apply(file, { resetPasswords: true, dryRun: true });
  assert.deepEqual(wouldReset.changes, [
    { action: 'changed', name: 'user acme/shop/Ann', fields: [{ field: 'password' }] },
  ]);
  const reset = await administration.apply(file, { resetPasswords: true });
  assert.deepEqual(reset.changes, wouldReset.changes);
  const [after] = await allUsers(administration);
  assert.notEqual(after?.passwordHash, before?.passwordHash);
  assert.ok((after?.passwordChangedAt ?? 0) >= (before?.passwordChangedAt ?? 0));
  const [record] = await administration.storage.nodes.read([after?.id ?? '']);
  assert.ok(record?.restoredAt, 'what the user had before is dead');
  assert.deepEqual((await administration.apply(file, { resetPasswords: true })).changes, []);
});

test('an imported hash is taken when the user is made, and not again', async (t) => {
  const administration = await openAdministration(t);
  const hash = '$2y$04$.rrk3xI/3E5Z2jOd4a8QY.NlVbfxTS/W9r0Je7EzgaV50hlnHZ0aW';
  const users = [{ username: 'ann', passwordHash: hash }];
  const file = fileOf({ organizations: [{ name: 'acme', users }] });
  await administration.apply(file);
  assert.equal((await allUsers(administration))[0]?.passwordHash, `bcrypt$${hash}`);
  assert.deepEqual((await administration.apply(file)).changes, []);
});

test('a table may not join a resource that declares a scope of its spelling', async (t) => {
  const administration = await openAdministration(t);
  const file = (resource: object) =>
    fileOf({ organizations: [{ name: 'acme', resources: [{ identifier: RESOURCE, ...resource }] }] });
  await administration.apply(file({ tables: [{ id: 'products' }], scopes: ['orders:read'] }));
  const expected = [
    `resource ${RESOURCE}: scopes[0] is orders:read, a table scope of the resource: rename the scope`,
  ];
  const joining = file({ tables: [{ id: 'products' }, { id: 'orders' }] });
  assert.deepEqual(await refusal(administration.apply(joining)), expected);
  assert.deepEqual(await refusal(administration.apply(joining, { dryRun: true })), expected);
  assert.deepEqual(await refusal(administration.apply(file({ catalogue: 'open' }))), expected);
  await administration.apply(file({ tables: [{ id: 'orders' }], scopes: ['orders.read'] }));
  assert.deepEqual(await refusal(administration.apply(file({ scopes: ['orders:read'] }))), expected);
});

test('MT-05 another organization’s objects cannot be named', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const problems = await refusal(
    administration.apply(
      fileOf({
        organizations: [
          {
            name: 'thief',
            resources: [{ identifier: RESOURCE }],
            roles: [{ name: 'clerk', resource: RESOURCE, permissions: { isAdmin: true } }],
            applications: [
              { name: 'shop2', clientId: 'shop' },
              { name: 'reader', resource: RESOURCE },
              { name: 'further', resources: { [RESOURCE]: { isAdmin: true } } },
              { name: 'spy', introspects: [RESOURCE] },
            ],
            users: [{ username: 'eve', roles: ['clerk-of-acme'] }],
          },
        ],
      }),
    ),
  );
  assert.deepEqual(problems, [
    `resource ${RESOURCE} is another organization's: an identifier is unique on the server`,
    'user thief/eve: the organization has no role clerk-of-acme',
    `role thief/clerk names a resource that its organization does not have: ${RESOURCE}`,
    'application thief/shop2: the clientId shop is taken',
    `application thief/reader names a resource that its organization does not have: ${RESOURCE}`,
    `application thief/further names a resource that its organization does not have: ${RESOURCE}`,
    `application thief/spy names a resource that its organization does not have: ${RESOURCE}`,
  ]);
  assert.equal((await administration.storage.directory.organizations.page({ limit: 10 })).items.length, 1);
});

test('MT-04 a plugin is of a person who is there, or of the same file', async (t) => {
  const administration = await openAdministration(t);
  const password = 'correct-horse-battery-staple';
  const hive = (creator: string, rest: object = {}, organizations = ['hive']) =>
    fileOf({
      organizations: [
        {
          name: 'hive',
          applications: [{ name: 'login', grants: ['password'] }, { name: 'other' }],
          faces: {
            devicehive: {
              application: 'login',
              administrators: true,
              plugins: [{ topic: 'news', creator }],
            },
          },
          ...rest,
        },
      ],
      administrators: [
        { username: 'root', password, organizations },
        { username: 'mia', password },
      ],
    });
  const creatorOf = async () => {
    const stored = await administration.storage.directory.organizations.findBy('name', 'hive');
    const creator = stored?.faces?.devicehive?.plugins?.[0]?.creator ?? '';
    return (await administration.storage.directory.users.get(creator))?.realm;
  };
  const elsewhere = { users: [{ username: 'ann', application: 'other', password }] };
  for (const file of [hive('ann'), hive('ann', elsewhere)]) {
    assert.match(
      String(await refusal(administration.apply(file))),
      /the plugin news is of the user ann, who/,
    );
  }
  const people = (username: string) => ({ users: [{ username, application: 'login', password }] });
  await administration.apply(hive('Ann', people('ann')));
  assert.match(String(await creatorOf()), /^application:/);
  assert.deepEqual((await administration.apply(hive('ann'))).changes, []);
  // As at logins: the name of an administrator who is let in is the administrator's, that of another one is not.
  await administration.apply(hive('mia', people('mia')));
  assert.match(String(await creatorOf()), /^application:/);
  await administration.apply(hive('root', people('root')));
  assert.equal(await creatorOf(), 'management');
  // What is stored stays, although another user has the name.
  await administration.apply(hive('root', people('root'), []));
  assert.equal(await creatorOf(), 'management');
});

test('LG-08 no application has the client id of a face', async (t) => {
  const administration = await openAdministration(t);
  const apply = (organization: object) =>
    refusal(administration.apply(fileOf({ organizations: [{ name: 'thief', ...organization }] })));
  const secret = { clientSecret: 's3cret-of-32-or-more-characters-x' };
  assert.deepEqual(await apply({ applications: [{ name: 'a', clientId: 'acme.fusio' }] }), [
    'application thief/a: the clientId acme.fusio is for the face fusio of an organization',
  ]);
  assert.deepEqual(await apply({ clientId: 'thief.sunbreak', ...secret }), [
    'organization thief: the clientId thief.sunbreak is for the face sunbreak of an organization',
  ]);
  const fine = { applications: [{ name: 'a', clientId: 'shop.example' }] };
  await administration.apply(fileOf({ organizations: [{ name: 'thief', ...fine }] }));
});

test('a channel is of one resource of an organization, in the file and in the store', async (t) => {
  const administration = await openAdministration(t);
  const file = (name: string, ...identifiers: string[]) =>
    fileOf({
      organizations: [
        { name, resources: identifiers.map((identifier) => ({ identifier, channel: 'news' })) },
      ],
    });
  const expected = ['resource urn:two: the channel news is taken'];
  assert.deepEqual(await refusal(administration.apply(file('acme', 'urn:one', 'urn:two'))), expected);
  assert.deepEqual((await administration.storage.directory.resources.page({ limit: 10 })).items, []);
  await administration.apply(file('acme', 'urn:one'));
  assert.deepEqual(await refusal(administration.apply(file('acme', 'urn:two'))), expected);
  await administration.apply(file('plain', 'urn:two'));
});

test('a later entry of a file may have the channel that an earlier one gives up', async (t) => {
  const administration = await openAdministration(t);
  const file = (...channels: [string, string][]) =>
    fileOf({
      organizations: [
        { name: 'acme', resources: channels.map(([identifier, channel]) => ({ identifier, channel })) },
      ],
    });
  await administration.apply(file(['urn:one', 'news']));
  await administration.apply(file(['urn:one', 'old'], ['urn:two', 'news']));
  const { directory } = administration.storage;
  const two = await directory.resources.findBy('identifier', 'urn:two');
  assert.equal(two?.channel, 'news');
});

test('all that does not fit the store is said together, and nothing is written', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(
    fileOf({
      organizations: [{ ...organization, default: true, hosts: ['id.acme.example'] }, { name: 'plain' }],
      administrators: [{ username: 'root', password: 'a-long-enough-password', email: 'root@acme.example' }],
    }),
  );
  const revision = await administration.storage.directory.revision();
  const problems = await refusal(
    administration.apply(
      fileOf({
        organizations: [
          {
            name: 'plain',
            default: true,
            hosts: ['id.acme.example', 'elsewhere.example'],
            roles: [{ name: 'nothing' }],
          },
          {
            name: 'acme',
            roles: [
              {
                name: 'clerk',
                scopes: ['orders.write'],
                permissions: { tables: { secrets: { read: true } } },
              },
            ],
            applications: [
              { name: 'shop', authMethod: 'private_key_jwt', scopes: ['orders.write'] },
              { name: 'pages', grants: ['authorization_code'] },
            ],
            users: [
              { username: 'bob', application: 'shopp' },
              { username: 'ann', application: 'shop', roles: ['clerkk'] },
              { username: 'eve', application: 'pages', email: 'eve@acme.example' },
              { username: 'eve@acme.example', application: 'pages' },
            ],
          },
        ],
        administrators: [{ username: 'rita', email: 'ROOT@acme.example', organizations: ['acmee'] }],
      }),
    ),
  );
  assert.deepEqual(problems, [
    'organization plain lists the host elsewhere.example, which GRANTABLE_HOSTS does not',
    'organization plain has default: true, and so has acme: only one may',
    'organization plain has the host id.acme.example, and so has acme: only one may',
    'role plain/nothing needs a resource, and the organization has none',
    `role acme/clerk allows something of the table secrets, which ${RESOURCE} does not have`,
    `role acme/clerk has the scope orders.write, which ${RESOURCE} does not have`,
    'application acme/shop needs jwks for private_key_jwt',
    'application acme/shop has the scope orders.write, which none of its resources has',
    'application acme/pages: redirectUris is empty, but authorization_code needs one, unless the application is for agents and has a default',
    'user acme/shopp/bob: the organization has no application shopp',
    'user acme/shop/ann: the organization has no role clerkk (did you mean clerk?)',
    'administrator rita: there is no organization acmee',
    "user acme/pages/eve has another user's username as email address",
    "user acme/pages/eve@acme.example has another user's email address as username",
    "administrator rita: the email address is root's already",
  ]);
  assert.equal(await administration.storage.directory.revision(), revision);
});

test('a user of an application that has the users of its organization is refused', async (t) => {
  const administration = await openAdministration(t);
  const problems = await refusal(
    administration.apply(
      fileOf({
        organizations: [
          {
            name: 'acme',
            applications: [{ name: 'page', realm: 'organization' }],
            users: [{ username: 'ann', application: 'page' }],
          },
        ],
      }),
    ),
  );
  assert.match(problems.join(), /leave application out/);
});

test('a default can move from one organization to another in one file', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf({ organizations: [{ name: 'acme', default: true }, { name: 'other' }] }));
  await administration.apply(
    fileOf({
      organizations: [
        { name: 'other', default: true },
        { name: 'acme', default: false },
      ],
    }),
  );
  const { items } = await administration.storage.directory.organizations.page({ limit: 10 });
  assert.deepEqual(
    items.filter((each) => each.default).map(({ name }) => name),
    ['other'],
  );
});

test('only one role may be the default', async (t) => {
  const administration = await openAdministration(t);
  const role = (name: string, isDefault: boolean) => ({ name, default: isDefault });
  const withRoles = (...roles: object[]) =>
    fileOf({ organizations: [{ name: 'acme', resources: [{ identifier: RESOURCE }], roles }] });
  await administration.apply(withRoles(role('clerk', true)));
  const problems = await refusal(administration.apply(withRoles(role('reader', true))));
  assert.deepEqual(problems, ['organization acme would have several default roles: clerk, reader']);
  await administration.apply(withRoles(role('reader', true), role('clerk', false)));
});

test('an application that moves to another resource keeps no rights to the one before', async (t) => {
  const administration = await openAdministration(t);
  const other = 'https://other.acme.example/';
  await administration.apply(acme);
  const move = (application: object) =>
    administration.apply(
      fileOf({
        organizations: [
          {
            name: 'acme',
            resources: [{ identifier: other, tables: [{ id: 'files' }] }],
            applications: [{ name: 'shop', ...application }],
          },
        ],
      }),
    );
  const resourcesOf = async () =>
    (await requireApplication(administration, 'shop')).ceilings.map(({ resource }) => resource);
  await move({ resources: { [other]: { isAdmin: true } } });
  assert.deepEqual(await resourcesOf(), [RESOURCE, other]);
  const report = await move({ resource: other });
  assert.deepEqual(await resourcesOf(), [other]);
  assert.deepEqual(report.changes.at(-1)?.fields, [
    { field: 'resource', from: RESOURCE, to: other },
    { field: `permissions for ${RESOURCE}`, from: 'orders: read' },
  ]);
  await move({ resource: RESOURCE, resources: {} });
  assert.deepEqual(await resourcesOf(), [RESOURCE]);
  assert.deepEqual((await requireApplication(administration, 'shop')).ceilings[0]?.permissions.tables, []);
});

test('a secret with % and a useless connection give warnings', async (t) => {
  const administration = await openAdministration(t);
  const clientSecret = 's3cret%of-32-or-more-characters-x';
  const connections = [
    { name: 'site', application: 'shop', permissions: { tables: { products: { read: true } } } },
  ];
  const [shop] = organization.applications;
  const { notes } = await administration.apply(
    fileOf({
      organizations: [
        {
          ...organization,
          clientId: 'acme',
          clientSecret,
          applications: [{ ...shop, clientSecret }],
          connections,
        },
      ],
    }),
  );
  assert.match(notes[0] ?? '', /^application acme\/shop has a clientSecret with %.* choose one without %$/);
  assert.match(notes[1] ?? '', /^organization acme has a clientSecret with %/);
  assert.match(notes[2] ?? '', /^connection acme\/site gives more than the ceiling .*shop: products:read$/);
  assert.match(notes[3] ?? '', /^connection acme\/site cannot be used: .* has the grant token_exchange$/);
  assert.ok(!String(notes).includes(clientSecret));
});

test('a changed assertionAudience is shown with a warning', async (t) => {
  const administration = await openAdministration(t);
  const apply = applierOf(administration, 'job');
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] };
  const stored = async () => (await requireApplication(administration, 'job')).assertionAudience;
  await apply({ authMethod: 'private_key_jwt', jwks });
  const report = await apply({ assertionAudience: 'endpoint' }, { dryRun: true });
  assert.deepEqual(report.changes[0]?.fields, [
    { field: 'assertionAudience', from: 'issuer', to: 'endpoint' },
  ]);
  assert.match(String(report.notes), /acme\/job has assertionAudience: endpoint/);
  await apply({ assertionAudience: 'endpoint' });
  assert.match(String((await apply({ enabled: true })).notes), /has assertionAudience: endpoint/);
  assert.equal(await stored(), 'endpoint');
  await apply({ authMethod: 'none' });
  assert.equal(await stored(), undefined);
  await assert.rejects(
    apply({ assertionAudience: 'endpoint' }),
    /assertionAudience cannot be used with the authMethod none/,
  );
});

test('an application that introspects cannot become a public one', async (t) => {
  const administration = await openAdministration(t);
  const resources = [{ identifier: RESOURCE, tables: [{ id: 'orders' }] }];
  const apply = (application: object) =>
    administration.apply(
      fileOf({
        organizations: [{ name: 'acme', resources, applications: [{ name: 'api', ...application }] }],
      }),
    );
  await apply({ introspects: [RESOURCE] });
  await assert.rejects(apply({ authMethod: 'none' }), /introspects needs an authMethod other than none/);
  await apply({ authMethod: 'none', introspects: [] });
});

test('a proof of another kind puts the old one away', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] };
  const change = (application: object) =>
    administration.apply(
      fileOf({ organizations: [{ name: 'acme', applications: [{ name: 'shop', ...application }] }] }),
    );
  await change({ authMethod: 'private_key_jwt', jwks });
  let shop = await requireApplication(administration, 'shop');
  assert.deepEqual(shop.secrets, []);
  assert.deepEqual(shop.jwks, jwks);
  await change({ authMethod: 'none' });
  shop = await requireApplication(administration, 'shop');
  assert.equal(shop.jwks, undefined);
  const report = await change({ authMethod: 'client_secret_post' });
  assert.equal(report.generatedSecrets.count, 1);
});

test('two that apply the same file at once end with one of everything', async (t) => {
  const administration = await openAdministration(t);
  const reports = await Promise.all(Array.from({ length: 4 }, () => administration.apply(acme)));
  assert.equal(reports.flatMap(({ changes }) => changes).length, 5, 'each noun is added by one of them');
  for (const collection of ['organizations', 'resources', 'roles', 'applications', 'users'] as const) {
    const { items } = await administration.storage.directory[collection].page({ limit: 10 });
    assert.equal(items.length, 1, collection);
  }
  assert.deepEqual((await administration.apply(acme)).changes, []);
});

test('a generated secret that lost a race is reported as unused', async (t) => {
  const administration = await openAdministration(t);
  const { storage, changes, config, clientSecrets, passwords, datasources, credentials, now } =
    administration;
  const { webhookSecrets, webhookTargets } = administration;
  const file = fileOf({ organizations: [{ name: 'acme', applications: [{ name: 'shop' }] }] });
  let others: (() => Promise<unknown>) | undefined = () => administration.apply(file);
  const apply = createApply({
    store: storage.directory,
    issuer: config.issuer,
    changes: {
      ...changes,
      applications: {
        ...changes.applications,
        async create(application, author) {
          const quicker = others;
          others = undefined;
          await quicker?.();
          return changes.applications.create(application, author);
        },
      },
    },
    datasources,
    credentials,
    webhookSecrets,
    webhookTargets,
    passwords,
    clientSecrets,
    dataDir: config.dataDir,
    accessTokenTtl: 3600,
    hosts: [],
    registration: true,
    now,
  });
  const report = await apply(file);
  assert.deepEqual(namesOf(report), ['added organization acme']);
  const lines = (await readFile(report.generatedSecrets.path, 'utf8')).split('\n');
  const unused = lines.flatMap(
    (line) => /^# .*the secret that starts with (\S+) is unused$/.exec(line)?.[1] ?? [],
  );
  const made = lines.filter((line) => line.includes(' clientSecret '));
  const left = made.filter((line) => !unused.some((start) => line.includes(` ${start}`)));
  assert.deepEqual([made.length, unused.length, left.length], [2, 1, 1]);
  const [, clientId = '', secret = ''] = /clientId (\S+) clientSecret (\S+)$/.exec(left[0] ?? '') ?? [];
  const shop = await requireApplication(administration, clientId);
  assert.ok(isClientSecret(clientSecrets, secret, shop.secrets[0]?.hash));
});

test('a rule between fields holds also where the file says one of them only', async (t) => {
  const administration = await openAdministration(t);
  const apply = applierOf(administration, 'shop');
  await apply({ native: true, redirectUris: ['com.example.app:/cb'], grants: ['authorization_code'] });
  await assert.rejects(apply({ native: false }), /redirectUris\[0\] has a scheme of its own/);
});
