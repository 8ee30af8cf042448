/** The nouns that a path or a query names, as far as the actor may know of them. */
import { collectionOf } from '../../directory/collections.ts';
import { NotFound } from '../../errors/domain.ts';
import type { CollectionName, Nouns, OfOrganization } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { RowAccess } from '../../permissions/verdicts.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import { type Guards, isVisible, requireRowAccess } from '../rights/guards.ts';
import { createNames, isOf, rowOf, toObject } from './nouns/to-object.ts';
import type { Where } from './operation.ts';

interface WithStore {
  readonly store: DirectoryStore;
}

/** The rows of an organization; below the server's own one, those of all. */
export function isSeen({ actor, organization: { id } }: Where, organization: string): boolean {
  const isServer = id === MANAGEMENT_ID && actor.organization === undefined;
  return isServer || organization === id;
}

/** Whether the actor may know of it is not asked. @throws NotFound also for one of another organization */
export async function findNoun<C extends CollectionName>(
  collection: C,
  id: string,
  { organization }: Pick<Where, 'organization'>,
  { store }: WithStore,
): Promise<Nouns[C]> {
  const noun = await collectionOf(store, collection).get(id);
  if (!noun || !isOf(collection, noun, organization)) throw new NotFound();
  return noun;
}

/**
 * One that the actor may read something of.
 * @param access that the actor must have to it, too: `update` with the members that change, `read` of everything
 * @throws NotFound; NotAllowed
 */
export async function requireNoun<C extends OfOrganization>(
  collection: C,
  id: string,
  where: Where,
  deps: WithStore,
  access?: Pick<RowAccess, 'action' | 'columns'>,
): Promise<Nouns[C]> {
  const noun = await findNoun(collection, id, where, deps);
  const row = rowOf(await toObject(collection, noun, createNames(deps.store)), where.organization);
  if (!isVisible(where.actor, collection, row)) throw new NotFound();
  if (access) requireRowAccess(where.actor, collection, { ...access, row });
  return noun;
}

/** One that the actor may change in these members, and whose rights the actor has. @throws also FreshLoginNeeded */
export async function requireControlled<C extends OfOrganization>(
  collection: C,
  id: string,
  columns: readonly string[],
  where: Where,
  deps: WithStore & { readonly guards: Pick<Guards, 'requireChange'> },
): Promise<Nouns[C]> {
  const noun = await requireNoun(collection, id, where, deps, { action: 'update', columns });
  await deps.guards.requireChange(where.actor, collection, noun, noun);
  return noun;
}
