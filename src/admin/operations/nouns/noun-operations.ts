/** What is done with nouns of each kind: listing, reading, making, changing and removing them. */
import { hashPasswords } from '../../../apply/apply.ts';
import { collectionOf } from '../../../directory/collections.ts';
import { NotFound } from '../../../errors/domain.ts';
import { MANAGEMENT } from '../../../nouns/built-in.ts';
import type { Nouns, Organization } from '../../../nouns/index.ts';
import { type PageOptions, VersionConflict } from '../../../storage/contract.ts';
import { defined } from '../../../storage/defined.ts';
import type { Actor } from '../../rights/actor.ts';
import { hiddenColumns, requireRowAccess, visiblePart } from '../../rights/guards.ts';
import type { OperationDeps } from '../deps.ts';
import type { Answer, Call, ListAnswer, PageQuery } from '../operation.ts';
import { findCreatedSecrets } from './created-secrets.ts';
import { describeEdit, describeRemovalOf, visibleOfDryRun } from './dry-run.ts';
import { planOne } from './edit.ts';
import type { JsonGroup } from './merge-patch.ts';
import type { ObjectCollection, ObjectOf } from './objects.ts';
import { createNames, isOf, type Names, rowOf, toObject } from './to-object.ts';

/** Nouns that one page looks at; beyond that it may be short and still have a next one. */
const LOOKED_AT = 1_000;

/** Of which nouns a list has all, beside the organization. */
export interface Among {
  readonly listed?: NonNullable<PageOptions['listed']>;
  /** The only one that it can have. */
  readonly id?: string;
  /** Whether what the actor sees of one tells that it is among them: a list must not tell more than its objects. */
  readonly isSeen?: (part: JsonGroup) => boolean;
}

function shown<C extends ObjectCollection>(
  actor: Actor,
  collection: C,
  object: ObjectOf<C>,
  organization: Organization,
): ObjectOf<C> | undefined {
  const part = visiblePart(actor, collection, rowOf(object, organization));
  if (!part) return undefined;
  return Object.fromEntries(
    Object.entries(part).filter(([key]) => Object.hasOwn(object, key)),
  ) as ObjectOf<C>;
}

/** @throws NotFound also for one of another organization, or that may not be read */
async function find<C extends ObjectCollection>(
  collection: C,
  id: string,
  organization: Organization,
  { store }: OperationDeps,
): Promise<Nouns[C]> {
  const noun = await collectionOf(store, collection).get(id);
  if (!noun || !isOf(collection, noun, organization)) throw new NotFound();
  return noun;
}

function withinOrganization(
  collection: ObjectCollection,
  { id }: Organization,
  among: Among,
): Pick<PageOptions, 'organization' | 'listed'> {
  if (collection === 'organizations') return {};
  if (collection === 'users' && id === MANAGEMENT.id) {
    return { listed: among.listed ?? { key: 'realm', value: 'management' } };
  }
  return { organization: id, ...defined({ listed: among.listed }) };
}

/** A page of what the actor may read; it may have fewer than `limit` and still a next one. */
export async function listNouns<C extends ObjectCollection>(
  collection: C,
  { actor, organization, query }: Pick<Call<string, PageQuery>, 'actor' | 'organization' | 'query'>,
  among: Among,
  deps: OperationDeps,
): Promise<Answer<ListAnswer<ObjectOf<C>>>> {
  const nouns = collectionOf(deps.store, collection);
  const names = createNames(deps.store);
  const items: ObjectOf<C>[] = [];
  const add = async (noun: Nouns[C]): Promise<void> => {
    const of = collection === 'organizations' ? (noun as Organization) : organization;
    if (collection !== 'organizations' && !isOf(collection, noun, of)) return;
    const object = shown(actor, collection, await toObject(collection, noun, names), of);
    if (object && (!among.isSeen || among.isSeen(object as JsonGroup))) items.push(object);
  };
  if (among.id !== undefined) {
    const noun = await nouns.get(among.id);
    if (noun) await add(noun);
    return { body: { items } };
  }
  let { after } = query;
  for (let looked = 0; looked < LOOKED_AT; ) {
    const limit = query.limit - items.length;
    const page = await nouns.page({
      limit,
      ...defined({ after }),
      ...withinOrganization(collection, organization, among),
    });
    for (const noun of page.items) await add(noun);
    looked += Math.max(limit, 1);
    after = page.next;
    if (after === undefined || items.length === query.limit) break;
  }
  return { body: { items, ...defined({ next: after }) } };
}

export async function readNoun<C extends ObjectCollection>(
  collection: C,
  id: string,
  { actor, organization }: Pick<Call, 'actor' | 'organization'>,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const noun = await find(collection, id, organization, deps);
  const object = await toObject(collection, noun, createNames(deps.store));
  const part = shown(actor, collection, object, organization);
  if (!part) throw new NotFound();
  return { body: part, version: noun.version };
}

async function answerFor<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  { actor, organization }: Pick<Call, 'actor' | 'organization'>,
  names: Names,
): Promise<{ body: ObjectOf<C>; version: number }> {
  const { version, id } = noun;
  const object = await toObject(collection, noun, names);
  const of = collection === 'organizations' ? (noun as Organization) : organization;
  // Who may write it and not read it learns what it takes to speak of it again.
  const part = shown(actor, collection, object, of) ?? ({ id, version } as unknown as ObjectOf<C>);
  return { body: part, version };
}

