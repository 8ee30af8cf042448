/** Random organizations as nouns, and a random change of one of them. */
import { randomUUID } from 'node:crypto';
import type { New, NounChanges } from '../../src/changes/changes.ts';
import { toStoredSecret } from '../../src/directory/client-secrets.ts';
import { collectionOf } from '../../src/directory/collections.ts';
import type { CollectionName, Connection, NewNoun, Nouns, Realm } from '../../src/nouns/index.ts';
import {
  createPermissions,
  EVERYTHING,
  NOTHING,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import { toStored } from '../../src/permissions/stored.ts';
import { newApplication, newResource, newUser } from '../directory/fixture.ts';
import { AUTHOR } from '../support/exchange.ts';
import fc from '../support/properties.ts';
import type { TestServer } from '../support/server.ts';

const APPLICATIONS = [0, 1] as const;
const USERS = [0, 1, 2] as const;
const ROLES = [0, 1, 2] as const;
/** The last one is registered through the first application. */
const RESOURCES = [0, 1, 2] as const;
const REGISTERED = 2;
/** Values of the role column: the first one is mapped to a role. */
export const GROUPS = ['boss', 'guest'] as const;

const TABLES = ['orders', 'products'];
const SCOPES = ['s1', 's2'];

const index = fc.constantFrom(0, 1);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const permissions: fc.Arbitrary<Permissions> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(...TABLES.map((id) => fc.tuple(fc.constant(id), fc.nat(15)))).map(createPermissions),
  },
  { weight: 1, arbitrary: fc.constantFrom(EVERYTHING, NOTHING) },
);
const scopes = fc.subarray(SCOPES);
const few = (whole: readonly number[]) => fc.subarray([...whole], { maxLength: 2 });

const times = <T>(all: readonly unknown[], arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { minLength: all.length, maxLength: all.length });

/** What an organization is made from; numbers are indexes. */
export const plan = fc.record({
  resources: times(
    RESOURCES,
    fc.record({ isOpen: fc.boolean(), tables: fc.subarray(TABLES), scopes, owner: maybe(index) }),
  ),
  roles: times(
    ROLES,
    fc.record({ resource: fc.constantFrom(...RESOURCES), permissions, scopes, default: fc.boolean() }),
  ),
  applications: times(
    APPLICATIONS,
    fc.record({
      hasOwnPeople: fc.boolean(),
      ceilings: fc.tuple(permissions, maybe(permissions)),
      scopes,
      registeredCeiling: maybe(permissions),
      introspects: seldom(index),
      trades: fc.boolean(),
      isOrganization: seldom(fc.constant(true as const)),
    }),
  ),
  app: fc.record({ owner: index, permissions, scopes }),
  users: times(
    USERS,
    fc.record({
      home: index,
      roles: few(ROLES),
      administers: seldom(fc.constant(true)),
      devices: maybe(fc.constantFrom(['*'], ['1'], ['1', '2'])),
    }),
  ),
  connection: fc.record({
    application: index,
    resource: fc.constantFrom(...RESOURCES, REGISTERED),
    owner: maybe(index),
    permissions,
    scopes,
  }),
  datasource: fc.record({ home: index, roles: few(ROLES), mapped: fc.constantFrom(...ROLES) }),
  hive: maybe(index),
});

type Value<A> = A extends fc.Arbitrary<infer T> ? T : never;

export type Plan = Value<typeof plan>;

/** Which noun a change is of. */
export const target = fc.oneof(
  fc.record({ collection: fc.constant('resources' as const), at: fc.constantFrom(...RESOURCES) }),
  fc.record({ collection: fc.constant('roles' as const), at: fc.constantFrom(...ROLES) }),
  fc.record({ collection: fc.constant('applications' as const), at: fc.constantFrom(0, 1, 2) }),
  fc.record({ collection: fc.constant('users' as const), at: fc.constantFrom(...USERS) }),
  fc.record({
    collection: fc.constantFrom('connections', 'datasources', 'organizations'),
    at: fc.constant(0),
  }),
);

export type Target = Value<typeof target>;

type Listed = { readonly [C in keyof Nouns]: readonly NewNoun<Nouns[C]>[] };

/**
 * The nouns that a plan makes. Beyond the plan there are an application with the highest ceilings, and for each role a
 * user who has nothing else.
 *
 * @param ids by the name of a thing: the same thing has the same id whatever the plan is
 */
