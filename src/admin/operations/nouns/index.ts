/** Five operations for each kind of noun: listing, making, reading, changing and removing. */
import { z } from 'zod';
import { declarationOf, type OfOrganization } from '../../../nouns/index.ts';
import { type Call, type Declared, defineOperation, type ListAnswer, type PageQuery } from '../operation.ts';
import { pageOf, pageQuery } from '../shapes.ts';
import type { CreatedSecrets } from './created-secrets.ts';
import { filters, findAmong, type Given } from './filters.ts';
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

function createdOf<C extends ObjectCollection>(collection: C) {
  if (collection === 'organizations') return objects[collection];
  const secrets = createdSecrets[collection as keyof typeof createdSecrets] ?? {};
  return z.strictObject({ ...objects[collection].shape, ...secrets }) as unknown as (typeof objects)[C];
}

/** What paths call one of them. */
type One<C extends OfOrganization> = C extends `${infer Singular}s` ? Singular : never;
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

interface Paths {
  readonly all: string;
  readonly single: string;
}

/** @param of what `list` lists @param idOf of the one that a path names */
function fiveOperations<C extends ObjectCollection>(
  collection: C,
  { all, single }: Paths,
  of: string,
  idOf: (call: Pick<Call, 'organization' | 'parameters'>) => string,
) {
  const { singular } = declarationOf(collection);
  const aSingular = `${/^[aeio]/.test(singular) ? 'an' : 'a'} ${singular}`;
  const [entry, object] = [entries[collection], objects[collection]];
  return [
    defineOperation(
      {
        id: `${collection}.list`,
        method: 'GET',
        path: all,
        summary: `Lists ${of}, in the order in which they were made.`,
        needs: { table: collection, action: 'read' },
        query: queryOf(collection),
        result: pageOf(object),
      },
      async (call, deps) => {
        const query = call.query as PageQuery & Given;
        const among = await findAmong(collection, call.organization, query, deps);
        return listNouns(collection, { ...call, query }, among, deps) as never;
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
      (call, deps) => readNoun(collection, idOf(call), call, deps) as never,
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
      (call, deps) => changeNoun(collection, idOf(call), call, deps) as never,
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
      (call, deps) => removeNoun(collection, idOf(call), call, deps) as never,
    ),
  ];
}

function nounOperations<C extends OfOrganization>(collection: C): OnNouns<C> {
  const one = declarationOf(collection).singular;
  const all = `/organizations/{organization}/${collection}`;
  const paths = { all, single: `${all}/{${one}}` };
  const idOf = ({ parameters }: Pick<Call, 'parameters'>): string => parameters[one] as string;
  return fiveOperations(collection, paths, `${collection} of an organization`, idOf) as never;
}

const organizationOperations: Five<'organizations', '/organizations', '/organizations/{organization}'> =
  fiveOperations(
    'organizations',
    { all: '/organizations', single: '/organizations/{organization}' },
    'the organizations of the server',
    ({ organization }) => organization.id,
  ) as never;

/** All of them. */
export const operationsOnNouns = [
  ...organizationOperations,
  ...nounOperations('resources'),
  ...nounOperations('roles'),
  ...nounOperations('applications'),
  ...nounOperations('users'),
  ...nounOperations('connections'),
  ...nounOperations('datasources'),
  ...nounOperations('webhooks'),
] as const;