export async function createNoun<C extends ObjectCollection>(
  collection: C,
  call: Pick<Call, 'actor' | 'organization' | 'dryRun' | 'reserved' | 'body'>,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const { actor, organization, reserved, dryRun } = call;
  const body = call.body as JsonGroup;
  const names = createNames(deps.store);
  const nouns = collectionOf(deps.store, collection);
  const earlier = await nouns.get(reserved.id);
  const location = (id: string) => locationOf(collection, id, organization, body);
  const judge = async (after: Nouns[C], touched: readonly string[]): Promise<void> => {
    const of = collection === 'organizations' ? (after as Organization) : organization;
    const row = rowOf(await toObject(collection, after, names), of);
    requireRowAccess(actor, collection, { action: 'create', row, columns: touched });
    await deps.guards.requireChange(actor, collection, undefined, after);
  };
  if (earlier) {
    // Rights may have ended since the first attempt.
    await judge(earlier, Object.keys(body));
    const { body: object, version } = await answerFor(collection, earlier, call, names);
    const secrets = findCreatedSecrets(collection, earlier, body, reserved);
    return { body: { ...object, ...secrets }, version, location: location(earlier.id) };
  }
  const edited = await planOne({ collection, organization, reserved, body, judge }, names, deps);
  const { step } = edited;
  if (!step) throw new Error('a noun that is made has a step');
  if (dryRun) return { wouldDo: await describeEdit(collection, undefined, edited, deps) };
  await hashPasswords([step], deps);
  const made = await deps.changes[collection].create(step.after as never, authorOf(actor));
  const { body: object, version } = await answerFor(collection, made as Nouns[C], call, names);
  const secrets = findCreatedSecrets(collection, made as Nouns[C], body, reserved);
  return { body: { ...object, ...secrets }, version, location: location(made.id) };
}

function locationOf(
  collection: ObjectCollection,
  id: string,
  organization: Organization,
  body: JsonGroup,
): string {
  return collection === 'organizations'
    ? `/organizations/${String(body.name)}`
    : `/organizations/${organization.name}/${collection}/${id}`;
}

/** What an operator's file does not list is not removed by the next one. */
function authorOf({ author }: Actor) {
  return { ...author, managedBy: 'api' } as const;
}

/** @throws VersionConflict when it has another version than the request names */
function requireVersion({ version }: { readonly version: number }, wanted: number | undefined): void {
  if (wanted !== undefined && wanted !== version) {
    throw new VersionConflict(`it has version ${version}`);
  }
}

export async function changeNoun<C extends ObjectCollection>(
  collection: C,
  id: string,
  call: Pick<Call, 'actor' | 'organization' | 'dryRun' | 'reserved' | 'body' | 'version'>,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const { actor, organization, reserved, dryRun } = call;
  const names = createNames(deps.store);
  const before = await find(collection, id, organization, deps);
  const row = rowOf(await toObject(collection, before, names), organization);
  const body = call.body as JsonGroup;
  // Whether a hidden member has a value already must not show in how a change to it is answered.
  const hidden = hiddenColumns(actor, collection, row, Object.keys(body));
  requireRowAccess(actor, collection, { action: 'update', row, columns: hidden });
  requireVersion(before, call.version);
  const judge = async (wanted: Nouns[C], touched: readonly string[]): Promise<void> => {
    const after = rowOf(await toObject(collection, wanted, names), organization);
    const changes = Object.fromEntries(touched.map((key) => [key, after[key]]));
    requireRowAccess(actor, collection, { action: 'update', row, changes });
    await deps.guards.requireChange(actor, collection, before, wanted);
  };
  const edited = await planOne({ collection, organization, reserved, before, body, judge }, names, deps);
  const { step } = edited;
  if (dryRun) {
    const described = await describeEdit(collection, before, edited, deps);
    return { wouldDo: await visibleOfDryRun(described, { actor, table: collection, row }, deps) };
  }
  if (!step) return answerFor(collection, before, call, names);
  await hashPasswords([step], deps);
  const after = (await deps.changes[collection].replace(step.after as never, authorOf(actor))) as Nouns[C];
  return answerFor(collection, after, call, createNames(deps.store));
}

export async function removeNoun<C extends ObjectCollection>(
  collection: C,
  id: string,
  { actor, organization, dryRun, version }: Pick<Call, 'actor' | 'organization' | 'dryRun' | 'version'>,
  deps: OperationDeps,
): Promise<Answer<never>> {
  const before = await find(collection, id, organization, deps);
  const row = rowOf(await toObject(collection, before, createNames(deps.store)), organization);
  requireRowAccess(actor, collection, { action: 'delete', row });
  requireVersion(before, version);
  await deps.guards.requireChange(actor, collection, before, undefined);
  if (dryRun) {
    const described = await describeRemovalOf(collection, before, deps);
    return { wouldDo: await visibleOfDryRun(described, { actor, table: collection, row }, deps) };
  }
  await deps.changes[collection].remove(before, authorOf(actor));
  return {};
}