function toNouns(
  { resources, roles, applications, app, users, connection, datasource, hive }: Plan,
  ids: (name: string) => string,
  {
    clientSecrets,
    passwordHash,
    secretOf,
  }: {
    readonly clientSecrets: Parameters<typeof toStoredSecret>[0];
    readonly passwordHash: string;
    readonly secretOf: TestServer['secretOf'];
  },
): Listed {
  const organization = ids('organization');
  const common = { enabled: true, createdAt: 1 };
  const name = (text: string): string => `${text}-${organization.slice(0, 8)}`;
  const identifier = (at: number): string => `https://${name('resource')}.example/${at}`;
  const realmOf = (at: number): Realm =>
    applications[at]?.hasOwnPeople
      ? `application:${ids(`application ${at}`)}`
      : `organization:${organization}`;
  const clientOf = (text: string, id: string) => ({
    ...common,
    ...newApplication(organization, name(text), id),
    secrets: [toStoredSecret(clientSecrets, secretOf(name(text)), { createdAt: 1 })],
    grants: ['client_credentials', 'password', 'token_exchange', 'database_user'],
  });
  const roleIds = (held: readonly number[]): string[] => held.map((at) => ids(`role ${at}`));
  const userOf = (text: string, realm: Realm, held: readonly number[]) => ({
    ...common,
    ...newUser(organization, realm, text.replace(' ', '-'), roleIds(held)),
    id: ids(text),
    passwordHash,
  });
  const ceilingsOf = (given: readonly (Permissions | undefined)[]) =>
    given.flatMap((each, at) => (each ? [{ resource: identifier(at), permissions: toStored(each) }] : []));

  return {
    organizations: [
      {
        ...common,
        id: organization,
        name: name('org'),
        default: true,
        hosts: [],
        faces: {
          usergrid: { enabled: true, registration: false },
          sunbreak: { enabled: true, registration: false, application: ids('application 0') },
          ...(hive !== undefined && {
            devicehive: { enabled: true, registration: false, application: ids(`application ${hive}`) },
          }),
        },
      },
    ],
    resources: resources.map(({ isOpen, tables, scopes: declared, owner }, at) => ({
      ...common,
      ...newResource(organization, identifier(at)),
      id: ids(`resource ${at}`),
      catalogue: isOpen ? 'open' : 'closed',
      tables: tables.map((id) => ({ id, name: id })),
      scopes: declared,
      ...(owner !== undefined && { owner: ids(`user ${owner}`) }),
      ...(at === REGISTERED && { registeredBy: ids('application 0') }),
    })),
    roles: roles.map(({ resource, permissions: given, ...rest }, at) => ({
      ...common,
      ...rest,
      id: ids(`role ${at}`),
      organization,
      name: `role-${at}`,
      resource: identifier(resource),
      permissions: toStored(given),
    })),
    applications: [
      ...applications.map(
        ({ ceilings, registeredCeiling, introspects, trades, isOrganization, ...rest }, at) => ({
          ...clientOf(`application${at}`, ids(`application ${at}`)),
          realm: realmOf(at),
          scopes: rest.scopes,
          resource: identifier(0),
          ceilings: ceilingsOf(ceilings),
          introspects: introspects === undefined ? [] : [identifier(introspects)],
          mayExchange: trades ? [ids(`application ${1 - at}`)] : [],
          ...(registeredCeiling && { registeredCeiling: toStored(registeredCeiling) }),
          ...(isOrganization && { isOrganization }),
        }),
      ),
      {
        ...clientOf('app', ids('app')),
        realm: realmOf(0),
        scopes: app.scopes,
        resource: identifier(0),
        ceilings: ceilingsOf([app.permissions, app.permissions]),
        owner: ids(`user ${app.owner}`),
        registeredThrough: ids('application 0'),
      },
      {
        ...clientOf('probe', ids('probe')),
        realm: `organization:${organization}`,
        scopes: SCOPES,
        resource: identifier(0),
        ceilings: ceilingsOf(RESOURCES.map(() => EVERYTHING)),
      },
    ],
    users: [
      ...users.map(({ home, roles: held, administers, devices }, at) => ({
        ...userOf(`user ${at}`, realmOf(home), held),
        administers: administers ? [organization] : [],
        ...(devices && {
          faces: { devicehive: { actions: devices[0] === '*' ? devices : ['GetDevice'], networks: devices } },
        }),
      })),
      ...ROLES.map((at) => userOf(`bearer ${at}`, `organization:${organization}`, [at])),
    ],
    connections: [
      {
        ...common,
        id: ids('connection'),
        organization,
        name: 'connection',
        application: ids(`application ${connection.resource === REGISTERED ? 0 : connection.application}`),
        resource: identifier(connection.resource),
        scopes: connection.scopes,
        permissions: toStored(connection.permissions),
        secrets: [],
        networks: [],
        ...(connection.owner !== undefined && { owner: ids(`user ${connection.owner}`) }),
      },
    ],
    datasources: [
      {
        ...common,
        id: ids('datasource'),
        organization,
        name: 'crm',
        kind: 'sqlite',
        file: 'people.db',
        insecurePasswords: false,
        userTables: [
          {
            id: ids('user table'),
            enabled: true,
            database: 'main',
            collection: 'people',
            usernameColumn: 'name',
            passwordColumn: 'password',
            passwordFormat: 'bcrypt',
            subjectColumn: 'name',
            conditions: [],
            roles: roleIds(datasource.roles),
            roleColumn: 'name',
            roleMap: [{ value: GROUPS[0], role: ids(`role ${datasource.mapped}`) }],
            claims: [],
            realm: realmOf(datasource.home),
            verified: true,
          },
        ],
      },
    ],
    webhooks: [],
  };
}

