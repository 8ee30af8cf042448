/** Random directories, and what is asked for in chains of exchanges below them. Everything in memory. */
import { randomUUID } from 'node:crypto';
import type { Application, Connection, Resource, Role, User } from '../../../src/nouns/index.ts';
import { Alternative } from '../../../src/permissions/limits.ts';
import {
  createPermissions,
  EVERYTHING,
  intersect,
  type Permissions,
  type Right,
  rightsOf,
} from '../../../src/permissions/permissions.ts';
import { toStored } from '../../../src/permissions/stored.ts';
import { toValue } from '../../../src/permissions/variables.ts';
import type { RoleView } from '../../../src/rights/rights.ts';
import { newApplication, newResource, newUser, RESOURCE } from '../../directory/fixture.ts';
import { permissions } from '../../permissions/arbitraries.ts';
import fc from '../../support/properties.ts';

const OTHER_RESOURCE = 'https://other.acme.example/';
export const TABLES = ['orders', 'products', 'public.users', 'a:read', '100%', '注文'];
/** Those whose rights may be limited, if the catalogue declares their columns. */
export const WITH_COLUMNS = ['orders', 'products'];
export const GROUP = '@sales';
const COLUMNS = [
  { name: 'customer', type: 'integer' },
  { name: 'region', type: 'text' },
  { name: 'total', type: 'decimal' },
] as const;
const SCOPES = ['s1', 's2', 's3', 's4'];
const APPLICATIONS = 3;
const ROLES = 3;

export type Attributes = Readonly<Record<string, string>>;

/** What bounds a token, in the words of the directory. */
export interface World {
  /** Undefined: the catalogue is open. */
  readonly tables: readonly string[] | undefined;
  /** The tables of the group. */
  readonly group: readonly string[];
  /** Names of the columns that are declared of each table that has some. */
  readonly columns: readonly string[];
  /** Of the user. */
  readonly attributes: Attributes;
  readonly resourceScopes: readonly string[];
  readonly applications: readonly {
    readonly ceiling: Permissions;
    readonly scopes: readonly string[];
    readonly maxExchangeTtl: number | undefined;
  }[];
  readonly roles: readonly { readonly permissions: Permissions; readonly scopes: readonly string[] }[];
  /** Indexes of the roles that the user has. */
  readonly held: readonly number[];
  readonly ownsResource: boolean;
  readonly connection: {
    readonly permissions: Permissions;
    readonly scopes: readonly string[];
    readonly isUsers: boolean;
    readonly lifetime: number | undefined;
    readonly maxTokenTtl: number | undefined;
  };
}

/** What one exchange asks for. */
export interface Step {
  readonly application: number;
  readonly resource: string | undefined;
  readonly scopes: readonly string[] | undefined;
  /** `within`: of what the parent has, these. */
  readonly permissions: Permissions | { readonly within: Permissions } | undefined;
  readonly lifetime: number | undefined;
  /** Seconds that pass before it. */
  readonly wait: number;
  /** The user has these from then on. */
  readonly attributes: Attributes | undefined;
}

export interface Chain {
  readonly from: 'connection' | 'application' | 'user';
  readonly application: number;
  readonly steps: readonly Step[];
}

const some = <T>(values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values]);
const most = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<string[]>([...values]) },
    { weight: 1, arbitrary: some(values) },
  );

const CUSTOMERS = ['1', '02'];
const REGIONS = ['eu', 'us'];
const VARIABLES = {
  customer: [toValue({ source: 'user', name: 'attributes.customer' })],
  region: [
    toValue({ source: 'user', name: 'attributes.region' }),
    // Without a value in these worlds.
    toValue({ source: 'account', name: 'region' }),
  ],
};

