import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInFaces } from '../../src/faces/index.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Connection,
  type Datasource,
  declarationOf,
  type Nouns,
  type Organization,
  type Resource,
  type Role,
  type User,
} from '../../src/nouns/index.ts';
import { ALL_DEVICE_ACCESS } from '../../src/permissions/device-access.ts';
import { Alternative } from '../../src/permissions/limits.ts';
import { createPermissions, EVERYTHING, NOTHING, type Right } from '../../src/permissions/permissions.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { toStored } from '../../src/permissions/stored.ts';
import {
  NO_REACH,
  type Reach,
  reaches,
  reachOfRights,
  uniteReach,
  WHOLE_SERVER,
  wholeOrganization,
  wholeResource,
} from '../../src/rights/reach.ts';
import { containsReach, reachOf, type World } from '../../src/rights/reach-of.ts';
import { newApplication, newResource, newUser } from '../directory/fixture.ts';
import { createNoun } from '../nouns/whole-nouns.ts';

const STORED = { number: 1, version: 1, enabled: true, createdAt: 0 };
const READ = createPermissions([['orders', 2]]);
const WRITE = createPermissions([['orders', 15]]);

const acme: Organization = { ...STORED, id: 'acme', name: 'acme', default: false, hosts: [] };
const withDevices: Organization = {
  ...STORED,
  id: 'hive',
  name: 'hive',
  default: false,
  hosts: [],
  faces: { devicehive: { enabled: true, registration: false, application: 'own' } },
};

const resource = (id: string, rest: Partial<Resource> = {}): Resource => ({
  ...STORED,
  ...newResource('acme', `urn:${id}`),
  id,
  scopes: ['orders.read', `${id}.use`],
  ...rest,
});
const [db, files] = [resource('db'), resource('files')];
const domain = resource('domain', { owner: 'ann', registeredBy: 'sites' });

const role = (id: string, rest: Partial<Role> = {}): Role => ({
  ...STORED,
  id,
  organization: 'acme',
  name: id,
  default: false,
  resource: db.identifier,
  scopes: [],
  permissions: toStored(READ),
  ...rest,
});
const reader = role('reader', { scopes: ['orders.read'] });
const writer = role('writer', { permissions: toStored(WRITE) });
const off = role('off', { enabled: false, permissions: toStored(EVERYTHING) });
const archivist = role('archivist', { resource: files.identifier });

const application = (id: string, rest: Partial<Application> = {}): Application => ({
  ...STORED,
  ...newApplication('acme', id, id),
  scopes: [],
  resource: db.identifier,
  ceilings: [{ resource: db.identifier, permissions: toStored(READ) }],
  ...rest,
});

const user = (id: string, rest: Partial<User> = {}): User => ({
  ...STORED,
  ...newUser('acme', 'organization:acme', id, []),
  id,
  ...rest,
});
const ann = user('ann', { roles: ['reader'] });

const others = [
  application('shop', { ceilings: [{ resource: db.identifier, permissions: toStored(WRITE) }] }),
  application('sites', { ceilings: [], registeredCeiling: toStored(READ) }),
];

function byKey<T>(nouns: readonly T[], keyOf: (noun: T) => string) {
  const found = new Map(nouns.map((noun) => [keyOf(noun), noun]));
  return {
    get: async (key: string): Promise<T | undefined> => found.get(key),
    findBy: async (_: string, value: string): Promise<T | undefined> => found.get(value),
    page: async () => ({ items: [...nouns] }),
  };
}
const world: World = {
  faceRules: builtInFaces,
  organizations: byKey([acme, withDevices], ({ id }) => id),
  applications: byKey(others, ({ id }) => id),
  roles: byKey([reader, writer, off, archivist], ({ id }) => id),
  resources: byKey([db, files, domain], ({ identifier }) => identifier),
  users: byKey([ann], ({ id }) => id),
};

const rights = (of: Resource, stored = READ, scopes: string[] = []): Reach =>
  reachOfRights(of, { permissions: stored, scopes: new Set(scopes) });
