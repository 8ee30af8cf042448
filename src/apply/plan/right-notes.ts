/**
 * What becomes of rights with the file, although the file may say so: variables that nothing has, and rights whose tables and
 * columns leave the resource.
 */
import { collectionOf, eachNoun } from '../../directory/collections.ts';
import { didYouMean } from '../../errors/similar.ts';
import { listSome } from '../../errors/texts.ts';
import {
  type Application,
  catalogueOf,
  declarationOf,
  type Nouns,
  type OfOrganization,
  type Organization,
  type Resource,
  type Role,
} from '../../nouns/index.ts';
import { referenceTo } from '../../nouns/references.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { fromStored, type StoredPermissions } from '../../permissions/stored.ts';
import { describeVariable, type Variable, variablesOf } from '../../permissions/variables.ts';
import { tellMisfits } from '../misfits.ts';
import type { Plan } from './plan.ts';

const MAX_TOLD = 10;
const ATTRIBUTE = 'attributes.';

/** Rights to one resource; without one, to each that is registered through the application. */
interface Rights {
  /** Whether the file speaks of what has them. */
  readonly inFile: boolean;
  /** As people know it: `role acme/clerk`. */
  readonly of: string;
  readonly resource: string | undefined;
  readonly permissions: Permissions;
}

/** What a role, connection or application allows. */
function rightsIn({
  resource,
  permissions,
  ceilings = [],
  registeredCeiling,
}: Partial<Pick<Application, 'resource' | 'ceilings' | 'registeredCeiling'> & Pick<Role, 'permissions'>>): {
  readonly resource: string | undefined;
  readonly permissions: StoredPermissions;
}[] {
  return [
    ...(permissions ? [{ resource, permissions }] : []),
    ...ceilings,
    ...(registeredCeiling ? [{ resource: undefined, permissions: registeredCeiling }] : []),
  ];
}

/** The nouns of an organization as they will be. @param among only those of the file, or also those of the store */
async function* eachPlanned<C extends OfOrganization>(
  plan: Plan,
  collection: C,
  { id }: Organization,
  among: 'file' | 'all',
): AsyncGenerator<Nouns[C]> {
  const stored = new Set<string>();
  const nouns = collectionOf(plan.store, collection);
  for await (const noun of among === 'all' ? eachNoun<Nouns[C]>(nouns, id) : []) {
    stored.add(noun.id);
    if (!plan.removals.has(referenceTo(collection, noun)))
      yield (plan.nouns.get(noun.id)?.noun ?? noun) as Nouns[C];
  }
  for (const planned of plan.nouns.values()) {
    const noun = planned.noun as Nouns[C];
    if (planned.collection === collection && noun.organization === id && !stored.has(noun.id)) yield noun;
  }
}

async function* eachRight(
  plan: Plan,
  organization: Organization,
  among: 'file' | 'all',
): AsyncGenerator<Rights> {
  for (const collection of ['roles', 'applications', 'connections'] as const) {
    for await (const noun of eachPlanned(plan, collection, organization, among)) {
      const of = `${declarationOf(collection).singular} ${organization.name}/${noun.name}`;
      for (const { resource, permissions } of rightsIn(noun)) {
        yield { of, inFile: plan.nouns.has(noun.id), resource, permissions: fromStored(permissions) };
      }
    }
  }
}

/**
 * Notes rights that give less because a table, a group or a column of their resource goes, and variables of the file that
 * nothing has: a mistyped one silently gives nothing.
 * @param ofUsers whether all users are looked through for attributes
 */
export async function noteRights(
  plan: Plan,
  organization: Organization,
  { ofUsers }: { readonly ofUsers: boolean },
): Promise<void> {
  const changed = changedResources(plan, organization);
  const rights = await Array.fromAsync(eachRight(plan, organization, changed.size > 0 ? 'all' : 'file'));
  noteGone(plan, changed, rights);
  const named = namedVariables(rights.filter(({ inFile }) => inFile));
  if (named.some(({ variable }) => variable.source === 'account')) {
    const columns = new Set<string>();
    for await (const { userTables } of eachPlanned(plan, 'datasources', organization, 'all'))
      for (const { column } of userTables.flatMap(({ claims }) => claims)) columns.add(column);
    const because = 'no user table copies such a column into claims';
    noteUnknown(plan, named, { source: 'account', prefix: '', known: columns, because });
  }
  const isAttribute = ({ variable: { source, name } }: NamedVariable) =>
    source === 'user' && name.startsWith(ATTRIBUTE);
  if (ofUsers && named.some(isAttribute)) {
    const attributes = new Set<string>();
    for await (const user of eachPlanned(plan, 'users', organization, 'all'))
      for (const name of Object.keys(user.attributes ?? {})) attributes.add(name);
    const because = 'no user has such an attribute';
    noteUnknown(plan, named, { source: 'user', prefix: ATTRIBUTE, known: attributes, because });
  }
}

/** By identifier. */
type Changed = ReadonlyMap<string, { readonly before: Resource; readonly after: Resource }>;

function changedResources({ steps }: Plan, { id }: Organization): Changed {
  return new Map(
    steps.flatMap(({ collection, before, after }) => {
      const [was, is] = [before as Resource | undefined, after as Resource];
      if (collection !== 'resources' || !was || is.organization !== id) return [];
      return [[is.identifier, { before: was, after: is }]];
    }),
  );
}

function noteGone({ notes }: Plan, changed: Changed, rights: readonly Rights[]): void {
  const gone = rights.flatMap(({ of, resource = '', permissions }) => {
    const change = changed.get(resource);
    if (!change) return [];
    const misfitsIn = (noun: Resource) => tellMisfits(permissions, catalogueOf(noun), resource);
    const had = new Set(misfitsIn(change.before).map(({ misfit }) => JSON.stringify(misfit)));
    const has = misfitsIn(change.after).filter(({ misfit }) => !had.has(JSON.stringify(misfit)));
    return has.map(({ whole }) => `${of} ${whole}: this right is gone then`);
  });
  notes.push(...gone.slice(0, MAX_TOLD));
  if (gone.length > MAX_TOLD) notes.push(`${gone.length - MAX_TOLD} more rights are gone in the same way`);
}

interface NamedVariable {
  readonly variable: Variable;
  /** What names it. */
  readonly of: ReadonlySet<string>;
}

function namedVariables(rights: readonly Rights[]): NamedVariable[] {
  const named = new Map<string, { variable: Variable; of: Set<string> }>();
  for (const { of, permissions } of rights) {
    for (const variable of variablesOf(permissions)) {
      const known = named.get(describeVariable(variable)) ?? { variable, of: new Set() };
      named.set(describeVariable(variable), known);
      known.of.add(of);
    }
  }
  return [...named.values()];
}

interface Known {
  readonly source: Variable['source'];
  /** Of the names that are meant. */
  readonly prefix: string;
  /** Names without the prefix. */
  readonly known: ReadonlySet<string>;
  readonly because: string;
}

function noteUnknown(
  { notes }: Plan,
  named: readonly NamedVariable[],
  { source, prefix, known, because }: Known,
): void {
  for (const { variable, of } of named) {
    const name = variable.name.slice(prefix.length);
    if (variable.source !== source || !variable.name.startsWith(prefix) || known.has(name)) continue;
    const who = listSome([...of], MAX_TOLD);
    notes.push(
      `${who}: ${describeVariable(variable)} gives nothing, because ${because}${didYouMean(name, known)}`,
    );
  }
}
