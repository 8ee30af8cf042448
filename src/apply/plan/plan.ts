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
import { collectionOf, type Lookup } from '../../directory/collections.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Nouns,
  type OfOrganization,
  type Resource,
  type UniqueKey,
  uniqueValuesOf,
} from '../../nouns/index.ts';
import type { ManagedBy, Referred } from '../../nouns/noun.ts';
import { referenceTo } from '../../nouns/references.ts';
import type { Targets } from '../../outgoing/targets.ts';
import { Conflict, type DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { WebhookSecrets } from '../../webhooks/secrets.ts';
import type { ApplyAdministrator } from '../schema.ts';
import { TAKEN } from './taken.ts';

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

export interface Planning extends ApplyDeps, PasswordOptions {
  /** Of the file. */
  readonly administrators?: readonly ApplyAdministrator[] | undefined;
}

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
  /** As people know it: `application acme/shop`. */
  readonly name: string;
  readonly noun: Nouns[C];
}

/** One noun that the file leaves out. */
export type Removal = PlannedNoun<OfOrganization>;

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

/** What this makes may be removed by a later file. */
export const APPLYING = { managedBy: 'apply' } as const;

export class Plan {
  readonly store: DirectoryStore;
  /** Of the server, which names its built-in resources. */
  readonly issuer: string;
  readonly steps: Step[] = [];
  /** Names of what is as the file wants it. */
  readonly unchanged: string[] = [];
  /** What the file leaves out and goes, by what others name it: its id, or the identifier of a resource. */
  readonly removals = new Map<string, Removal>();
  /** Of the file, whether they change or not, by id. */
  readonly nouns = new Map<string, PlannedNoun>();
  /** Sentences; with any of them nothing is written. */
  readonly problems: string[] = [];
  /** Sentences about what the file says and what is not done. */
  readonly notes: string[] = [];
  /** The nouns as they will be. */
  readonly lookup: Lookup;
  readonly #editing: Editing | undefined;
  /** Nouns of the file, whether they change or not, by the values of each of their unique keys. */
  readonly #byKey = new Map<string, Map<string, Nouns[CollectionName]>>();
  readonly #reserved = new Map<string, string>();

  constructor(store: DirectoryStore, issuer: string, editing?: Editing) {
    this.store = store;
    this.issuer = issuer;
    this.#editing = editing;
    const planned = Object.fromEntries(
      COLLECTIONS.map((collection): [CollectionName, object] => [
        collection,
        {
          get: (id: string) => this.#find(collection, id),
          findBy: (key: UniqueKey<typeof collection>, value: string) => this.#findBy(collection, key, value),
        },
      ]),
    ) as unknown as Lookup;
    // An organization of the file has built-in nouns too.
    this.lookup = withBuiltIns(planned, issuer);
  }

