/** One noun as a file wants it: what the file says, else what is there, else what a new one has. */
import type { New } from '../../changes/changes.ts';
import { eachNoun } from '../../directory/collections.ts';
import { didYouMean, MAX_HINTS } from '../../errors/similar.ts';
import { type CollectionName, declarationOf, type Nouns } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { Field, Referred, ServerSettings } from '../../nouns/noun.ts';
import { type Entry, inFileOf, initialOf, isOptional, namedBy } from '../entries.ts';
import type { Extras, Plan } from './plan.ts';

interface Sources<T> {
  readonly entry: object;
  readonly before: T | undefined;
  /**
   * What the file's entry alone does not say: the organization, ids and times that other fields are made of, and fields
   * whose value is looked up, hashed, sealed or follows from others. An undefined one is left out of the noun.
   */
  readonly given: { readonly [K in keyof T]?: T[K] | undefined };
  /** For nouns whose initial values depend on them. */
  readonly settings?: ServerSettings;
}

/**
 * @param name whose problems it tells: `application acme/shop`
 * @returns the noun with all fields of its declaration; names that lead nowhere are problems of the plan
 */
export async function planNoun<C extends CollectionName>(
  plan: Plan,
  collection: C,
  name: string,
  { entry, before, given, settings }: Sources<Nouns[C]>,
): Promise<New<Nouns[C]>> {
  const said: Entry = { ...entry };
  const was: Entry = { ...before };
  const noun: Record<string, unknown> = { ...given };
  for (const [key, field] of Object.entries(declarationOf(collection).fields)) {
    if (!Object.hasOwn(given, key)) {
      const inFile = field.secret ? undefined : inFileOf(field);
      const value = inFile && said[inFile.key ?? key];
      const initial = () => initialOf(field, noun, settings);
      const kind = namedBy(field);
      if (plan.isCleared(collection, inFile?.key ?? key))
        noun[key] = isOptional(field) ? undefined : initial();
      else if (value === undefined)
        noun[key] = kept(plan, field, was[key]) ?? (before && isOptional(field) ? undefined : initial());
      else if (kind) {
        // Administrators are people of the server, and say so by having none.
        const organization = String(noun.organization ?? MANAGEMENT_ID);
        const ids = await findIds(plan, name, kind, organization, [value].flat() as string[]);
        noun[key] = Array.isArray(value) ? ids : ids[0];
      } else if (inFile?.fromFile) {
        noun[key] = inFile.fromFile({ said: value, before: was[key], initial: initial(), noun } as never);
      } else noun[key] = value;
    }
    if (noun[key] === undefined) delete noun[key];
  }
  return noun as unknown as New<Nouns[C]>;
}

/** A list is shorter without what is removed, if the file does not say otherwise. */
function kept({ removals }: Plan, { refersTo }: Field, was: unknown): unknown {
  return refersTo && Array.isArray(was) ? was.filter((each) => !removals.has(String(each))) : was;
}

/** Adds the noun to the plan. @returns it as it will be */
export async function addNoun<C extends CollectionName>(
  plan: Plan,
  collection: C,
  name: string,
  sources: Sources<Nouns[C]>,
  extras?: Extras,
): Promise<Nouns[C]> {
  const wanted = await planNoun(plan, collection, name, sources);
  return plan.add(collection, name, sources.before, wanted, extras);
}

/** The ids of those that are there; a name that leads nowhere is a problem of the plan. */
export async function findIds(
  plan: Plan,
  what: string,
  kind: Referred,
  organization: string,
  names: readonly string[],
): Promise<string[]> {
  const ids: string[] = [];
  const unknown: string[] = [];
  for (const name of names) {
    const id = await plan.findId(kind, organization, name);
    if (id === undefined) unknown.push(name);
    else ids.push(id);
  }
  const mayHint = kind === 'role' && unknown.length > 0;
  const roles = mayHint ? await Array.fromAsync(eachNoun(plan.store.roles, organization)) : [];
  const known = roles.map((role) => role.name);
  for (const [index, name] of unknown.entries()) {
    const hint = index < MAX_HINTS ? didYouMean(name, known) : '';
    plan.problems.push(
      kind === 'organization'
        ? `${what}: there is no organization ${name}`
        : `${what}: the organization has no ${kind} ${name}${hint}`,
    );
  }
  return ids;
}
