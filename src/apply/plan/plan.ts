/** The directory as an apply file wants it, built up noun by noun over what the store holds. Nothing is written here. */
import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Passwords } from '../../accounts/passwords.ts';
import { type Changes, findFixedChanges, managerOf, type New } from '../../changes/changes.ts';
import { findBrokenReferences } from '../../changes/references.ts';
import type { Credentials } from '../../datasources/credentials.ts';
import type { Datasources } from '../../datasources/datasources.ts';
import { withBuiltIns } from '../../directory/built-ins.ts';
import type { SecretKeys } from '../../directory/client-secrets.ts';
import { collectionOf, eachNoun, type Lookup } from '../../directory/collections.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Nouns,
  type OfOrganization,
  type UniqueKey,
  uniqueValuesOf,
} from '../../nouns/index.ts';
import type { ManagedBy, Referred } from '../../nouns/noun.ts';
import { referenceTo } from '../../nouns/references.ts';
import type { Targets } from '../../outgoing/targets.ts';
import { Conflict, type DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { WebhookSecrets } from '../../webhooks/secrets.ts';

/** What applying works with. */
export interface ApplyDeps {
  readonly store: DirectoryStore;
  readonly issuer: string;
  readonly changes: Changes;
  readonly passwords: Passwords;
  readonly clientSecrets: SecretKeys;
  readonly datasources: Pick<Datasources, 'inspect'>;
  readonly credentials: Credentials;
  readonly webhookSecrets: WebhookSecrets;
  readonly webhookTargets: Pick<Targets, 'findProblem'>;
  /** Where `generated-secrets.txt` is kept. */
  readonly dataDir: string;
  /** Seconds: of the access tokens of a new resource. */
  readonly accessTokenTtl: number;
  /** The hosts that organizations may list. */
  readonly hosts: readonly string[];
  /** Whether a new face lets strangers register unless the file says so. */
  readonly registration: boolean;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface PasswordOptions {
  /** Passwords of people who are there already, and secrets that were renewed, are set to those of the file. */
  readonly resetPasswords: boolean;
  /** Whether the passwords of people who are there already are compared, which costs a hash each. */
  readonly comparePasswords: boolean;
}

export interface Planning extends ApplyDeps, PasswordOptions {}

/** A secret that is made here, for `generated-secrets.txt`. */
export interface GeneratedSecret {
  readonly kind: 'clientSecret' | 'password' | 'connectionToken' | 'webhookSecret';
  readonly value: string;
}

/** What is done besides writing the noun. */
export interface Extras {
  readonly generated?: GeneratedSecret;
  /** To be hashed when the plan is carried out. */
  readonly password?: string;
  /** Fields that were not given and were made up; they are worth telling. */
  readonly madeUp?: readonly string[];
}

/** One noun as the file wants it. */
export interface Step<C extends CollectionName = CollectionName> extends Extras {
  readonly collection: C;
  /** As people know it: `application acme/shop`. */
  readonly name: string;
  /** Absent: it is added. */
  readonly before?: Nouns[C];
  readonly after: Nouns[C];
}

/** One noun of the file, as it will be. */
export interface PlannedNoun<C extends CollectionName = CollectionName> {
  readonly collection: C;
  readonly name: string;
  readonly noun: Nouns[C];
}

/** One noun that the file leaves out. */
export interface Removal {
  readonly collection: OfOrganization;
  /** As people know it: `application acme/shop`. */
  readonly name: string;
  readonly noun: Nouns[OfOrganization];
}

/** One noun that is made or changed by itself, instead of by a file. */
export interface Editing {
  readonly collection: CollectionName;
  /** Absent: it is made. It may get another name. */
  readonly before?: Nouns[CollectionName];
  /** Of the one that is made. */
  readonly id: string;
  /** Keys of its entry that were there and are left out: the fields get what a new noun has. */
  readonly cleared: ReadonlySet<string>;
  readonly managedBy: ManagedBy;
  /** Bytes that a secret of the noun is made of. */
  readonly secretBytes: (kind: GeneratedSecret['kind'], size: number) => Buffer;
}

export interface Plan {
  /** Of the server, which names its built-in resources. */
  readonly issuer: string;
  readonly steps: Step[];
  /** Names of what is as the file wants it. */
  readonly unchanged: string[];
  /** What the file leaves out and goes, by what others name it: its id, or the identifier of a resource. */
  readonly removals: Map<string, Removal>;
  /** Of the file, whether they change or not, by id. */
  readonly nouns: ReadonlyMap<string, PlannedNoun>;
  /** Sentences; with any of them nothing is written. */
  readonly problems: string[];
  /** Sentences about what the file says and what is not done. */
  readonly notes: string[];
  add<C extends CollectionName>(
    collection: C,
    name: string,
    before: Nouns[C] | undefined,
    /** `id` and `createdAt` come from the one before, if there is one. */
    wanted: New<Nouns[C]>,
    extras?: Extras,
  ): Nouns[C];
  /** The nouns as they will be. */
  readonly lookup: Lookup;
  findApplication(organization: string, name: string): Promise<Application | undefined>;
  /** Who will have the value, under another name or in the store; not what goes. */
  findHolder<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined>;
  /**
   * The noun that an entry speaks of, by its name in the store; where one noun is edited, that noun.
   * @throws Conflict when another one than the edited has the name
   */
  findBefore<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined>;
  /** Of a noun that is made. */
  newId(collection: CollectionName): string;
  /** Whether the entry of the edited noun had the key and has it no more. */
  isCleared(collection: CollectionName, key: string): boolean;
  readonly secretBytes: Editing['secretBytes'];
  /** Under which an application is added that others of the file may name before. */
  reserveId(organization: string, application: string): string;
  /** Of an organization, or of an application or role of the organization. */
  findId(kind: Referred, organization: string, name: string): Promise<string | undefined>;
  /** Those of the store. */
  roleNames(organization: string): Promise<string[]>;
  /** Of a role, an organization or an application, which nouns name by id. */
  findName(id: string): Promise<string | undefined>;
  /** Adds to `problems` what steps say of others that is not so. */
  checkReferences(): Promise<void>;
}

/** What this makes may be removed by a later file. */
export const APPLYING = { managedBy: 'apply' } as const;

/** @param issuer of the server, which names its built-in resources */
export function createPlan(store: DirectoryStore, issuer: string, editing?: Editing): Plan {
  /** Nouns of the file, whether they change or not, by their unique keys. */
  const byKey = new Map<string, Nouns[CollectionName]>();
  const reserved = new Map<string, string>();
  const steps: Step[] = [];
  const unchanged: string[] = [];
  const nouns = new Map<string, PlannedNoun>();
  const problems: string[] = [];
  const removals: Plan['removals'] = new Map();

  async function findBy<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const known = byKey.get(`${collection} ${key} ${value}`) as Nouns[C] | undefined;
    return known ?? collectionOf(store, collection).findBy(key, value);
  }

  async function find<C extends CollectionName>(collection: C, id: string): Promise<Nouns[C] | undefined> {
    const known = nouns.get(id);
    if (known?.collection === collection) return known.noun as Nouns[C];
    return collectionOf(store, collection).get(id);
  }

  /** The nouns as they will be. */
  const planned = Object.fromEntries(
    COLLECTIONS.map((collection): [CollectionName, object] => [
      collection,
      {
        get: (id: string) => find(collection, id),
        findBy: (key: UniqueKey<typeof collection>, value: string) => findBy(collection, key, value),
      },
    ]),
  ) as unknown as Lookup;
  // An organization of the file has built-in nouns too.
  const lookup = withBuiltIns(planned, issuer);
  const { managedBy } = editing ?? APPLYING;
  const isEdited = (collection: CollectionName): boolean => editing?.collection === collection;
  const findNamed = (organization: string, name: string) =>
    lookup.applications.findBy('name', `${organization}/${name}`);

  return {
    issuer,
    steps,
    unchanged,
    removals,
    nouns,
    problems,
    notes: [],
    add(collection, name, before, wanted, extras = {}) {
      const after = {
        ...wanted,
        id: before?.id ?? wanted.id ?? this.newId(collection),
        number: before?.number ?? 0,
        version: before?.version ?? 0,
        createdAt: before?.createdAt ?? wanted.createdAt ?? 0,
        managedBy: before ? managerOf(before, { managedBy }) : managedBy,
      } as unknown as typeof before & object;
      nouns.set(after.id, { collection, name, noun: after });
      for (const [key, value] of uniqueValuesOf(collection, after)) {
        byKey.set(`${collection} ${key} ${value}`, after);
      }
      if (before && isDeepStrictEqual(before, after) && extras.password === undefined) unchanged.push(name);
      else steps.push({ collection, name, ...defined({ before }), after, ...extras } as unknown as Step);
      return after;
    },
    lookup,
    findApplication: findNamed,
    async findBefore(collection, key, value) {
      const named = await collectionOf(store, collection).findBy(key, value);
      if (!isEdited(collection)) return named;
      const edited = editing?.before as typeof named;
      if (named && named.id !== edited?.id) throw new Conflict(key);
      return edited;
    },
    newId: (collection) => (isEdited(collection) && editing ? editing.id : randomUUID()),
    isCleared: (collection, key) => isEdited(collection) && editing?.cleared.has(key) === true,
    secretBytes: editing?.secretBytes ?? ((_kind, size) => randomBytes(size)),
    async findHolder(collection, key, value) {
      const holder = await findBy(collection, key, value);
      return holder && removals.has(referenceTo(collection, holder)) ? undefined : holder;
    },
    reserveId(organization, application) {
      const key = `${organization}/${application}`;
      const id = reserved.get(key) ?? this.newId('applications');
      reserved.set(key, id);
      return id;
    },
    async findId(kind, organization, name) {
      if (kind === 'organization') return (await findBy('organizations', 'name', name))?.id;
      if (kind === 'role') return (await lookup.roles.findBy('name', `${organization}/${name}`))?.id;
      const application = await findNamed(organization, name);
      return application?.id ?? reserved.get(`${organization}/${name}`);
    },
    async roleNames(organization) {
      const names: string[] = [];
      for await (const { name } of eachNoun(store.roles, organization)) names.push(name);
      return names;
    },
    async findName(id) {
      const noun =
        (await lookup.roles.get(id)) ??
        (await lookup.organizations.get(id)) ??
        (await lookup.applications.get(id));
      return noun?.name;
    },
    async checkReferences() {
      for (const { collection, name, before, after } of steps) {
        for (const field of before ? findFixedChanges(collection, before, after) : []) {
          problems.push(`${name}: ${field} cannot be changed, make one with another name`);
        }
        const broken = await findBrokenReferences(collection, after, lookup, before);
        problems.push(...broken.map((sentence) => `${name} ${sentence}`));
      }
    },
  };
}
