/** A file may not take the last owner of an organization, or of the server. */
import { findLostOwnerships, LastOwner, lostOwnerships, requireOwners } from '../../changes/owners.ts';
import type { User } from '../../nouns/index.ts';
import type { DirectoryStore, PageOptions } from '../../storage/contract.ts';
import type { Plan, Removal, Step } from './plan.ts';
import { removalsOf } from './removals.ts';

export async function checkOwners(plan: Plan): Promise<void> {
  const { store } = plan;
  const { first, last } = removalsOf(plan);
  const all = [...first, ...last];
  const atFirst = { users: peopleAfter(store, [], first), applications: store.applications };
  const atLast = { users: peopleAfter(store, plan.steps, all), applications: plan.lookup.applications };
  const requireOthers = async (name: string, roles: readonly string[], left = atLast): Promise<void> => {
    try {
      await requireOwners(left, roles);
    } catch (error) {
      if (!(error instanceof LastOwner)) throw error;
      plan.problems.push(`${name}: ${error.description}`);
    }
  };
  for (const { collection, name, before, after } of plan.steps) {
    if (before) await requireOthers(name, await findLostOwnerships(collection, before, after, store));
  }
  for (const removal of all) {
    if (removal.collection !== 'users') continue;
    const lost = lostOwnerships(removal.noun as User, undefined);
    await requireOthers(removal.name, lost);
    if (first.includes(removal)) await requireOthers(removal.name, lost, atFirst);
  }
}

/** The people as they will be, with those whom the file adds on the first page. */
function peopleAfter(
  { users }: DirectoryStore,
  steps: readonly Step[],
  removals: readonly Removal[],
): Pick<DirectoryStore['users'], 'page'> {
  const gone = new Set(removals.map(({ noun }) => noun.id));
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
      const page = await users.page(options);
      const stored = page.items.map((user) => changed.get(user.id) ?? user);
      const items = options.after === undefined ? [...changed.values(), ...stored] : stored;
      const role = options.listed?.value ?? '';
      return { ...page, items: items.filter(({ id, roles }) => roles.includes(role) && !gone.has(id)) };
    },
  };
}
