/**
 * The nouns that others name, disabled ones too: those of the store, or those of the store after changes that are planned.
 */
import type { Application, Organization, Resource, Role, User } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';

export interface Lookup {
  findOrganization(id: string): Promise<Organization | undefined>;
  findApplication(id: string): Promise<Application | undefined>;
  findRole(id: string): Promise<Role | undefined>;
  findResource(identifier: string): Promise<Resource | undefined>;
  findUser(id: string): Promise<User | undefined>;
  /** @param name canonical, within its realm: `realm/name` */
  findUserNamed(key: 'username' | 'email', name: string): Promise<User | undefined>;
}

export function createLookup(store: DirectoryStore): Lookup {
  return {
    findOrganization: (id) => store.organizations.get(id),
    findApplication: (id) => store.applications.get(id),
    findRole: (id) => store.roles.get(id),
    findResource: (identifier) => store.resources.findBy('identifier', identifier),
    findUser: (id) => store.users.get(id),
    findUserNamed: (key, name) => store.users.findBy(key, name),
  };
}
