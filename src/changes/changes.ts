/**
 * Writing to the directory. Every change but a rehash goes through here, because a change of the directory is a change
 * of the rights of living tokens: each writes a node record or two, whatever hangs below, and one audit entry.
 *
 * Order: mark, change, mark again. After a crash in between no right is alive that was taken away, and a token made
 * from the old state in between does not survive. Nothing here needs transactions.
 */
import { randomUUID } from 'node:crypto';
import { collectionOf, eachListed } from '../directory/collections.ts';
import { type FaceRules, withoutUser } from '../directory/face-rules.ts';
import { DomainError } from '../errors/domain.ts';
import { isAdminIdentifier, isBuiltIn } from '../nouns/built-in.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  declarationOf,
  fieldOf,
  type Noun,
  type Nouns,
  nameOf,
  type Resource,
  type User,
  type Webhook,
} from '../nouns/index.ts';
import { type Told, withInitialValues } from '../nouns/initial-values.ts';
import { reservedNames } from '../nouns/names.ts';
import type { ManagedBy } from '../nouns/noun.ts';
import { agentNode, registrantNode, secretNode } from '../registry/nodes.ts';
import type { Registry } from '../registry/registry.ts';
import { type NodeMark, type NodeScope, type Storage, VersionConflict } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { expectReplacement } from '../webhooks/announced-changes.ts';
import { type Author, inAudit } from './author.ts';
import { describeChange, secretChanges } from './change-details.ts';
import { type Effect, effectOf, markAfter, markBefore, restartedAt } from './effects.ts';
import { eventOf } from './event-names.ts';
import { nounsWithout, WITH_RIGHTS } from './limits.ts';
import { findLostOwnerships, lostOwnerships, requireOwners } from './owners.ts';
import type { Recorded } from './recorded.ts';
import { BrokenReference, findBrokenReferences } from './references.ts';
import { removeContents, requireEmpty, requireUnused } from './removal.ts';
import { retryOnConflict } from './retry-on-conflict.ts';
import { findBeyondLimit } from './webhook-limit.ts';
import { findWithdrawn } from './withdrawn.ts';

/** Tokens, ceilings and other nouns name it by this: what has another value is another noun. */
export class FixedField extends DomainError {}

/** A noun without the members that the directory or the store sets. */
export type New<T extends object> = Omit<T, 'id' | 'number' | 'version' | 'createdAt' | 'managedBy'> & {
  /** Set if others must know the id before the noun is stored. */
  readonly id?: string;
  /** Milliseconds. Set if other times of the noun are counted from it; 0 is the same as absent. */
  readonly createdAt?: number;
};

export interface NounChanges<T extends Noun, Made = New<T>> {
  /** Fields that are left out get their initial values. @throws Conflict when a name is taken; BrokenReference */
  create(noun: Made, author: Author): Promise<T>;
  /** @throws VersionConflict if it was changed or removed since `noun` was read; Conflict, BrokenReference, FixedField */
  replace(noun: T, author: Author): Promise<T>;
  /**
   * Removes it with all that belongs to it: its tokens are dead at once. One made anew has another id.
   * An apply file takes nothing along that others made: for that author nothing may belong to it any more.
   * @throws VersionConflict; StillInUse for a resource that roles or applications name, and for an apply file if something
   *   belongs to it
   */
  remove(noun: Pick<T, 'id' | 'version'>, author: Author): Promise<void>;
}

export type Changes = { readonly [C in CollectionName]: NounChanges<Nouns[C], New<Told<C>>> };

export interface ChangesDeps {
  readonly storage: Pick<Storage, 'directory'>;
  readonly registry: Pick<Registry, 'markAboveLogins' | 'markAboveConnections' | 'markRemovedNoun'>;
  readonly recorded: Recorded;
  readonly faceRules: readonly FaceRules[];
  readonly issuer: string;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The fields that differ but must not change. */
export function findFixedChanges<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
): string[] {
  return Object.entries(declarationOf(collection).fields).flatMap(([name, { fixed }]) =>
    fixed && fieldOf(before, name) !== fieldOf(after, name) ? [name] : [],
  );
}