const owned = (person: string): Reach => ({ ...NO_REACH, people: new Map([[person, 'acme']]) });
const same = (found: Reach, expected: Reach): void =>
  assert.ok(reaches(found, expected) && reaches(expected, found), JSON.stringify([found, expected]));

test('a role reaches what it gives, for its resource alone', async () => {
  same(await reachOf('roles', reader, world), rights(db, READ, ['orders.read']));
  assert.ok(!reaches(rights(files, EVERYTHING), await reachOf('roles', reader, world)));
});

test('a disabled role counts: it could be enabled again', async () => {
  same(
    await reachOf('users', user('bob', { roles: ['off'] }), world),
    uniteReach([owned('bob'), rights(db, EVERYTHING)]),
  );
});

test('a user reaches what the roles give together, and what the user owns', async () => {
  const found = await reachOf('users', user('bob', { roles: ['reader', 'writer', 'archivist'] }), world);
  same(found, uniteReach([owned('bob'), rights(db, WRITE, ['orders.read']), rights(files)]));
  assert.ok(!reaches(found, wholeResource(domain)));
  assert.ok(reaches(await reachOf('users', ann, world), wholeResource(domain)), 'the owner of a resource');
});

test('an administrator reaches everything of each organization', async () => {
  const root = user('root', { realm: 'management', administers: ['acme', 'other'] });
  const { organization: _, ...administrator } = root;
  same(
    await reachOf('users', administrator, world),
    uniteReach([wholeOrganization('acme'), wholeOrganization('other')]),
  );
  same(await reachOf('users', { ...administrator, administers: [] }, world), WHOLE_SERVER);
});

test('a user reaches devices only where the organization has some', async () => {
  const faces = { devicehive: { actions: ['*'], networks: ['*'], deviceTypes: ['*'] } };
  const at = (organization: string): User =>
    user('bob', { organization, realm: `organization:${organization}` });
  assert.equal((await reachOf('users', at('acme'), world)).devices.size, 0);
  const usual = await reachOf('users', at('hive'), world);
  const mighty = await reachOf('users', { ...at('hive'), faces }, world);
  assert.ok(reaches(mighty, usual) && !reaches(usual, mighty));
  assert.ok(reaches(wholeOrganization('hive'), mighty));
});

test('a plugin is reached by its user, whatever others are called', async () => {
  const faces = {
    devicehive: { enabled: true, registration: false, plugins: [{ topic: 't', creator: 'ann' }] },
  };
  const there: World = { ...world, organizations: byKey([{ ...withDevices, faces }], () => 'acme') };
  const bob = await reachOf('users', user('bob'), there);
  assert.ok(reaches(bob, await reachOf('users', user('bob', { username: 'ann' }), there)));
  assert.ok(!reaches(bob, await reachOf('users', user('ann', { username: 'bob' }), there)));
});

test('an application reaches its ceilings, and those of whom it lets trade', async () => {
  const found = await reachOf('applications', application('kiosk'), world);
  same(found, rights(db));
  same(
    await reachOf('applications', application('kiosk', { mayExchange: ['shop', 'kiosk'] }), world),
    rights(db, WRITE),
  );
});

test('a scope counts for the resources that declare it, or for all if none does', async () => {
  const ceilings = [db, files].map(({ identifier }) => ({
    resource: identifier,
    permissions: toStored(NOTHING),
  }));
  const scopes = ['openid', 'files.use', 'later'];
  const found = await reachOf('applications', application('kiosk', { ceilings, scopes }), world);
  same(found, uniteReach([rights(db, NOTHING, ['later']), rights(files, NOTHING, ['files.use', 'later'])]));
});

test('an application reaches all of a resource that it answers for', async () => {
  const found = await reachOf(
    'applications',
    application('api', { ceilings: [], introspects: [files.identifier] }),
    world,
  );
  same(found, wholeResource(files));
});

