/** Five operations for each kind of noun: listing, making, reading, changing and removing. */
import { z } from 'zod';
import { declarationOf } from '../../../nouns/index.ts';
import { type Declared, defineOperation, type ListAnswer, type PageQuery } from '../operation.ts';
import { pageOf, pageQuery } from '../shapes.ts';
import type { CreatedSecrets } from './created-secrets.ts';
import { filters, findAmong } from './filters.ts';
import { changeNoun, createNoun, listNouns, readNoun, removeNoun } from './noun-operations.ts';
import {
  createdSecrets,
  entries,
  type ObjectCollection,
  type ObjectOf,
  objects,
  type PatchOf,
  patchOf,
} from './objects.ts';

type OfOrganization = Exclude<ObjectCollection, 'organizations'>;

/** By the names that paths have for one of them. */
const SINGULAR = {
  resources: 'resource',
  roles: 'role',
  applications: 'application',
  users: 'user',
  connections: 'connection',
  datasources: 'datasource',
  webhooks: 'webhook',
} as const satisfies { readonly [C in OfOrganization]: string };

function queryOf<C extends ObjectCollection>(collection: C) {
  const given = Object.keys(filters[collection]);
  return z
    .strictObject({ ...pageQuery, ...filters[collection] })
    .refine(
      (query) => given.filter((key) => (query as Record<string, unknown>)[key] !== undefined).length < 2,
      {
        message: `has several of ${given.join(', ')}: give one`,
      },
    );
}

function splitQuery(query: object): { readonly page: PageQuery; readonly given: Record<string, string> } {
  const { after, limit, ...given } = query as PageQuery & Record<string, string>;
  return { page: { limit, ...(after !== undefined && { after }) }, given: given as Record<string, string> };
}

function createdOf<C extends ObjectCollection>(collection: C) {
  const secrets = createdSecrets[collection as keyof typeof createdSecrets] ?? {};
  return z.strictObject({ ...objects[collection].shape, ...secrets }) as unknown as (typeof objects)[C];
}

type One<C extends OfOrganization> = (typeof SINGULAR)[C];
type Shown<C extends ObjectCollection> = z.ZodType<unknown, ObjectOf<C>>;
type Patch<C extends ObjectCollection> = z.ZodType<unknown, PatchOf<z.input<(typeof entries)[C]>>>;
type QueryInput<C extends ObjectCollection> = { readonly after?: string; readonly limit?: number } & {
  readonly [K in keyof (typeof filters)[C]]?: string;
};
type Query<C extends ObjectCollection> = z.ZodType<unknown, QueryInput<C>>;
type List<C extends ObjectCollection> = z.ZodType<unknown, ListAnswer<ObjectOf<C>>>;
type Created<C extends ObjectCollection> = z.ZodType<unknown, ObjectOf<C> & CreatedSecrets>;

/** Five operations below the path of one of them. */
type Five<Name extends ObjectCollection, All extends string, Single extends string> = readonly [
  Declared<`${Name}.list`, 'GET', All, { readonly query: Query<Name>; readonly result: List<Name> }>,
  Declared<
    `${Name}.create`,
    'POST',
    All,
    {
      readonly body: (typeof entries)[Name];
      readonly result: Created<Name>;
      readonly creates: true;
      readonly mayDryRun: true;
    }
  >,
  Declared<`${Name}.get`, 'GET', Single, { readonly result: Shown<Name> }>,
  Declared<
    `${Name}.change`,
    'PATCH',
    Single,
    {
      readonly body: Patch<Name>;
      readonly result: Shown<Name>;
      readonly conditional: true;
      readonly mayDryRun: true;
    }
  >,
  Declared<`${Name}.remove`, 'DELETE', Single, { readonly conditional: true; readonly mayDryRun: true }>,
];

type OnNouns<C extends OfOrganization> = Five<
  C,
  `/organizations/{organization}/${C}`,
  `/organizations/{organization}/${C}/{${One<C>}}`
>;

