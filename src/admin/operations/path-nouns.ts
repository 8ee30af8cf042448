/** The nouns that a path or a query names, as far as the actor may know of them. */

import { collectionOf } from '../../directory/collections.ts';
import { NotFound } from '../../errors/domain.ts';
import type { Nouns, OfOrganization, Organization, User } from '../../nouns/index.ts';
import { nameOf } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import { applicationOf } from '../../nouns/values.ts';
import type { Row } from '../../permissions/column-limits.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import type { Actor } from '../rights/actor.ts';
import { isVisible, requireRowAccess } from '../rights/guards.ts';

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

/** As rights compare it. */
async function rowOf(
  noun: Nouns[Addressed],
  { organization }: Pick<Where, 'organization'>,
  store: DirectoryStore,
): Promise<Row> {
  const { application, realm } = noun as { readonly application?: string; readonly realm?: User['realm'] };
  const id = application ?? (realm && applicationOf(realm));
  const of = id === undefined ? undefined : await store.applications.get(id);
  return { ...noun, [keyOf(noun)]: nameOf(noun), organization: organization.name, application: of?.name };
}

const keyOf = (noun: Nouns[Addressed]): string =>
  'username' in noun ? 'username' : 'identifier' in noun ? 'identifier' : 'name';

/** @throws NotFound also for one that the actor may not read anything of */
export async function requireNoun<C extends Addressed>(
  collection: C,
  id: string,
  where: Where,
  { store }: { readonly store: DirectoryStore },
): Promise<Nouns[C]> {
  const noun = await collectionOf(store, collection).get(id);
  if (!noun || !isWithin(where, noun.organization)) throw new NotFound();
  if (!isVisible(where.actor, collection, await rowOf(noun, where, store))) throw new NotFound();
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
  const row = await rowOf(noun, where, deps.store);
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
  requireRowAccess(where.actor, collection, { action: 'read', row: await rowOf(noun, where, deps.store) });
  return noun;
}
