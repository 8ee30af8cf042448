/**
 * What an actor may do: with a table of the built-in resource, with one row of it, and with an object whose control
 * would give rights. All of it is decided here; operations ask.
 */
import { eachListed, findListed } from '../../directory/collections.ts';
import { FRESH_LOGIN_SECONDS, FreshLoginNeeded, NotAllowed, NotFound } from '../../errors/domain.ts';
import type { AdminTable } from '../../nouns/admin-tables.ts';
import {
  type Application,
  type CollectionName,
  declarationOf,
  type Noun,
  type Nouns,
} from '../../nouns/index.ts';
import type { Action } from '../../permissions/actions.ts';
import {
  type ColumnLimit,
  type ColumnTypes,
  limitsForWriting,
  meets,
  type Row,
  toLimits,
} from '../../permissions/column-limits.ts';
import { isAllowed, type RowAccess, readableColumns } from '../../permissions/verdicts.ts';
import { NO_REACH, type Reach, uniteReach } from '../../rights/reach.ts';
import { containsReach, reachOf, type World } from '../../rights/reach-of.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import type { Actor } from './actor.ts';
import { isDangerous, isPlainChange } from './dangerous.ts';

type Holder = Pick<Actor, 'permissions'>;

/** Their columns are texts, numbers and truth values, which compare in their natural text. */
const TYPES: ColumnTypes = {};

/** What every object is addressed and versioned by: shown with whatever else of it may be read. */
const ALWAYS_SHOWN = ['id', 'version'] as const;

function limitsOf({ permissions }: Holder, table: AdminTable, action: Action) {
  return toLimits(permissions.cell(table, action), TYPES);
}

function requireAny(limits: readonly ColumnLimit[], table: AdminTable, action: Action): void {
  if (limits.length > 0) return;
  throw new NotAllowed({
    description: `The token does not allow to ${action} ${table} (${table}:${action}).`,
  });
}

/** The right to an action on a table at all, on whichever rows and columns. @throws NotAllowed */
export function requireCell(actor: Holder, table: AdminTable, action: Action): void {
  requireAny(limitsOf(actor, table, action), table, action);
}

/** Beyond rights that are limited to organizations, others are unknown: also that they are there. @throws NotFound */
export function requireOrganization(actor: Holder, table: AdminTable, action: Action, name: string): void {
  const isWithin = actor.permissions
    .cell(table, action)
    .some(({ rows }) => rows.get('organization')?.has(name) ?? true);
  if (!isWithin) throw new NotFound();
}

/** Whether the actor may read anything of a row. */
export function isVisible(actor: Holder, table: AdminTable, row: Row): boolean {
  return visiblePart(actor, table, row) !== undefined;
}

/**
 * What the actor may read of a row: all of it, or some columns with its id and version.
 * @returns undefined if the row is hidden
 */
export function visiblePart<R extends Row>(actor: Holder, table: AdminTable, row: R): Partial<R> | undefined {
  const columns = readableColumns(row, limitsOf(actor, table, 'read'), TYPES);
  if (!columns) return row;
  if (columns.size === 0) return undefined;
  const shown = columns.union(new Set<string>(ALWAYS_SHOWN));
  return Object.fromEntries(Object.entries(row).filter(([column]) => shown.has(column))) as Partial<R>;
}

/**
 * The right to one access to one row, by its rows and columns. `row` is the object as the API shows it; `columns` of
 * `create` are those that the request sets, of `update` those that it changes, with `changes` as their values afterwards.
 * @throws NotFound for a row that may not be read either; NotAllowed
 */
export function requireRowAccess(actor: Holder, table: AdminTable, access: RowAccess): void {
  const { action, row } = access;
  const limits = limitsOf(actor, table, action);
  if (isAllowed(access, limits, TYPES)) return;
  if (row && action !== 'create' && !isVisible(actor, table, row)) throw new NotFound();
  requireAny(limits, table, action);
  throw beyondLimits(table, action);
}

const beyondLimits = (table: AdminTable, action: Action): NotAllowed =>
  new NotAllowed({
    description: `The token allows to ${action} ${table} (${table}:${action}) with other rows or columns only.`,
  });

/** The plan of an object has them in the spelling of the store. */
export const RESPELLED: ReadonlySet<string> = new Set(['identifier', 'resource']);

const isSaid = (said: Row, column: string): boolean =>
  Object.hasOwn(said, column) && typeof said[column] !== 'object' && !RESPELLED.has(column);

/**
 * Whether the right to create may cover an object of which a request says this, whatever else it will have. To be asked before
 * the object is planned: the problems of a plan tell of other objects.
 * @throws NotAllowed
 */