function nounOperations<const C extends OfOrganization>(collection: C): OnNouns<C> {
  const { singular } = declarationOf(collection);
  const aSingular = `${/^[aeio]/.test(singular) ? 'an' : 'a'} ${singular}`;
  const one = SINGULAR[collection];
  const [entry, object, query] = [entries[collection], objects[collection], queryOf(collection)];
  const all = `/organizations/{organization}/${collection}` as const;
  const single = `/organizations/{organization}/${collection}/{${one}}` as const;
  const idIn = (parameters: Readonly<Record<string, string>>): string => parameters[one] as string;
  return [
    defineOperation(
      {
        id: `${collection}.list`,
        method: 'GET',
        path: all,
        summary: `Lists ${collection} of an organization, in the order in which they were made.`,
        needs: { table: collection, action: 'read' },
        query,
        result: pageOf(object),
      },
      async (call, deps) => {
        const { page, given } = splitQuery(call.query as object);
        const among = await findAmong(collection, call.organization, given, deps);
        return listNouns(collection, { ...call, query: page }, among, deps) as never;
      },
    ),
    defineOperation(
      {
        id: `${collection}.create`,
        method: 'POST',
        path: all,
        summary: `Makes ${aSingular}.`,
        needs: { table: collection, action: 'create' },
        body: entry,
        result: createdOf(collection),
        status: 201,
        creates: true,
        mayDryRun: true,
      },
      (call, deps) => createNoun(collection, call, deps) as never,
    ),
    defineOperation(
      {
        id: `${collection}.get`,
        method: 'GET',
        path: single,
        summary: `Reads ${aSingular}.`,
        needs: { table: collection, action: 'read' },
        result: object,
      },
      (call, deps) => readNoun(collection, idIn(call.parameters), call, deps) as never,
    ),
    defineOperation(
      {
        id: `${collection}.change`,
        method: 'PATCH',
        path: single,
        summary: `Changes ${aSingular} by a JSON Merge Patch (RFC 7396).`,
        needs: { table: collection, action: 'update' },
        body: patchOf(entry),
        result: object,
        conditional: true,
        mayDryRun: true,
      },
      (call, deps) => changeNoun(collection, idIn(call.parameters), call, deps) as never,
    ),
    defineOperation(
      {
        id: `${collection}.remove`,
        method: 'DELETE',
        path: single,
        summary: `Removes ${aSingular} with all that belongs to it; its tokens end.`,
        needs: { table: collection, action: 'delete' },
        status: 204,
        conditional: true,
        mayDryRun: true,
      },
      (call, deps) => removeNoun(collection, idIn(call.parameters), call, deps) as never,
    ),
  ] as unknown as OnNouns<C>;
}

const organizationOperations: Five<'organizations', '/organizations', '/organizations/{organization}'> = [
  defineOperation(
    {
      id: 'organizations.list',
      method: 'GET',
      path: '/organizations',
      summary: 'Lists the organizations of the server, in the order in which they were made.',
      needs: { table: 'organizations', action: 'read' },
      query: queryOf('organizations'),
      result: pageOf(objects.organizations),
    },
    async (call, deps) => {
      const { page, given } = splitQuery(call.query);
      const among = await findAmong('organizations', call.organization, given, deps);
      return listNouns('organizations', { ...call, query: page }, among, deps);
    },
  ),
  defineOperation(
    {
      id: 'organizations.create',
      method: 'POST',
      path: '/organizations',
      summary: 'Makes an organization.',
      needs: { table: 'organizations', action: 'create' },
      body: entries.organizations,
      result: objects.organizations,
      status: 201,
      creates: true,
      mayDryRun: true,
    },
    (call, deps) => createNoun('organizations', call, deps),
  ),
  defineOperation(
    {
      id: 'organizations.get',
      method: 'GET',
      path: '/organizations/{organization}',
      summary: 'Reads an organization.',
      needs: { table: 'organizations', action: 'read' },
      result: objects.organizations,
    },
    (call, deps) => readNoun('organizations', call.organization.id, call, deps),
  ),
  defineOperation(
    {
      id: 'organizations.change',
      method: 'PATCH',
      path: '/organizations/{organization}',
      summary: 'Changes an organization by a JSON Merge Patch (RFC 7396).',
      needs: { table: 'organizations', action: 'update' },
      body: patchOf(entries.organizations),
      result: objects.organizations,
      conditional: true,
      mayDryRun: true,
    },
    (call, deps) => changeNoun('organizations', call.organization.id, call, deps),
  ),
  defineOperation(
    {
      id: 'organizations.remove',
      method: 'DELETE',
      path: '/organizations/{organization}',
      summary: 'Removes an organization with all that belongs to it; its tokens end.',
      needs: { table: 'organizations', action: 'delete' },
      status: 204,
      conditional: true,
      mayDryRun: true,
    },
    (call, deps) => removeNoun('organizations', call.organization.id, call, deps),
  ),
] as never;

/** All of them. */
export const operationsOnNouns: readonly [
  ...typeof organizationOperations,
  ...OnNouns<'resources'>,
  ...OnNouns<'roles'>,
  ...OnNouns<'applications'>,
  ...OnNouns<'users'>,
  ...OnNouns<'connections'>,
  ...OnNouns<'datasources'>,
  ...OnNouns<'webhooks'>,
] = [
  ...organizationOperations,
  ...nounOperations('resources'),
  ...nounOperations('roles'),
  ...nounOperations('applications'),
  ...nounOperations('users'),
  ...nounOperations('connections'),
  ...nounOperations('datasources'),
  ...nounOperations('webhooks'),
];
