/** The nouns that a path or a query names, as far as the actor may know of them. */

import { collectionOf } from '../../directory/collections.ts';
import { NotFound } from '../../errors/domain.ts';
import type { Nouns, OfOrganization, Organization } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { Row } from '../../permissions/column-limits.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import type { Actor } from '../rights/actor.ts';
import { isVisible, requireRowAccess } from '../rights/guards.ts';
import { createNames, rowOf, toObject } from './nouns/to-object.ts';

export interface Where {
  readonly actor: Actor;
  readonly organization: Organization;
}

/** Nouns that are addressed by their id below an organization. */
export type Addressed = OfOrganization;

/** Whether rows and nouns of that organization, or of none, are seen below the path of this one. */
export function isWithin({ organization }: Pick<Where, 'organization'>, id: string | undefined): boolean {
  return (id ?? MANAGEMENT_ID) === organization.id;
}

/** The rows of an organization; below the server's own one, those of all. */
export function isSeen(where: Where, organization: string): boolean {
  const isServer = where.organization.id === MANAGEMENT_ID && where.actor.organization === undefined;
  return isServer || isWithin(where, organization);
}

async function findRow<C extends Addressed>(
  collection: C,
  noun: Nouns[C],
  { organization }: Pick<Where, 'organization'>,
  store: DirectoryStore,
): Promise<Row> {
  return rowOf(await toObject(collection, noun, createNames(store)), organization);
}

/** @throws NotFound also for one that the actor may not read anything of */
export async function requireNoun<C extends Addressed>(
  collection: C,
  id: string,
  where: Where,
  { store }: { readonly store: DirectoryStore },
): Promise<Nouns[C]> {
  const noun = await collectionOf(store, collection).get(id);
  if (!noun || !isWithin(where, noun.organization)) throw new NotFound();
  if (!isVisible(where.actor, collection, await findRow(collection, noun, where, store)))
    throw new NotFound();
  return noun;
}

/**
 * One that may be changed in these members.
 * @throws NotFound; NotAllowed
 */
export async function requireChangeable<C extends Addressed>(
  collection: C,
  id: string,
  columns: readonly string[],
  where: Where,
  deps: { readonly store: DirectoryStore },
): Promise<Nouns[C]> {
  const noun = await requireNoun(collection, id, where, deps);
  const row = await findRow(collection, noun, where, deps.store);
  requireRowAccess(where.actor, collection, { action: 'update', row, columns });
  return noun;
}

/** One of which everything may be read. @throws NotFound; NotAllowed */
export async function requireReadable<C extends Addressed>(
  collection: C,
  id: string,
  where: Where,
  deps: { readonly store: DirectoryStore },
): Promise<Nouns[C]> {
  const noun = await requireNoun(collection, id, where, deps);
  const row = await findRow(collection, noun, where, deps.store);
  requireRowAccess(where.actor, collection, { action: 'read', row });
  return noun;
}