function limit(withVariables: boolean): fc.Arbitrary<Alternative> {
  const values = (known: readonly string[], variables: readonly string[]) =>
    fc.subarray([...known, ...(withVariables ? variables : [])], { minLength: 1 });
  return fc
    .record({
      columns: fc.option(fc.subarray(['customer', 'total', 'ghost'], { minLength: 1 }), { nil: undefined }),
      customer: fc.option(values(CUSTOMERS, VARIABLES.customer), { nil: undefined }),
      region: fc.option(values(REGIONS, VARIABLES.region), { nil: undefined, freq: 1 }),
    })
    .map(({ columns, ...rows }) => {
      const conditions = Object.entries(rows).flatMap(([column, each]) =>
        each ? [[column, each] as const] : [],
      );
      return new Alternative(columns, conditions);
    });
}

/** Adds rights with limits, to a group and to all tables. */
function withMore(plain: fc.Arbitrary<Permissions>, withVariables: boolean): fc.Arbitrary<Permissions> {
  const mask = fc.integer({ min: 1, max: 15 });
  const limited = fc
    .tuple(fc.constantFrom(...WITH_COLUMNS, GROUP), mask, limit(withVariables))
    .map(([table, actions, each]): Right => [table, each.columns ? actions & 7 : actions, each]);
  const wide = fc.tuple(fc.constantFrom('*', GROUP), mask).map(([table, actions]): Right => [table, actions]);
  return fc
    .tuple(plain, fc.array(limited, { maxLength: 4 }), fc.array(wide, { maxLength: 1 }))
    .map(([cells, limits, wider]) => (cells.isAdmin ? cells : addRights(cells, [...limits, ...wider])));
}

/** In a table that has limits, only a few cells are left without. */
function addRights(cells: Permissions, more: readonly Right[]): Permissions {
  const limited = new Set(more.filter(([, , each]) => each).map(([table]) => table));
  const kept = [...rightsOf(cells)].filter(([table]) => !limited.has(table));
  return createPermissions([...kept, ...more]);
}

/** So much that something is left below several of them. */
const ample: fc.Arbitrary<Permissions> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(...TABLES.map((id) => fc.tuple(fc.constant(id), fc.nat(15)))).map(createPermissions),
  },
  { weight: 1, arbitrary: permissions },
  { weight: 1, arbitrary: fc.constant(EVERYTHING) },
);
/** As an operator may write it. */
const written = fc.oneof({ weight: 1, arbitrary: ample }, { weight: 2, arbitrary: withMore(ample, true) });
const asked = (plain: fc.Arbitrary<Permissions>) =>
  fc.oneof({ weight: 2, arbitrary: plain }, { weight: 1, arbitrary: withMore(plain, false) });
const attributes = fc.record(
  { customer: fc.constantFrom('1', '2', 'none', ''), region: fc.constantFrom('eu', 'us', 'e\u0000u') },
  { requiredKeys: [] },
);

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const seconds = fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 120, max: 86_400 }));
const application = fc.nat({ max: APPLICATIONS - 1 });

export const world: fc.Arbitrary<World> = fc.record({
  tables: maybe(most(TABLES)),
  group: some(TABLES),
  columns: most(COLUMNS.map(({ name }) => name)),
  attributes,
  resourceScopes: most(SCOPES),
  applications: fc.array(
    fc.record({ ceiling: written, scopes: most(SCOPES), maxExchangeTtl: maybe(seconds) }),
    { minLength: APPLICATIONS, maxLength: APPLICATIONS },
  ),
  roles: fc.array(fc.record({ permissions: written, scopes: most(SCOPES) }), {
    minLength: ROLES,
    maxLength: ROLES,
  }),
  held: some([0, 1, 2]),
  ownsResource: fc.boolean(),
  connection: fc.record({
    permissions: written,
    scopes: most(SCOPES),
    isUsers: fc.boolean(),
    lifetime: maybe(seconds),
    maxTokenTtl: maybe(seconds),
  }),
});