/** Who made it; an apply file adopts what it names if that was not recorded. */
export function managerOf(
  before: Pick<Noun, 'managedBy'>,
  { managedBy }: Pick<Author, 'managedBy'>,
): ManagedBy | undefined {
  return before.managedBy ?? (managedBy === 'apply' ? managedBy : undefined);
}

/** Whatever it says itself. */
function withManager<T extends Noun>({ managedBy: _, ...noun }: T, managedBy: ManagedBy | undefined): T {
  return { ...noun, ...defined({ managedBy }) } as unknown as T;
}

/** Whom it concerns when the noun ends: an organization, and the tokens of one resource if it has to do with one. */
function scopeOf<C extends CollectionName>(collection: C, noun: Nouns[C]): NodeScope {
  const { organization, resource } = noun as { organization?: string; resource?: string };
  if (collection === 'organizations') return { organization: noun.id };
  // A role may move to another resource, and who serves the one before must hear of it all the same.
  if (collection === 'roles') return defined({ organization });
  // An application's `resource` is its first one, not its only one.
  if (collection === 'applications') return defined({ organization });
  return defined({
    organization,
    resource: collection === 'resources' ? (noun as Resource).identifier : resource,
  });
}

/** An agent is known by the id that it gave itself, also after its row has gone. */
function agentClientId<C extends CollectionName>(collection: C, noun: Nouns[C]): string | undefined {
  if (collection !== 'applications') return undefined;
  const { agent, clientId } = noun as Application;
  return agent && clientId;
}

/** What others have through applications of a user ends with the user, and not with a password. */
function nodesOf<C extends CollectionName>(collection: C, { id }: Nouns[C], effect: Effect): string[] {
  const concernsOthers = collection === 'users' && (effect === 'ends' || effect === 'returns');
  return concernsOthers ? [id, registrantNode(id)] : [id];
}

export function createChanges(deps: ChangesDeps): Changes {
  const store = deps.storage.directory;
  const changes = Object.fromEntries(
    COLLECTIONS.map((collection) => [collection, createNounChanges(collection, deps)]),
  ) as unknown as Changes;
  const { organizations, users } = changes;

  /** Faces name users by ids, which no other user gets, so a user who stays loses nothing when the removal fails. */
  async function removeFromFaces(user: User, author: Author): Promise<void> {
    const { organization, administers } = user;
    for (const id of organization === undefined ? administers : [organization]) {
      await retryOnConflict(async () => {
        const found = await store.organizations.get(id);
        const left = found && withoutUser(found, user);
        if (left) await organizations.replace(left, author);
      });
    }
  }

  /** Rights over the administration speak of an organization by its name, which another one may get. */
  async function removeFromAdministrators({ id }: Pick<Noun, 'id'>, author: Author): Promise<void> {
    for await (const { id: administrator } of eachListed(store.users, 'administers', id)) {
      await retryOnConflict(async () => {
        const user = await store.users.get(administrator);
        // Its own people go with it.
        if (!user || user.organization !== undefined) return;
        await users.replace({ ...user, administers: user.administers.filter((each) => each !== id) }, author);
      });
    }
  }

  /** They are looked for again when one of them was changed meanwhile. */
  async function removeFromLimits(name: string, author: Author): Promise<void> {
    for (const collection of WITH_RIGHTS) {
      await retryOnConflict(async () => {
        for await (const noun of nounsWithout(collection, name, store, deps.issuer)) {
          await changes[collection].replace(noun as never, author);
        }
      });
    }
  }

  return {
    ...changes,
    organizations: {
      ...organizations,
      async remove(organization, author) {
        const before = await store.organizations.get(organization.id);
        if (before?.version === organization.version) await removeFromAdministrators(before, author);
        await organizations.remove(organization, author);
        if (before) await removeFromLimits(before.name, author);
      },
    },
    users: {
      ...users,
      async remove(user, author) {
        const before = await store.users.get(user.id);
        await users.remove(user, author);
        if (before) await removeFromFaces(before, author);
      },
    },
  };
}