test('an application reaches each resource that is registered through it', async () => {
  const [, sites] = others as [Application, Application];
  const found = await reachOf('applications', sites, world);
  assert.ok(reaches(found, rights(domain)) && !reaches(found, rights(domain, WRITE)));
  const withScope = await reachOf('applications', { ...sites, scopes: ['later'] }, world);
  assert.ok(reaches(withScope, rights(domain, READ, ['later'])) && !reaches(found, withScope));
  assert.ok(!reaches(found, rights(db)));
});

test('the organization as a client reaches everything of it', async () => {
  const found = await reachOf('applications', application('acme-org', { isOrganization: true }), world);
  same(found, wholeOrganization('acme'));
});

test('an application that a person registered belongs to that person', async () => {
  const app = application('app', {
    owner: 'ann',
    registeredThrough: 'shop',
    ceilings: [{ resource: db.identifier, permissions: toStored(WRITE) }],
  });
  same(await reachOf('applications', app, world), await reachOf('users', ann, world));
  const silent = await reachOf('applications', { ...app, firstParty: true }, world);
  assert.ok(reaches(silent, rights(db, WRITE)), 'people are not asked');
  const lost = await reachOf('applications', { ...app, owner: 'gone' }, world);
  same(lost, rights(db, WRITE));
});

test('the application of DeviceHive reaches all devices', async () => {
  const own = application('own', { organization: 'hive', ceilings: [] });
  const found = await reachOf('applications', own, world);
  same(found, { ...NO_REACH, devices: new Map([['hive', [ALL_DEVICE_ACCESS]]]) });
  same(await reachOf('applications', { ...own, id: 'another' }, world), NO_REACH);
});

test('a resource reaches all of itself, which no role gives', async () => {
  const found = await reachOf('resources', db, world);
  assert.ok(!reaches(rights(db, EVERYTHING, [...db.scopes]), found));
  assert.ok(reaches(wholeOrganization('acme'), found));
});

const connection: Connection = {
  ...STORED,
  id: 'c',
  organization: 'acme',
  name: 'c',
  application: 'shop',
  resource: db.identifier,
  scopes: ['orders.read'],
  permissions: toStored(WRITE),
  secrets: [],
  networks: [],
};

test('a connection reaches what it says, or what its owner reaches', async () => {
  same(await reachOf('connections', connection, world), rights(db, WRITE, ['orders.read']));
  const hers = await reachOf('connections', { ...connection, owner: 'ann' }, world);
  same(hers, await reachOf('users', ann, world));
});

const userTable = { roles: ['reader'], claims: [], roleMap: [{ value: 'boss', role: 'writer' }] };
const datasource = {
  ...STORED,
  id: 'd',
  organization: 'acme',
  userTables: [userTable],
} as unknown as Datasource;

test('a datasource reaches what any of its accounts could get', async () => {
  same(await reachOf('datasources', datasource, world), rights(db, WRITE, ['orders.read']));
});

test('an organization reaches everything of itself, and nothing of another', async () => {
  const found = await reachOf('organizations', acme, world);
  same(found, wholeOrganization('acme'));
  assert.ok(!reaches(found, wholeOrganization('hive')) && !reaches(found, WHOLE_SERVER));
});

const organization = wholeOrganization('acme');

test('a change is judged by what the object reaches before and after it', async () => {
  const holder = await reachOf('users', user('bob', { roles: ['reader'] }), world);
  const stronger = { ...reader, permissions: writer.permissions };
  for (const [before, after, expected] of [
    [reader, reader, true],
    [reader, stronger, false],
    [stronger, reader, false],
    [undefined, reader, true],
    [undefined, stronger, false],
    [stronger, undefined, false],
  ] as const) {
    assert.equal(await containsReach(holder, 'roles', before, after, world), expected);
    assert.ok(await containsReach(organization, 'roles', before, after, world));
  }
});

test('MT-05 a party cannot take over a stronger user, nor make one', async () => {
  const holder = await reachOf('users', ann, world);
  const strong = user('carl', { roles: ['writer'] });
  assert.ok(await containsReach(holder, 'users', ann, { ...ann, email: 'new@acme.example' }, world));
  assert.ok(!(await containsReach(holder, 'users', strong, { ...strong, email: 'ann@acme.example' }, world)));
  assert.ok(!(await containsReach(holder, 'users', ann, { ...ann, administers: ['acme'] }, world)));
});