  async #find<C extends CollectionName>(collection: C, id: string): Promise<Nouns[C] | undefined> {
    const known = this.nouns.get(id);
    if (known?.collection === collection) return known.noun as Nouns[C];
    return collectionOf(this.store, collection).get(id);
  }

  async #findBy<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const known = this.findPlanned(collection, key, value) as Nouns[C] | undefined;
    return known ?? this.#findOutside(collection, key, value);
  }

  /** A noun of the store that the file does not list. */
  async #findOutside<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const stored = await collectionOf(this.store, collection).findBy(key, value);
    return stored && this.nouns.has(stored.id) ? undefined : stored;
  }

  #known(collection: CollectionName, key: string): Map<string, Nouns[CollectionName]> {
    const known = this.#byKey.get(`${collection} ${key}`) ?? new Map<string, Nouns[CollectionName]>();
    this.#byKey.set(`${collection} ${key}`, known);
    return known;
  }

  #isEdited(collection: CollectionName): boolean {
    return this.#editing?.collection === collection;
  }

  /** @param wanted `id` and `createdAt` come from the one before, if there is one */
  add<C extends CollectionName>(
    collection: C,
    name: string,
    before: Nouns[C] | undefined,
    wanted: New<Nouns[C]>,
    extras: Extras = {},
  ): Nouns[C] {
    const { managedBy } = this.#editing ?? APPLYING;
    const after = {
      ...wanted,
      id: before?.id ?? wanted.id ?? this.newId(collection),
      number: before?.number ?? 0,
      version: before?.version ?? 0,
      createdAt: before?.createdAt ?? wanted.createdAt ?? 0,
      managedBy: before ? managerOf(before, { managedBy }) : managedBy,
    } as unknown as Nouns[C];
    this.nouns.set(after.id, { collection, name, noun: after });
    for (const [key, value] of uniqueValuesOf(collection, after)) {
      const other = this.findPlanned(collection, key, value);
      if (other && other.id !== after.id) this.problems.push(`${name}: ${TAKEN[key]?.(value, other)}`);
      else this.#known(collection, key).set(value, after);
    }
    const isSame = before && isDeepStrictEqual(before, after) && extras.password === undefined;
    if (isSame) this.unchanged.push(name);
    else this.steps.push({ collection, name, ...defined({ before }), after, ...extras } as unknown as Step);
    return after;
  }

  /** The nouns of a collection that are added or changed, as they will be. */
  changed<C extends CollectionName>(of: C): Nouns[C][] {
    return this.steps.flatMap(({ collection, after }) => (collection === of ? [after as Nouns[C]] : []));
  }

  /** One that is not there is a problem. @param what asks for it: `user acme/ada` */
  async findApplication(what: string, organization: string, name: string): Promise<Application | undefined> {
    const found = await this.lookup.applications.findBy('name', `${organization}/${name}`);
    if (!found) this.problems.push(`${what}: the organization has no application ${name}`);
    return found;
  }

  /** Undefined also for another organization's, so that what is said of rights does not tell what others have. */
  async findResource(organization: string, identifier: string): Promise<Resource | undefined> {
    const found = await this.lookup.resources.findBy('identifier', identifier);
    return found?.organization === organization ? found : undefined;
  }

  /** The noun of the file that will have the value. */
  findPlanned(collection: CollectionName, key: string, value: string): Nouns[CollectionName] | undefined {
    return this.#known(collection, key).get(value);
  }

  /** Who will have the value, in the file or in the store. */
  async findHolder<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const planned = this.findPlanned(collection, key, value) as Nouns[C] | undefined;
    return planned ?? this.#findKeeper(collection, key, value);
  }

  /** A noun of the store that the file neither lists nor removes. */
  async #findKeeper<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const holder = await this.#findOutside(collection, key, value);
    return holder && this.removals.has(referenceTo(collection, holder)) ? undefined : holder;
  }

  /**
   * The noun that an entry speaks of, by its name in the store; where one noun is edited, that noun.
   * @throws Conflict when another one than the edited has the name
   */
  async findBefore<C extends CollectionName>(
    collection: C,
    key: UniqueKey<C>,
    value: string,
  ): Promise<Nouns[C] | undefined> {
    const named = await collectionOf(this.store, collection).findBy(key, value);
    if (!this.#isEdited(collection)) return named;
    const edited = this.#editing?.before as typeof named;
    if (named && named.id !== edited?.id) throw new Conflict(key);
    return edited;
  }

  /** Of a noun that is made. */
  newId(collection: CollectionName): string {
    return this.#editing?.collection === collection ? this.#editing.id : randomUUID();
  }

  /** Whether the entry of the edited noun had the key and has it no more. */
  isCleared(collection: CollectionName, key: string): boolean {
    return this.#isEdited(collection) && this.#editing?.cleared.has(key) === true;
  }

  /** Bytes that a secret of a noun is made of. */
  secretBytes(kind: GeneratedSecret['kind'], size: number): Buffer {
    return this.#editing?.secretBytes(kind, size) ?? randomBytes(size);
  }

  /**
   * Under which an application or a user is added that others of the file may name before.
   * @param key its unique key `name` or `username`
   */
  reserveId(collection: 'applications' | 'users', key: string): string {
    const id = this.#reserved.get(key) ?? this.newId(collection);
    this.#reserved.set(key, id);
    return id;
  }

  findReservedId(key: string): string | undefined {
    return this.#reserved.get(key);
  }

  /** Of an organization, or of an application or role of the organization. */
  async findId(kind: Referred, organization: string, name: string): Promise<string | undefined> {
    if (kind === 'organization') return (await this.#findBy('organizations', 'name', name))?.id;
    const key = `${organization}/${name}`;
    if (kind === 'role') return (await this.lookup.roles.findBy('name', key))?.id;
    return (await this.lookup.applications.findBy('name', key))?.id ?? this.#reserved.get(key);
  }

  /** Of a role, an organization, an application or a user, which nouns name by id. */
  async findName(id: string): Promise<string | undefined> {
    const { roles, organizations, applications, users } = this.lookup;
    const noun = (await roles.get(id)) ?? (await organizations.get(id)) ?? (await applications.get(id));
    return noun?.name ?? (await users.get(id))?.username;
  }

  /** Adds to `problems` what steps say of others that is not so, and what they take from those that keep it. */
  async checkReferences(): Promise<void> {
    const findBy: Lookup['users']['findBy'] = (key, value) => this.findHolder('users', key, value);
    const lookup: Lookup = { ...this.lookup, users: { ...this.lookup.users, findBy } };
    for (const { collection, name, before, after } of this.steps) {
      for (const field of before ? findFixedChanges(collection, before, after) : []) {
        const advice = (after as Partial<Application>).isOrganization
          ? '. First remove the client, which is the application named organization'
          : ', make one with another name';
        this.problems.push(`${name}: ${field} cannot be changed${advice}`);
      }
      const broken = await findBrokenReferences(collection, after, lookup, before);
      this.problems.push(...broken.map((sentence) => `${name} ${sentence}`));
      for (const [key, value] of uniqueValuesOf(collection, after)) {
        const keeper = TAKEN[key] && (await this.#findKeeper(collection, key as never, value));
        if (!keeper) continue;
        // A party that changes one noun need not be able to read others.
        this.problems.push(`${name}: ${TAKEN[key]?.(value, this.#editing ? undefined : keeper)}`);
      }
    }
  }
}
