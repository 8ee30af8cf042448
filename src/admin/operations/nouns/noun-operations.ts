/** What is done with nouns of each kind: listing, reading, making, changing and removing them. */
import { isDeepStrictEqual } from 'node:util';
import { hashPasswords } from '../../../apply/apply.ts';
import { collectionOf } from '../../../directory/collections.ts';
import { NotFound } from '../../../errors/domain.ts';
import { MANAGEMENT } from '../../../nouns/built-in.ts';
import type { Nouns, Organization } from '../../../nouns/index.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import { type PageOptions, VersionConflict } from '../../../storage/contract.ts';
import { defined } from '../../../storage/defined.ts';
import type { Actor } from '../../rights/actor.ts';
import {
  hiddenColumns,
  RESPELLED,
  requireMayCreate,
  requireRowAccess,
  visiblePart,
} from '../../rights/guards.ts';
import type { OperationDeps } from '../deps.ts';
import type { Answer, Call, ListAnswer, PageQuery, Where } from '../operation.ts';
import { findNoun } from '../path-nouns.ts';
import { findVisible } from '../visible-pages.ts';
import { findCreatedSecrets } from './created-secrets.ts';
import { describeEdit, describeRemovalOf, visibleOfDryRun } from './dry-run.ts';
import { planOne } from './edit.ts';
import { mergePatch } from './merge-patch.ts';
import type { ObjectCollection, ObjectOf } from './objects.ts';
import { createNames, isOf, type Names, rowOf, toObject } from './to-object.ts';

/** Of which nouns a list has all, beside the organization. */
export interface Among {
  readonly listed?: NonNullable<PageOptions['listed']>;
  /** The only one that it can have. */
  readonly id?: string;
  /** Whether what the actor sees of one tells that it is among them: a list must not tell more than its objects. */
  readonly isSeen?: (part: JsonObject) => boolean;
}

/** An organization is its own. */
function ownerOf<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  { organization }: Pick<Where, 'organization'>,
) {
  return collection === 'organizations' ? (noun as Organization) : organization;
}

async function toRow<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  where: Pick<Where, 'organization'>,
  names: Names,
): Promise<JsonObject> {
  return rowOf(await toObject(collection, noun, names), ownerOf(collection, noun, where));
}

/** @returns undefined if the actor may read nothing of it */
async function show<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  where: Where,
  names: Names,
): Promise<ObjectOf<C> | undefined> {
  const object = await toObject(collection, noun, names);
  const part = visiblePart(where.actor, collection, rowOf(object, ownerOf(collection, noun, where)));
  if (!part) return undefined;
  const members = Object.entries(part).filter(([key]) => Object.hasOwn(object, key));
  return Object.fromEntries(members) as ObjectOf<C>;
}

function withinOrganization(
  collection: ObjectCollection,
  { id }: Organization,
  { listed }: Among,
): Pick<PageOptions, 'organization' | 'listed'> {
  if (collection === 'organizations') return {};
  if (collection === 'users' && id === MANAGEMENT.id) {
    return { listed: listed ?? { key: 'realm', value: 'management' } };
  }
  return { organization: id, ...defined({ listed }) };
}

/** A page of what the actor may read; it may have fewer than `limit` and still a next one. */
export async function listNouns<C extends ObjectCollection>(
  collection: C,
  call: Where & { readonly query: PageQuery },
  among: Among,
  { store }: OperationDeps,
): Promise<Answer<ListAnswer<ObjectOf<C>>>> {
  const nouns = collectionOf(store, collection);
  const names = createNames(store);
  const within = withinOrganization(collection, call.organization, among);
  async function read(page: PageQuery) {
    if (among.id === undefined) return nouns.page({ ...page, ...within });
    const only = await nouns.get(among.id);
    return { items: only ? [only] : [] };
  }
  async function toVisible(found: readonly Nouns[C][]): Promise<ObjectOf<C>[]> {
    const own = found.filter((noun) => isOf(collection, noun, ownerOf(collection, noun, call)));
    const parts = await Promise.all(own.map((noun) => show(collection, noun, call, names)));
    return parts.filter(
      (part) => part !== undefined && (among.isSeen?.(part as JsonObject) ?? true),
    ) as ObjectOf<C>[];
  }
  return { body: await findVisible(call.query, read, toVisible) };
}

export async function readNoun<C extends ObjectCollection>(
  collection: C,
  id: string,
  where: Where,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const noun = await findNoun(collection, id, where, deps);
  const body = await show(collection, noun, where, createNames(deps.store));
  if (!body) throw new NotFound();
  return { body, version: noun.version };
}