export const chain: fc.Arbitrary<Chain> = fc.record({
  from: fc.constantFrom('connection', 'application', 'user'),
  application,
  steps: fc.array(
    fc.record({
      application,
      resource: fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(undefined, RESOURCE) },
        { weight: 1, arbitrary: fc.constant(OTHER_RESOURCE) },
      ),
      scopes: fc.oneof(
        { weight: 6, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: some(SCOPES) },
      ),
      permissions: fc.oneof(
        { weight: 4, arbitrary: fc.constant(undefined) },
        { weight: 4, arbitrary: asked(ample).map((within) => ({ within })) },
        { weight: 1, arbitrary: asked(permissions) },
      ),
      attributes: fc.option(attributes, { nil: undefined, freq: 2 }),
      lifetime: fc.option(seconds, { nil: undefined, freq: 2 }),
      wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 })),
    }),
    { minLength: 3, maxLength: 5, size: 'max' },
  ),
});

/** Takes something away: nothing of what is left was not there before. */
export const removal: fc.Arbitrary<(whole: World) => World> = fc.oneof(
  fc.tuple(application, written).map(
    ([at, kept]) =>
      (whole: World) =>
        withApplication(whole, at, ({ ceiling }) => ({ ceiling: intersect(ceiling, kept) })),
  ),
  fc.tuple(application, some(SCOPES)).map(
    ([at, kept]) =>
      (whole: World) =>
        withApplication(whole, at, ({ scopes }) => ({ scopes: shared(scopes, kept) })),
  ),
  fc.tuple(application, seconds).map(
    ([at, ttl]) =>
      (whole: World) =>
        withApplication(whole, at, ({ maxExchangeTtl }) => ({ maxExchangeTtl: least(maxExchangeTtl, ttl) })),
  ),
  fc
    .tuple(fc.nat({ max: ROLES - 1 }), fc.oneof(permissions, written), some(SCOPES))
    .map(([at, kept, scopes]) => (whole: World) => ({
      ...whole,
      roles: whole.roles.map((role, index) =>
        index === at
          ? { permissions: intersect(role.permissions, kept), scopes: shared(role.scopes, scopes) }
          : role,
      ),
    })),
  some([0, 1, 2]).map((kept) => (whole: World) => ({
    ...whole,
    held: whole.held.filter((role) => kept.includes(role)),
    ownsResource: false,
  })),
  fc
    .tuple(fc.oneof(permissions, written), some(SCOPES), seconds, seconds)
    .map(([kept, scopes, lifetime, maxTokenTtl]) => (whole: World) => ({
      ...whole,
      connection: {
        ...whole.connection,
        permissions: intersect(whole.connection.permissions, kept),
        scopes: shared(whole.connection.scopes, scopes),
        lifetime: least(whole.connection.lifetime, lifetime),
        maxTokenTtl: least(whole.connection.maxTokenTtl, maxTokenTtl),
      },
    })),
  some(TABLES).map((kept) => (whole: World) => ({ ...whole, group: shared(whole.group, kept) })),
  some(COLUMNS.map(({ name }) => name)).map((kept) => (whole: World) => ({
    ...whole,
    columns: shared(whole.columns, kept),
  })),
  some(['customer', 'region']).map((kept) => (whole: World) => ({
    ...whole,
    attributes: Object.fromEntries(Object.entries(whole.attributes).filter(([name]) => kept.includes(name))),
  })),
  fc.tuple(some(TABLES), some(SCOPES)).map(([tables, scopes]) => (whole: World) => ({
    ...whole,
    tables: shared(whole.tables ?? tables, tables),
    resourceScopes: shared(whole.resourceScopes, scopes),
  })),
);

function withApplication(
  whole: World,
  at: number,
  change: (application: World['applications'][number]) => Partial<World['applications'][number]>,
): World {
  const applications = whole.applications.map((each, index) =>
    index === at ? { ...each, ...change(each) } : each,
  );
  return { ...whole, applications };
}

const shared = (values: readonly string[], kept: readonly string[]): string[] =>
  values.filter((value) => kept.includes(value));