export function requireMayCreate(actor: Holder, table: AdminTable, said: Row): void {
  const limits = limitsForWriting(limitsOf(actor, table, 'create'), Object.keys(said));
  const mayCover = ({ columns, rows }: ColumnLimit): boolean =>
    meets(said, { columns, rows: new Map([...rows].filter(([column]) => isSaid(said, column))) }, TYPES);
  if (!limits.some(mayCover)) throw beyondLimits(table, 'create');
}

/** Those of the columns that the actor may not read of a row. */
export function hiddenColumns(
  actor: Holder,
  table: AdminTable,
  row: Row,
  columns: readonly string[],
): string[] {
  const readable = readableColumns(row, limitsOf(actor, table, 'read'), TYPES);
  const always: readonly string[] = ALWAYS_SHOWN;
  return columns.filter((column) => readable && !readable.has(column) && !always.includes(column));
}

export interface Guards {
  /**
   * The rights that a change takes beside the cell of its table: those that the object reaches before and after it.
   * @param before undefined: the object is made @param after undefined: it is removed
   * @throws NotAllowed, FreshLoginNeeded
   */
  requireChange<C extends CollectionName>(
    actor: Actor,
    collection: C,
    before: Nouns[C] | undefined,
    after: Nouns[C] | undefined,
  ): Promise<void>;
  /** For what is always dangerous: keys, secrets, export. @throws FreshLoginNeeded */
  requireFresh(actor: Pick<Actor, 'isDangerous' | 'authenticatedAt'>): void;
}

export interface GuardDeps {
  readonly world: World;
  readonly store: Pick<DirectoryStore, 'applications' | 'resources' | 'connections' | 'users'>;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createGuards({ world, store, now }: GuardDeps): Guards {
  async function ownsAnything({ id }: Pick<Noun, 'id'>): Promise<boolean> {
    const owned = [store.applications, store.resources, store.connections] as const;
    const found = owned.map((nouns) => findListed<Noun>(nouns, 'owner', id));
    return (await Promise.all(found)).some((noun) => noun !== undefined);
  }

  /** A person has all that is theirs, which says nothing of a person who has nothing. */
  async function holderFor(
    { reach }: Actor,
    collection: CollectionName,
    noun: Noun & { readonly organization?: string },
  ): Promise<Reach> {
    const { id, organization } = noun;
    if (collection !== 'users' || organization === undefined || (await ownsAnything(noun))) return reach;
    return { ...reach, people: new Map([...reach.people, [id, organization]]) };
  }

  /** With an application its own people go, and without it they cannot log in: also those who may do more than it. */
  async function mayEndPeople(holder: Reach, { id }: Pick<Noun, 'id'>): Promise<boolean> {
    const seen = new Set<string>();
    for await (const { roles } of eachListed(store.users, 'application', id)) {
      for (const each of roles) {
        const role = seen.has(each) ? undefined : await world.roles.get(each);
        seen.add(each);
        if (role && !(await containsReach(holder, 'roles', role, role, world))) return false;
      }
    }
    return true;
  }

  const endsApplication = (collection: CollectionName, before?: Noun, after?: Noun): boolean =>
    collection === 'applications' &&
    (before as Application | undefined)?.enabled === true &&
    (after as Application | undefined)?.enabled !== true;

  const requireFresh: Guards['requireFresh'] = ({ isDangerous: mayBeDangerous, authenticatedAt }) => {
    if (mayBeDangerous) return;
    if (authenticatedAt === undefined) {
      throw new NotAllowed({
        description: 'An application does this only if an owner set `dangerous: true` on it.',
      });
    }
    if (now() - authenticatedAt > FRESH_LOGIN_SECONDS * 1000) throw new FreshLoginNeeded();
  };

  return {
    async requireChange(actor, collection, before, after) {
      const noun = before ?? after;
      if (!noun || actor.reach.store) return;
      if (isPlainChange(collection, before, after)) return;
      const holder = await holderFor(actor, collection, noun);
      const isWithin =
        (await containsReach(holder, collection, before, after, world)) &&
        (!endsApplication(collection, before, after) || (await mayEndPeople(holder, noun)));
      if (!isWithin) {
        const { singular } = declarationOf(collection);
        throw new NotAllowed({
          description: `The ${singular} has or would have rights that you may not hand out. mayGrant of your roles says what you may.`,
        });
      }
      const reached = [before, after].map(async (each) =>
        each ? reachOf(collection, each, world) : NO_REACH,
      );
      if (isDangerous(collection, before, after, uniteReach(await Promise.all(reached)))) requireFresh(actor);
    },

    requireFresh,
  };
}