test('a resource cannot be taken from its owner', async () => {
  const thief = await reachOf('users', user('bob', { roles: ['reader'] }), world);
  assert.ok(!(await containsReach(thief, 'resources', domain, { ...domain, owner: 'bob' }, world)));
  assert.ok(await containsReach(await reachOf('users', ann, world), 'resources', domain, domain, world));
});

test('organizations and administrators are made by the whole server only', async () => {
  const { organization: _, ...administrator } = user('root', { realm: 'management', administers: ['acme'] });
  assert.ok(!(await containsReach(organization, 'users', undefined, administrator, world)));
  assert.ok(await containsReach(organization, 'users', administrator, administrator, world));
  assert.ok(
    !(await containsReach(
      organization,
      'users',
      administrator,
      { ...administrator, administers: [] },
      world,
    )),
  );
  assert.ok(!(await containsReach(organization, 'organizations', undefined, acme, world)));
  assert.ok(!(await containsReach(organization, 'organizations', acme, undefined, world)));
  assert.ok(await containsReach(organization, 'organizations', acme, { ...acme, enabled: false }, world));
  for (const change of [{ name: 'hive' }, { hosts: ['hive.example'] }, { default: true }]) {
    assert.ok(!(await containsReach(organization, 'organizations', acme, { ...acme, ...change }, world)));
    assert.ok(await containsReach(WHOLE_SERVER, 'organizations', acme, { ...acme, ...change }, world));
  }
});

test('a role for a resource of another organization takes all of that one', async () => {
  const foreign: World = {
    ...world,
    resources: byKey([{ ...db, organization: 'other' }], ({ identifier }) => identifier),
  };
  assert.ok(!(await containsReach(organization, 'roles', undefined, reader, foreign)));
});

/** Rights are read from these fields, or they name other nouns; yet another value of them gives nothing more. */
const GIVING_NOTHING: Partial<Record<CollectionName, readonly string[]>> = {
  // It is whole whatever they say.
  organizations: ['faces', 'agents', 'enabled'],
  resources: ['enabled', 'catalogue', 'tables', 'groups', 'scopes'],
  roles: ['enabled'],
  applications: ['enabled', 'grants', 'realm', 'resource', 'registeredThrough', 'agentApproval'],
  users: ['enabled', 'passwordHash', 'pending'],
  connections: ['enabled', 'application', 'expiresAt'],
  datasources: ['enabled', 'organization', 'file', 'server'],
  webhooks: ['enabled'],
};

test('each field that rights are read from is weighed, or gives nothing', async () => {
  const samples: { readonly [C in CollectionName]: readonly Nouns[C][] } = {
    organizations: [acme],
    resources: [domain],
    roles: [reader],
    applications: [application('a'), application('a', { owner: 'ann' })],
    users: [user('bob', { organization: 'hive', roles: ['own', 'mail'] })],
    connections: [connection],
    datasources: [datasource],
    webhooks: [{ ...createNoun('webhooks', true), number: 1, version: 1 }],
  };
  const there = { ...world, roles: byKey([own, mail, reader, writer], ({ id }) => id) };
  for (const collection of COLLECTIONS) {
    const read = new Set<PropertyKey>(GIVING_NOTHING[collection]);
    for (const noun of samples[collection]) {
      const watched = new Proxy<object>(noun, {
        get(target, name) {
          read.add(name);
          return Reflect.get(target, name);
        },
      });
      await reachOf(collection, watched as typeof noun, there);
    }
    const { fields } = declarationOf(collection);
    const counts = Object.keys(fields).filter((name) => {
      const { effect, refersTo } = fields[name] ?? {};
      return effect !== 'none' || refersTo !== undefined;
    });
    assert.deepEqual(
      counts.filter((name) => !read.has(name)),
      [],
      collection,
    );
  }
});