function createNounChanges<C extends CollectionName>(
  collection: C,
  { storage, registry, recorded, faceRules, issuer, now }: ChangesDeps,
): NounChanges<Nouns[C], New<Told<C>>> {
  const store = storage.directory;
  const nouns = collectionOf(store, collection);
  const { singular } = declarationOf(collection);

  async function requireWhole(noun: Nouns[C], before?: Nouns[C]): Promise<void> {
    const name = `${singular} ${nameOf(noun)}`;
    const [fixed] = before ? findFixedChanges(collection, before, noun) : [];
    if (fixed !== undefined)
      throw new FixedField({ description: `The field ${fixed} of ${name} cannot be changed.` });
    const broken = await findBrokenReferences(collection, noun, store, before);
    if (collection === 'organizations' && reservedNames.has(nameOf(noun))) broken.push('has a reserved name');
    if (collection === 'resources' && !before && isAdminIdentifier(nameOf(noun), issuer))
      broken.push('has an identifier that is for the administration of an organization');
    const beyond =
      collection === 'webhooks' && !before
        ? await findBeyondLimit((noun as Webhook).organization, store)
        : undefined;
    if (beyond !== undefined) broken.push(beyond);
    if (broken.length > 0) throw new BrokenReference({ description: `The ${name} ${broken.join('; ')}.` });
  }

  async function requireCurrent({ id, version }: Pick<Noun, 'id' | 'version'>): Promise<Nouns[C]> {
    const current = await nouns.get(id);
    if (current?.version !== version) {
      throw new VersionConflict(`${singular} ${id} was changed or removed meanwhile`);
    }
    if (isBuiltIn(current)) {
      const name = `${singular} ${nameOf(current)}`;
      throw new FixedField({ description: `The ${name} is built in. It cannot be changed or removed.` });
    }
    return current;
  }

  function entryOf(event: string, noun: Nouns[C], details: Record<string, unknown>, author: Author) {
    const { organization } = scopeOf(collection, noun);
    return {
      event,
      outcome: 'changed',
      subject: noun.id,
      ...inAudit(author),
      ...defined({ organization, client: agentClientId(collection, noun) }),
      details: { name: nameOf(noun), ...details },
    } as const;
  }

  async function markAll(noun: Nouns[C], effect: Effect, mark: NodeMark | undefined): Promise<void> {
    if (!mark) return;
    const scope = scopeOf(collection, noun);
    // Connections and remembered consents hang below a noun and last longer than tokens. The applications of a disabled
    // person go on asking for tokens.
    for (const node of nodesOf(collection, noun, effect))
      await registry.markAboveConnections(node, mark, scope);
  }

  async function marked<T>(noun: Nouns[C], effect: Effect, change: () => Promise<T>): Promise<T> {
    await markAll(noun, effect, markBefore(effect, now()));
    const result = await change();
    await markAll(noun, effect, markAfter(effect, now()));
    return result;
  }

  /** Also if the change marked nothing: a mark that was kept for ever can then expire. */
  async function forget(noun: Nouns[C], effect: Effect): Promise<void> {
    const mark = markAfter(effect, now()) ?? {};
    for (const node of nodesOf(collection, noun, 'ends')) {
      await registry.markRemovedNoun(node, mark, scopeOf(collection, noun));
    }
  }

  /**
   * Nodes that end with a change, while the rest below the noun goes on: of secrets that are removed, and of an agent that
   * describes itself in another way.
   */
  function endedNodes(before: Nouns[C], after: Nouns[C]): string[] {
    if (collection !== 'applications') return [];
    const [was, is] = [before as Application, after as Application];
    const removed = secretChanges(was, is)?.removed.map(({ id }) => secretNode(id)) ?? [];
    return was.agent && was.agent.id !== is.agent?.id ? [...removed, agentNode(was.agent.id)] : removed;
  }

  async function endNodes(nodes: readonly string[], mark: NodeMark, scope: NodeScope): Promise<void> {
    for (const node of nodes) await registry.markAboveLogins(node, mark, scope);
  }

  async function replace(before: Nouns[C], wanted: Nouns[C], author: Author): Promise<Nouns[C]> {
    const after = withManager(wanted, managerOf(before, author));
    const effect = effectOf(collection, before, after, faceRules);
    const secrets =
      collection === 'applications' ? secretChanges(before as Application, after as Application) : undefined;
    const withdrawn = findWithdrawn(collection, before, after);
    const ended = endedNodes(before, after);
    const scope = scopeOf(collection, before);
    const details = { effect, fields: describeChange(before, after), ...defined({ secrets }) };
    const expected = () => expectReplacement(collection, before, after);
    const entry = entryOf(eventOf(collection, 'changed', after, before), after, details, author);
    return recorded(entry, expected, async () => {
      const at = now();
      // If the change fails, the secret or agent goes on, and only what it was given so far has ended.
      await endNodes([...ended, ...withdrawn], restartedAt(at), scope);
      const stored = await marked(before, effect, () => nouns.replace(after));
      // Trust that comes back later makes new tokens and brings back none.
      await endNodes(withdrawn, restartedAt(now()), scope);
      await endNodes(ended, { revokedAt: Math.max(now(), at + 1) }, scope);
      return stored;
    });
  }

  /** Two owners may lose what they own at the same moment, each while the other was still there. */
  async function replaceOwner(before: Nouns[C], after: Nouns[C], author: Author): Promise<Nouns[C]> {
    const lost = await findLostOwnerships(collection, before, after, store);
    await requireOwners(store, lost, before.id);
    const stored = await replace(before, after, author);
    try {
      await requireOwners(store, lost);
    } catch (error) {
      await replace(stored, { ...before, version: stored.version }, author);
      throw error;
    }
    return stored;
  }

  /** A person may have registered before it ended, and after that it lets in no one. */
  async function requireStillEmpty(ended: Nouns[C], author: Author): Promise<void> {
    try {
      await requireEmpty(store, collection, ended);
    } catch (error) {
      await replace(ended, { ...ended, enabled: true }, author);
      throw error;
    }
  }

  return {
    async create(noun, author) {
      const id = noun.id ?? randomUUID();
      const told = { ...noun, id, createdAt: noun.createdAt || now() } as unknown as Told<C>;
      const whole = withManager(withInitialValues(collection, told), author.managedBy);
      await requireWhole(whole);
      const expected = () => ({ noun: collection, id, what: 'created' }) as const;
      return recorded(entryOf(eventOf(collection, 'created', whole), whole, {}, author), expected, () =>
        nouns.insert(whole),
      );
    },

    async replace(noun, author) {
      const before = await requireCurrent(noun);
      await requireWhole(noun, before);
      return replaceOwner(before, noun, author);
    },

    async remove(noun, author) {
      const before = await requireCurrent(noun);
      if (collection === 'resources') await requireUnused(store, before as Resource);
      // An agent has no people of its own, so it goes in one step, which a consent of the same moment wins or follows.
      const isOwnerOfContents = collection === 'applications' && !(before as Application).agent;
      const isOwner = collection === 'users' && lostOwnerships(before as User, undefined).length > 0;
      const mustEnd = (collection === 'organizations' || isOwnerOfContents || isOwner) && before.enabled;
      const byFile = author.managedBy === 'apply';
      if (byFile) await requireEmpty(store, collection, before);
      const ended = mustEnd ? await replaceOwner(before, { ...before, enabled: false }, author) : before;
      if (byFile && mustEnd) await requireStillEmpty(ended, author);
      await removeContents(store, collection, ended);
      const effect = effectOf(collection, before, undefined, faceRules);
      const expected = () => ({ noun: collection, id: ended.id, what: 'removed' }) as const;
      const entry = entryOf(eventOf(collection, 'removed', ended), ended, {}, author);
      await recorded(entry, expected, async () => {
        await markAll(ended, effect, markBefore(effect, now()));
        await nouns.remove(ended.id, ended.version);
        await forget(ended, effect);
      });
    },
  };
}
