/** Changes that could take over a server or an organization, and changes that give no party any right. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { type CollectionName, declarationOf, fieldOf, type Nouns, type Resource } from '../../nouns/index.ts';
import { secretsIn, structureOf } from '../../nouns/structure.ts';
import type { Reach } from '../../rights/reach.ts';

/** Beside the secrets that a noun declares: what stands for one, and which host a password is sent to. */
const ALSO: { readonly [C in CollectionName]?: readonly string[] } = {
  applications: ['jwks', 'authMethod'],
  datasources: ['server', 'file', 'kind'],
};

/** A new application or connection gives its maker nothing that was there before; a new datasource leads to a host. */
const WHEN_NEW: ReadonlySet<CollectionName> = new Set(['datasources']);

function touchesSecrets<C extends CollectionName>(
  collection: C,
  before: Nouns[C] | undefined,
  after: Nouns[C] | undefined,
): boolean {
  // What a person may do is what their password is worth, and is judged by that.
  if (collection === 'users' || !after) return false;
  if (!before) return WHEN_NEW.has(collection);
  return Object.entries(declarationOf(collection).fields).some(([name, { secret, value }]) => {
    const isSecret = secret || ALSO[collection]?.includes(name) || secretsIn(structureOf(value)).length > 0;
    return isSecret && !isDeepStrictEqual(fieldOf(before, name), fieldOf(after, name));
  });
}

function reachesAdministration({ server, organizations, resources }: Reach): boolean {
  return (
    server ||
    organizations.size > 0 ||
    [...resources.values()].some(({ administers }) => administers !== undefined)
  );
}

/** @param reached by the noun before and after the change */
export function isDangerous<C extends CollectionName>(
  collection: C,
  before: Nouns[C] | undefined,
  after: Nouns[C] | undefined,
  reached: Reach,
): boolean {
  return touchesSecrets(collection, before, after) || reachesAdministration(reached);
}

/** By these, rights that others hold come to mean more, or the database of a neighbour is opened. */
const OF_RIGHTS = ['owner', 'registeredBy', 'groups'] as const satisfies readonly (keyof Resource)[];

/** Whether a change gives no party any right, and nothing to take over what it changes. */
export function isPlainChange<C extends CollectionName>(
  collection: C,
  before: Nouns[C] | undefined,
  after: Nouns[C] | undefined,
): boolean {
  if (collection === 'resources') return isPlainForResource(before as Resource, after as Resource);
  if (collection !== 'users' || !before || !after) return false;
  const differing = Object.keys(declarationOf(collection).fields).filter(
    (name) => !isDeepStrictEqual(fieldOf(before, name), fieldOf(after, name)),
  );
  // What a person is called decides nothing. Without a difference the person is judged, and not a change.
  return differing.length === 1 && differing[0] === 'displayName';
}

/**
 * Tables, scopes and columns give nothing until a role or a ceiling names them, and taking them away narrows. A resource
 * that is enabled again gives all rights back that parties had to it.
 */
function isPlainForResource(before: Resource | undefined, after: Resource | undefined): boolean {
  if (!after) return true;
  const { token, ...was } = before ?? ({} as Partial<Resource>);
  const comesBack = was.enabled === false && after.enabled;
  return (
    !comesBack &&
    OF_RIGHTS.every((field) => isDeepStrictEqual(was[field], after[field])) &&
    isDeepStrictEqual(token?.claimMap, after.token.claimMap)
  );
}