async function answerFor<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  where: Where,
  names: Names,
): Promise<{ body: ObjectOf<C>; version: number }> {
  const { version, id } = noun;
  const part = await show(collection, noun, where, names);
  // Who may write it and not read it learns what it takes to speak of it again.
  return { body: part ?? ({ id, version } as unknown as ObjectOf<C>), version };
}

export async function createNoun<C extends ObjectCollection>(
  collection: C,
  call: Where & Pick<Call, 'dryRun' | 'reserved' | 'body'>,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const { actor, organization, reserved, dryRun } = call;
  const body = call.body as JsonObject;
  const names = createNames(deps.store);
  async function judge(after: Nouns[C], touched: readonly string[]): Promise<void> {
    const row = await toRow(collection, after, call, names);
    requireRowAccess(actor, collection, { action: 'create', row, columns: touched });
    await deps.guards.requireChange(actor, collection, undefined, after);
  }
  async function answer(noun: Nouns[C]): Promise<Answer<ObjectOf<C>>> {
    const { body: object, version } = await answerFor(collection, noun, call, names);
    const secrets = findCreatedSecrets(collection, noun, body, reserved);
    const { name } = ownerOf(collection, noun, call);
    const below = collection === 'organizations' ? '' : `/${collection}/${noun.id}`;
    const location = `/organizations/${name}${below}`;
    return { body: { ...object, ...secrets }, version, location };
  }
  const earlier = await collectionOf(deps.store, collection).get(reserved.id);
  if (earlier) {
    // Rights may have ended since the first attempt.
    await judge(earlier, Object.keys(body));
    return answer(earlier);
  }
  requireMayCreate(actor, collection, body);
  const edited = await planOne({ collection, organization, reserved, body, judge }, names, deps);
  const { step } = edited;
  if (!step) throw new Error('a noun that is made has a step');
  if (dryRun) return { wouldDo: await describeEdit(collection, undefined, edited, deps) };
  await hashPasswords([step], deps);
  return answer((await deps.changes[collection].create(step.after as never, authorOf(actor))) as Nouns[C]);
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

/** Of a patch, the members that get another value, whatever a plan makes of it. */
function plainChanges(row: JsonObject, patch: JsonObject): JsonObject {
  const merged = mergePatch(row, patch) as JsonObject;
  const isChanged = (key: string): boolean =>
    Object.hasOwn(merged, key) && !RESPELLED.has(key) && !isDeepStrictEqual(merged[key], row[key]);
  return Object.fromEntries(
    Object.keys(patch).flatMap((key) => (isChanged(key) ? [[key, merged[key]]] : [])),
  );
}

export async function changeNoun<C extends ObjectCollection>(
  collection: C,
  id: string,
  call: Where & Pick<Call, 'dryRun' | 'reserved' | 'body' | 'version'>,
  deps: OperationDeps,
): Promise<Answer<ObjectOf<C>>> {
  const { actor, organization, reserved, dryRun } = call;
  const names = createNames(deps.store);
  const before = await findNoun(collection, id, call, deps);
  const row = await toRow(collection, before, call, names);
  const body = call.body as JsonObject;
  // Whether a hidden member has a value already must not show in how a change to it is answered.
  const hidden = hiddenColumns(actor, collection, row, Object.keys(body));
  requireRowAccess(actor, collection, { action: 'update', row, columns: hidden });
  requireVersion(before, call.version);
  // The problems of a plan tell of other objects, so what the request says by itself is judged before.
  const changed = plainChanges(row, body);
  if (Object.keys(changed).length > 0) {
    requireRowAccess(actor, collection, { action: 'update', row, changes: changed });
  }
  async function judge(wanted: Nouns[C], touched: readonly string[]): Promise<void> {
    const after = rowOf(await toObject(collection, wanted, names), organization);
    const changes = Object.fromEntries(touched.map((key) => [key, after[key]]));
    requireRowAccess(actor, collection, { action: 'update', row, changes });
    await deps.guards.requireChange(actor, collection, before, wanted);
  }
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
  call: Where & Pick<Call, 'dryRun' | 'version'>,
  deps: OperationDeps,
): Promise<Answer<never>> {
  const { actor } = call;
  const before = await findNoun(collection, id, call, deps);
  const row = await toRow(collection, before, call, createNames(deps.store));
  requireRowAccess(actor, collection, { action: 'delete', row });
  requireVersion(before, call.version);
  await deps.guards.requireChange(actor, collection, before, undefined);
  if (call.dryRun) {
    const described = await describeRemovalOf(collection, before, deps);
    return { wouldDo: await visibleOfDryRun(described, { actor, table: collection, row }, deps) };
  }
  await deps.changes[collection].remove(before, authorOf(actor));
  return {};
}
