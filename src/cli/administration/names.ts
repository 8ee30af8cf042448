/** Objects by the names that people type: `acme/shop`, `acme/shop/ann`. */
import { isNounId } from '../../nouns/index.ts';
import { CommandFailed, UsageError } from '../command.ts';
import type { Administration } from './administration.ts';
import type { Found } from './show.ts';

export interface Reference {
  readonly organization: string;
  /** Within the organization; empty for the organization itself. */
  readonly name: string;
}

/** @throws UsageError */
export function readReference(text: string, named: string): Reference {
  const slash = text.indexOf('/');
  const [organization, name] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash < 1 || name === '') throw new UsageError(`Name it ${named}`);
  return { organization, name };
}

/** Members of an object that its name gives. */
export function membersOf(collection: string, name: string): Record<string, string> {
  if (collection === 'resources') return { identifier: name };
  if (collection === 'agents') return { clientId: name };
  if (collection !== 'users') return { name };
  const [username, ...of] = name.split('/').reverse() as [string, ...string[]];
  return of.length === 0 ? { username } : { application: of.reverse().join('/'), username };
}

/** Each object of a list, page by page. @param most how many at most */
export async function* eachListed(
  administration: Administration,
  id: string,
  parameters: Readonly<Record<string, string>> | undefined,
  query: Readonly<Record<string, string>>,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<Found> {
  let given = 0;
  let after: string | undefined;
  do {
    const paged = { ...query, ...(after !== undefined && { after }) };
    const { body } = await administration.call(id, { parameters, query: paged });
    const { items, next } = body as { items: readonly Found[]; next?: string };
    for (const item of items) {
      yield item;
      given += 1;
      if (given >= most) return;
    }
    after = next;
  } while (after !== undefined);
}

/** Named by an id, of whatever form. */
const WITHOUT_NAMES: ReadonlySet<string> = new Set(['tokens', 'logins']);

/** @returns the UUID, or what else paths have. @throws CommandFailed */
export async function findId(
  administration: Administration,
  collection: string,
  { organization, name }: Reference,
): Promise<string> {
  // What an agent got as its id when it registered may look like a UUID.
  const isId = isNounId(name) && collection !== 'agents';
  if (isId || WITHOUT_NAMES.has(collection)) return name;
  const members = membersOf(collection, name);
  const ofUser = collection === 'users' ? { search: members.username ?? '' } : undefined;
  const listed = eachListed(administration, `${collection}.list`, { organization }, ofUser ?? members);
  for await (const found of listed) {
    // An application that is not named is that of users of the organization itself.
    if (!ofUser || found.application === members.application) return String(found.id);
  }
  if (isNounId(name)) return name;
  throw new CommandFailed(`There is no ${collection.replace(/s$/, '')} ${organization}/${name}.`);
}