const least = (limit: number | undefined, other: number): number => Math.min(limit ?? other, other);

/** A world as the nouns that say so. */
export interface Nouns {
  readonly resource: Resource;
  readonly applications: readonly Application[];
  readonly user: User;
  readonly connection: Connection;
  readonly view: RoleView & {
    findResource(identifier: string): Promise<Resource | undefined>;
  };
}

const ORGANIZATION = randomUUID();
const APPLICATION_IDS = Array.from({ length: APPLICATIONS }, () => randomUUID());
const ROLE_IDS = Array.from({ length: ROLES }, () => randomUUID());
const USER = randomUUID();

/** An open catalogue declares those with columns too. */
function tablesOf({ tables = WITH_COLUMNS, columns }: World): Resource['tables'] {
  const declared = COLUMNS.filter(({ name }) => columns.includes(name));
  return tables.map((id) => ({ id, name: id, ...(WITH_COLUMNS.includes(id) && { columns: declared }) }));
}

/** @param now milliseconds: when the connection is made */
export function toNouns(whole: World, now: number): Nouns {
  const noun = { number: 1, version: 1, enabled: true, createdAt: now };
  const applications = whole.applications.map(({ ceiling, scopes, maxExchangeTtl }, index): Application => {
    const id = APPLICATION_IDS[index] as string;
    return {
      ...noun,
      ...newApplication(ORGANIZATION, `application-${index}`, id),
      scopes,
      ceilings: [
        { resource: RESOURCE, permissions: toStored(ceiling) },
        { resource: OTHER_RESOURCE, permissions: toStored(ceiling) },
      ],
      ...(maxExchangeTtl !== undefined && { maxExchangeTtl }),
    };
  });
  const user: User = {
    ...noun,
    ...newUser(ORGANIZATION, `application:${APPLICATION_IDS[0]}`, 'ann', []),
    id: USER,
    roles: whole.held.map((index) => ROLE_IDS[index] as string),
    attributes: whole.attributes,
  };
  const newOne = (identifier: string): Resource => ({
    ...noun,
    ...newResource(ORGANIZATION, identifier),
    id: randomUUID(),
    catalogue: whole.tables ? 'closed' : 'open',
    tables: tablesOf(whole),
    groups: [{ id: GROUP.slice(1), tables: whole.group }],
    scopes: whole.resourceScopes,
    ...(whole.ownsResource && { owner: user.id }),
  });
  const resources = new Map([RESOURCE, OTHER_RESOURCE].map((identifier) => [identifier, newOne(identifier)]));
  const roles = new Map(
    whole.roles.map((role, index): [string, Role] => [
      ROLE_IDS[index] as string,
      {
        ...noun,
        id: ROLE_IDS[index] as string,
        organization: ORGANIZATION,
        name: `role-${index}`,
        default: false,
        resource: RESOURCE,
        scopes: role.scopes,
        permissions: toStored(role.permissions),
      },
    ]),
  );
  const { lifetime, maxTokenTtl } = whole.connection;
  return {
    resource: resources.get(RESOURCE) as Resource,
    applications,
    user,
    connection: {
      ...noun,
      id: randomUUID(),
      organization: ORGANIZATION,
      name: 'site',
      application: APPLICATION_IDS[0] as string,
      resource: RESOURCE,
      scopes: whole.connection.scopes,
      permissions: toStored(whole.connection.permissions),
      secrets: [],
      networks: [],
      ...(whole.connection.isUsers && { owner: user.id }),
      ...(lifetime !== undefined && { expiresAt: now + lifetime * 1000 }),
      ...(maxTokenTtl !== undefined && { maxTokenTtl }),
    },
    view: {
      findRole: async (id) => roles.get(id),
      findOrganization: async () => undefined,
      findApplicationById: async () => undefined,
      findResource: async (identifier) => resources.get(identifier),
    },
  };
}
