/** A file may not take the last owner of an organization, or of the server. */
import { findLostOwnerships, LastOwner, lostOwnerships, requireOwners } from '../../changes/owners.ts';
import type { User } from '../../nouns/index.ts';
import type { DirectoryStore, PageOptions } from '../../storage/contract.ts';
import type { Plan } from './plan.ts';
import { removalsOf } from './removals.ts';

export async function checkOwners(plan: Plan): Promise<void> {
  const after = { users: toPeople(plan), applications: plan.lookup.applications };
  const requireOthers = async (name: string, roles: readonly string[], store = after): Promise<void> => {
    try {
      await requireOwners(store, roles);
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
  const { first } = removalsOf(plan);
  const users = without(plan.store.users, new Set(first.map(({ noun }) => noun.id)));
  for (const { collection, name, noun } of first) {
    if (collection !== 'users') continue;
    await requireOthers(name, lostOwnerships(noun as User, undefined), { ...plan.store, users });
  }
}

type People = Pick<DirectoryStore['users'], 'page'>;

function without(users: People, gone: ReadonlySet<string>): People {
  return {
    async page(options: PageOptions) {
      const page = await users.page(options);
      return { ...page, items: page.items.filter(({ id }) => !gone.has(id)) };
    },
  };
}

/** The people as they will be, with those whom the file adds on the first page. */
function toPeople({ store, steps, removals }: Plan): People {
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