const sales: Resource = {
  ...db,
  tables: [
    { id: 'orders', name: 'Orders', columns: [{ name: 'customer', type: 'integer' }] },
    { id: 'invoices', name: 'Invoices' },
    { id: 'notes', name: 'Notes' },
  ],
  groups: [{ id: 'sales', tables: ['orders', 'invoices'] }],
};

const roleOf = (id: string, tables: object): Role =>
  role(id, {
    permissions: toStored(
      parsePermissions(
        { isAdmin: false, tables },
        { unknownFlags: 'refuse', limits: { variables: 'allow' } },
      ),
    ),
  });
const ordersOf = (...customer: unknown[]) => ({ orders: { read: { rows: { customer } } } });
const own = roleOf('own', ordersOf({ $user: 'attributes.customer' }));
const mail = roleOf('mail', ordersOf({ $user: 'email' }));
const row = roleOf('row', ordersOf({ $account: 'customer' }));
const of42 = roleOf('of42', ordersOf('42'));
const all = roleOf('all', { orders: { read: true } });
const seller = roleOf('seller', { '@sales': { read: true } });
const named = roleOf('named', { orders: { read: true }, invoices: { read: true } });
const every = roleOf('every', { '*': { read: true } });

const limited: World = {
  ...world,
  roles: byKey([own, row, of42, all, seller, named, every], ({ id }) => id),
  resources: byKey([sales], ({ identifier }) => identifier),
};
const holding = (...roles: string[]) => reachOf('users', user('bob', { roles }), limited);

test('a role with variables is reached by rights to all rows only', async () => {
  for (const wanted of [own, row]) {
    const reach = await reachOf('roles', wanted, limited);
    assert.ok(reaches(await holding('all'), reach));
    assert.ok(!reaches(await holding('of42'), reach));
    assert.ok(!reaches(reach, reach), 'a variable is sure of no value');
  }
});

test('writing an attribute grants what it opens', async () => {
  const holder = uniteReach([await holding('of42'), owned('ann')]);
  const write = (before: object, after: object) => {
    const [from, to] = [before, after].map((attributes) => ({ ...ann, roles: ['own'], attributes }));
    return containsReach(holder, 'users', from as User, to as User, limited);
  };
  assert.ok(await write({}, { customer: '42' }));
  assert.ok(await write({ customer: '42' }, { customer: '42', region: 'eu' }));
  assert.ok(!(await write({}, { customer: '43' })));
  assert.ok(!(await write({ customer: '43' }, { customer: '42' })), 'another user is taken over');
});

test('writing an address or its verification grants the rows that it opens', async () => {
  const there: World = { ...limited, roles: byKey([mail, of42], ({ id }) => id) };
  const holder = uniteReach([await holding('of42'), owned('ann')]);
  const person = { ...ann, roles: ['mail'] };
  const verified = (email: string) => ({ ...person, email, emailVerified: true });
  const write = (after: User) => containsReach(holder, 'users', person, after, there);
  assert.ok(await write({ ...person, email: '43' }));
  assert.ok(!(await write(verified('43'))));
  assert.ok(await write(verified('42')));
});

test('a user with variables reaches the rows of the present values', async () => {
  const reach = (attributes: Record<string, string>) =>
    reachOf('users', user('bob', { roles: ['own'], attributes }), limited);
  same(await reach({ customer: '42' }), await holding('of42'));
  same(await reach({}), await holding());
});

test('a datasource reaches all rows that a column could open', async () => {
  const source = {
    ...datasource,
    userTables: [{ ...userTable, roles: ['row'], roleMap: [] }],
  } as unknown as Datasource;
  const reach = await reachOf('datasources', source, limited);
  assert.ok(reaches(await holding('all'), reach) && !reaches(await holding('of42'), reach));
});

test('a group is reached by who has it, and not by who has its tables', async () => {
  const reach = await reachOf('roles', seller, limited);
  for (const role of ['seller', 'every']) assert.ok(reaches(await holding(role), reach), role);
  assert.ok(!reaches(await holding('named'), reach), 'a table may join the group');
  assert.ok(reaches(await holding('seller'), await reachOf('roles', named, limited)));
  assert.ok(!reaches(await holding('seller', 'named'), await reachOf('roles', every, limited)));
});

