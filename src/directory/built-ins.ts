/** The nouns of `nouns/built-in.ts`, found by id and by name as if the store kept them, and never in lists. */
import {
  adminResource,
  adminRole,
  isBuiltInRoleName,
  MANAGEMENT,
  parseAdminIdentifier,
  parseBuiltInId,
} from '../nouns/built-in.ts';
import type { Lookup } from './collections.ts';

type Looked = Pick<Lookup, 'organizations' | 'resources' | 'roles'>;

/**
 * Nothing is made of an organization until it is asked for. A stored noun goes before a built-in one of the same name, so
 * that what an older store has stays what it is.
 */
export function withBuiltIns<S extends Looked>(store: S, issuer: string): S {
  const { organizations, resources, roles }: Looked = store;

  const found: Looked = {
    organizations: {
      ...organizations,
      get: async (id) => (id === MANAGEMENT.id ? MANAGEMENT : organizations.get(id)),
      findBy: async (key, value) =>
        value === MANAGEMENT.name ? MANAGEMENT : organizations.findBy(key, value),
    },
    resources: {
      ...resources,
      async get(id) {
        const { kind, organization = '' } = parseBuiltInId(id) ?? {};
        const of = kind === 'resource' ? await found.organizations.get(organization) : undefined;
        return of ? adminResource(of, issuer) : resources.get(id);
      },
      async findBy(key, value) {
        const stored = await resources.findBy(key, value);
        if (stored || key !== 'identifier') return stored;
        const name = parseAdminIdentifier(value, issuer);
        const of = name === undefined ? undefined : await found.organizations.findBy('name', name);
        return of && adminResource(of, issuer);
      },
    },
    roles: {
      ...roles,
      async get(id) {
        const { kind = 'resource', organization = '' } = parseBuiltInId(id) ?? {};
        const of = kind === 'resource' ? undefined : await found.organizations.get(organization);
        return of && kind !== 'resource' ? adminRole(of, kind, issuer) : roles.get(id);
      },
      async findBy(key, value) {
        const stored = await roles.findBy(key, value);
        if (stored || key !== 'name') return stored;
        const [id = '', name = ''] = value.split('/', 2);
        if (!isBuiltInRoleName(name) || value !== `${id}/${name}`) return undefined;
        const of = await found.organizations.get(id);
        return of && adminRole(of, name, issuer);
      },
    },
  };
  return { ...store, ...found };
}
