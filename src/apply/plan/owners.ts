/** A file may not take the last owner of an organization, or of the server. */
import { findLostOwnerships, LastOwner, lostOwnerships, requireOwners } from '../../changes/owners.ts';
import type { User } from '../../nouns/index.ts';
import type { DirectoryStore, PageOptions } from '../../storage/contract.ts';
import type { Plan } from './plan.ts';

export async function checkOwners(plan: Plan): Promise<void> {
  const people = toPeople(plan);
  const requireOthers = async (name: string, roles: readonly string[]): Promise<void> => {
    try {
      await requireOwners({ users: people, applications: plan.lookup.applications }, roles);
    } catch (error) {
      if (!(error instanceof LastOwner)) throw error;
      plan.problems.push(`${name}: ${error.description}`);
    }
  };
  for (const { collection, name, before, after } of plan.steps) {
    if (!before) continue;
    await requireOthers(name, await findLostOwnerships(collection, before, after, plan.store));
  }
  for (const { collection, name, noun } of plan.removals.values()) {
    if (collection === 'users') await requireOthers(name, lostOwnerships(noun as User, undefined));
  }
}

/** The people as they will be, with those whom the file adds on the first page. */
function toPeople({ store, steps, removals }: Plan): Pick<DirectoryStore['users'], 'page'> {
  const changed = new Map(
    steps.flatMap(({ collection, after, password }): [string, User][] => {
      if (collection !== 'users') return [];
      const user = after as User;
      // It is hashed when the plan is carried out.
      return [[user.id, password === undefined ? user : { ...user, passwordHash: password }]];
    }),
  );
  return {
    async page(options: PageOptions) {
      const page = await store.users.page(options);
      const stored = page.items.map((user) => changed.get(user.id) ?? user);
      const items = options.after === undefined ? [...changed.values(), ...stored] : stored;
      const role = options.listed?.value ?? '';
      return { ...page, items: items.filter(({ id, roles }) => roles.includes(role) && !removals.has(id)) };
    },
  };
}