/** What a test does with an organization on a server. */
export interface OnServer {
  readonly organization: string;
  readonly connectionToken: string;
  /** The same organization as another plan would have it. */
  nounsOf(other: Plan): Listed;
  list<C extends CollectionName>(collection: C): Promise<readonly Nouns[C][]>;
  replace<C extends CollectionName>(collection: C, noun: Nouns[C]): Promise<void>;
  remove(): Promise<void>;
}

export async function createOrganization(
  { server: { foundations }, secretOf }: Pick<TestServer, 'server' | 'secretOf'>,
  passwordHash: string,
  planned: Plan,
): Promise<OnServer> {
  const { clientSecrets, store } = foundations;
  const ids = new Map<string, string>();
  const idOf = (name: string): string => {
    if (!ids.has(name)) ids.set(name, randomUUID());
    return ids.get(name) as string;
  };
  const nounsOf = (other: Plan) => toNouns(other, idOf, { clientSecrets, passwordHash, secretOf });
  const organization = idOf('organization');
  // The compiler does not see that a collection's name and its nouns belong together.
  const changesOf = <C extends CollectionName>(collection: C) =>
    foundations.changes[collection] as unknown as NounChanges<Nouns[C]>;
  async function create<C extends CollectionName>(collection: C, nouns: readonly NewNoun<Nouns[C]>[]) {
    for (const noun of nouns) await changesOf(collection).create(noun as New<Nouns[C]>, AUTHOR);
  }
  const list: OnServer['list'] = async (collection) => {
    const nouns = collectionOf(store, collection);
    if (collection !== 'organizations') return (await nouns.page({ limit: 50, organization })).items;
    const own = await nouns.get(organization);
    return own ? [own] : [];
  };
  const replace: OnServer['replace'] = async (collection, noun) => {
    // A login or a new password may have written it since.
    const { version } = (await collectionOf(store, collection).get(noun.id)) ?? noun;
    await changesOf(collection).replace({ ...noun, version }, AUTHOR);
  };

  const { organizations, resources, applications, roles, users, connections, datasources } = nounsOf(planned);
  const unowned = resources.map(({ owner: _, ...rest }) => rest);
  // They name each other, so some are made without what is made later.
  await create('organizations', organizations);
  await create('resources', unowned.slice(0, REGISTERED));
  await create('applications', applications.slice(0, APPLICATIONS.length));
  await create('resources', unowned.slice(REGISTERED));
  await create('roles', roles);
  await create('users', users);
  await create('applications', applications.slice(APPLICATIONS.length));
  for (const [at, resource] of (await list('resources')).entries()) {
    const { owner } = resources[at] ?? {};
    if (owner !== undefined) await replace('resources', { ...resource, owner });
  }
  const [connection] = connections as [NewNoun<Connection>];
  const { token: connectionToken } = await foundations.connections.create(connection, AUTHOR);
  await create('datasources', datasources);
  return {
    organization,
    connectionToken,
    nounsOf,
    list,
    replace,
    async remove() {
      for (const noun of await list('organizations'))
        await foundations.changes.organizations.remove(noun, AUTHOR);
    },
  };
}
