/** Rights over the administration of the server that are limited to an organization: they name it, and end with it. */
import { collectionOf, eachNoun } from '../directory/collections.ts';
import { adminIdentifier, isBuiltIn, MANAGEMENT } from '../nouns/built-in.ts';
import type { Nouns } from '../nouns/index.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { withoutOrganization } from '../rights/administration.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** Lists of `management` whose nouns have rights. */
export const WITH_RIGHTS = ['roles', 'applications', 'connections'] as const;

interface Rights {
  readonly resource: string;
  readonly permissions: StoredPermissions;
}

/** @returns the same object if nothing in it changes */
type Narrow = <T extends Rights>(rights: T) => T;

const narrowing: {
  readonly [C in (typeof WITH_RIGHTS)[number]]: (noun: Nouns[C], narrow: Narrow) => Nouns[C];
} = {
  roles: (role, narrow) => narrow(role),
  connections: (connection, narrow) => narrow(connection),
  applications: (application, narrow) => {
    const ceilings = application.ceilings.map(narrow);
    const isSame = ceilings.every((ceiling, index) => ceiling === application.ceilings[index]);
    return isSame ? application : { ...application, ceilings };
  },
};

/** Gives those that change, as they are without rights that are limited to the organization of this name. */
export async function* nounsWithout<C extends (typeof WITH_RIGHTS)[number]>(
  collection: C,
  name: string,
  store: DirectoryStore,
  issuer: string,
): AsyncGenerator<Nouns[C]> {
  const administration = adminIdentifier(MANAGEMENT, issuer);
  const narrow: Narrow = (rights) => {
    if (rights.resource !== administration) return rights;
    const before = fromStored(rights.permissions);
    const left = withoutOrganization(before, name);
    return left === before ? rights : { ...rights, permissions: toStored(left) };
  };
  for await (const noun of eachNoun(collectionOf(store, collection), MANAGEMENT.id)) {
    const left = narrowing[collection](noun, narrow);
    if (left !== noun && !isBuiltIn(noun)) yield left;
  }
}
