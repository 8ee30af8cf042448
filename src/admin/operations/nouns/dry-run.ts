/** What a change of a noun would do, without doing it. */
import type { z } from 'zod';
import { describeStep } from '../../../apply/report.ts';
import { effectOf } from '../../../changes/effects.ts';
import { eachNoun, firstListed } from '../../../directory/collections.ts';
import type { AdminTable } from '../../../nouns/admin-tables.ts';
import { declarationOf, type Nouns, nameOf, type Resource } from '../../../nouns/index.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import { defined } from '../../../storage/defined.ts';
import { countTokensOf, MOST_COUNTED } from '../../living.ts';
import type { Actor } from '../../rights/actor.ts';
import { hiddenColumns, isVisible, visiblePart } from '../../rights/guards.ts';
import type { OperationDeps } from '../deps.ts';
import type { dryRunResult } from '../operation.ts';
import type { Edited } from './edit.ts';
import type { ObjectCollection } from './objects.ts';

type DryRun = z.input<typeof dryRunResult>;
type Concerned = Pick<DryRun, 'tokens' | 'applications' | 'users'>;

/** By what the tokens below a noun are found. */
const TOKENS_BY = { applications: 'application', users: 'user', connections: 'connection' } as const;

async function* applicationsOf(organization: string, { store }: OperationDeps): AsyncGenerator<string> {
  for await (const { id } of eachNoun(store.applications, organization)) yield id;
}

async function findConcerned<C extends ObjectCollection>(
  collection: C,
  before: Nouns[C],
  deps: OperationDeps,
): Promise<Concerned> {
  if (collection === 'roles') {
    const listed = { key: 'role', value: before.id } as const;
    return { users: await deps.store.users.count({ listed }, MOST_COUNTED) };
  }
  if (collection === 'resources') {
    const { identifier } = before as Resource;
    const named = await firstListed(deps.store.applications, 'resource', identifier);
    return { applications: named.map(({ name }) => name) };
  }
  if (collection === 'organizations') {
    return { tokens: await countTokensOf('application', applicationsOf(before.id, deps), deps) };
  }
  const by = TOKENS_BY[collection as keyof typeof TOKENS_BY];
  return by === undefined ? {} : { tokens: await countTokensOf(by, [before.id], deps) };
}

/**
 * A dry run tells no more than the objects themselves: values of columns, names, and how many there are.
 * @param row the object before the change, with the name of its organization
 */
export async function visibleOfDryRun(
  { tokens, users, applications, fields, ...described }: DryRun,
  {
    actor,
    table,
    row,
  }: { readonly actor: Actor; readonly table: ObjectCollection; readonly row: JsonObject },
  { store }: Pick<OperationDeps, 'store'>,
): Promise<DryRun> {
  const { organization } = row;
  const sees = (other: AdminTable): boolean => isVisible(actor, other, { organization });
  const isHidden = (field: string): boolean =>
    hiddenColumns(actor, table, row, [/^\w*/.exec(field)?.[0] ?? field]).length > 0;
  const seesName = async (name: string): Promise<boolean> => {
    const of = await store.organizations.findBy('name', String(organization));
    const found = of && (await store.applications.findBy('name', `${of.id}/${name}`));
    const part = found && visiblePart(actor, 'applications', { ...found, organization });
    return part?.name !== undefined;
  };
  const named = await Promise.all(
    (applications ?? []).map(async (name) => ((await seesName(name)) ? [name] : [])),
  );
  return {
    ...described,
    fields: fields.map((each) => (isHidden(each.field) ? { field: each.field } : each)),
    ...defined({
      tokens: sees('tokens') ? tokens : undefined,
      users: sees('users') ? users : undefined,
      applications: applications && named.flat(),
    }),
  };
}

/** @param after undefined: it would be removed */
async function findEffect<C extends ObjectCollection>(
  collection: C,
  before: Nouns[C] | undefined,
  after: Nouns[C] | undefined,
  deps: OperationDeps,
): Promise<Pick<DryRun, 'effect'> & Concerned> {
  const effect = before ? effectOf(collection, before, after, deps.faceRules) : 'none';
  return effect === 'none' || !before
    ? { effect }
    : { effect, ...(await findConcerned(collection, before, deps)) };
}

/** Of a creation or a change. @param before undefined: it would be made */
export async function describeEdit<C extends ObjectCollection>(
  collection: C,
  before: Nouns[C] | undefined,
  { plan, step }: Edited<C>,
  deps: OperationDeps,
): Promise<DryRun> {
  if (!step) {
    const name = before ? nameOf(before) : '';
    return { dryRun: true, action: 'unchanged', name, fields: [], notes: [], effect: 'none' };
  }
  const { action, name, fields } = await describeStep(step, plan);
  return {
    dryRun: true,
    action,
    name,
    fields: fields.map((field) => ({ ...field })),
    notes: [...plan.notes],
    ...(await findEffect(collection, before, step.after, deps)),
  };
}

export async function describeRemovalOf<C extends ObjectCollection>(
  collection: C,
  before: Nouns[C],
  deps: OperationDeps,
): Promise<DryRun> {
  return {
    dryRun: true,
    action: 'removed',
    name: `${declarationOf(collection).singular} ${nameOf(before)}`,
    fields: [],
    notes: [],
    ...(await findEffect(collection, before, undefined, deps)),
  };
}