test('more alternatives than can be kept are reached by admin only', async () => {
  const roles = [0, 1].map((at) => {
    const limits = Array.from(
      { length: 60 },
      (_, index): Right => [
        'orders',
        2,
        new Alternative(undefined, [['customer', [String(100 * at + index)]]]),
      ],
    );
    return role(`many${at}`, { permissions: toStored(createPermissions(limits)) });
  });
  const there: World = { ...limited, roles: byKey([...roles, all], ({ id }) => id) };
  const reach = await reachOf('users', user('ann', { roles: roles.map(({ id }) => id) }), there);
  const holder = uniteReach([await holding('all'), owned('ann')]);
  assert.ok(!reaches(holder, reach));
  assert.ok(reaches(uniteReach([holder, rights(sales, EVERYTHING)]), reach));
});

test('a role of a neighbour takes the reach of the whole resource', async () => {
  const claimMap = (claims: object) =>
    Object.entries(claims).map(([claim, value]) => ({ claim, value: JSON.stringify(value) }));
  const mapped = resource('mapped', {
    token: {
      ...db.token,
      claimMap: claimMap({
        role: {
          oneOf: ['web_admin', 'web_user'],
          from: { $user: 'attributes.db_role' },
          default: 'web_user',
        },
        groups_of: { x_roles: { someOf: ['chief'], from: { $user: 'roles' } } },
        team: { $user: 'attributes.team' },
      }),
    },
  });
  const [chief, clerk] = ['chief', 'clerk'].map((name) =>
    role(name, { name, resource: mapped.identifier, permissions: toStored(NOTHING) }),
  ) as [Role, Role];
  const there: World = {
    ...world,
    resources: byKey([mapped], ({ identifier }) => identifier),
    roles: byKey([chief, clerk], ({ id }) => id),
  };
  const ann = (rest: Partial<User>) => user('ann', { roles: [clerk.id], ...rest });
  const all = uniteReach([owned('ann'), wholeResource(mapped)]);
  for (const [person, isWhole] of [
    [ann({}), false],
    [ann({ attributes: { team: 'web_admin' } }), false],
    [ann({ attributes: { db_role: 'unknown' } }), false],
    [ann({ attributes: { db_role: 'web_admin' } }), true],
    [ann({ roles: [chief.id] }), true],
  ] as const) {
    const reach = await reachOf('users', person, there);
    assert.equal(reaches(owned('ann'), reach), !isWhole, JSON.stringify(person));
    assert.ok(reaches(all, reach));
  }
  const renamed = await containsReach(owned('ann'), 'roles', clerk, { ...clerk, name: 'chief' }, there);
  assert.ok(!renamed, 'a role may not be renamed to one that the map names');
  const before = { ...mapped, token: db.token };
  assert.ok(!(await containsReach(owned('ann'), 'resources', before, mapped, there)));
  assert.ok(await containsReach(all, 'resources', before, mapped, there));
});

test('a neighbour may choose a role by the id of a person alone', async () => {
  const claimMap = [
    {
      claim: 'role',
      value: JSON.stringify({ oneOf: ['ann', 'web'], from: { $user: 'id' }, default: 'web' }),
    },
  ];
  const mapped = resource('mapped', { token: { ...db.token, claimMap } });
  const ceilings = [{ resource: mapped.identifier, permissions: toStored(NOTHING) }];
  for (const realm of ['organization:acme', 'application:shop'] as const) {
    const there: World = {
      ...world,
      applications: byKey([application('shop', { realm, ceilings })], ({ id }) => id),
      resources: byKey([mapped], ({ identifier }) => identifier),
    };
    const [chosen, other] = ['ann', 'bob'].map((id) => reachOf('users', user(id, { realm }), there));
    same((await chosen) as Reach, uniteReach([owned('ann'), wholeResource(mapped)]));
    same((await other) as Reach, owned('bob'));
  }
});
