/**
 * Views of the directory over a store: one that kept what the changes do not concern answers as one that was made anew. The
 * changes are random and go past the rules of `changes.ts`, so that nouns also name what is gone.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createDirectory, type DirectoryView } from '../../src/directory/directory.ts';
import type { Application, Datasource, Organization, Resource, Role } from '../../src/nouns/index.ts';
import { ORGANIZATION_CLIENT } from '../../src/nouns/names.ts';
import { Conflict, type DirectoryStore } from '../../src/storage/contract.ts';
import { defined } from '../../src/storage/defined.ts';
import fc from '../support/properties.ts';
import type { OpenStore } from './storage.contract.ts';

const COLLECTIONS = ['organizations', 'applications', 'roles', 'resources', 'datasources'] as const;
type Name = (typeof COLLECTIONS)[number];
interface Step {
  readonly what: 'insert' | 'replace' | 'remove';
  readonly collection: Name;
  readonly which: number;
  /** Decides about each member. */
  readonly dice: number;
}

const STEP: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('insert', 'replace', 'replace', 'remove'),
  collection: fc.constantFrom('organizations', 'applications', 'applications', ...COLLECTIONS),
  which: fc.nat({ max: 50 }),
  dice: fc.nat(),
});

const NAMES = ['a', 'b', 'c'];
const HOSTS = ['a.example', 'b.example', 'c.example:81'];
const ORIGINS = ['https://x.example', 'https://y.example'];
const GRANTS = ['client_credentials', 'password', 'authorization_code'];
const IDENTIFIERS = ['https://r.example', 'https://r.example/', 'https://s.example/'];
const NOTHING = { isAdmin: false, tables: [] };
/** The latest. */
const NOUNS_ASKED_FOR = 15;

/** A history of changes, and what can be asked about the nouns in it. */
class History {
  readonly nouns: Record<Name, { id: string; version: number }[]> = {
    organizations: [],
    applications: [],
    roles: [],
    resources: [],
    datasources: [],
  };
  readonly ids = new Set<string>();
  readonly #stores: readonly DirectoryStore[];

  constructor(stores: readonly DirectoryStore[]) {
    this.#stores = stores;
  }

  #make(collection: Name, dice: number, before?: { id: string }) {
    let state = dice;
    const pick = <T>(values: readonly T[]): T => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return values[(state >> 8) % Math.max(1, values.length)] as T;
    };
    const some = <T>(values: readonly T[]): T[] => values.filter(() => pick([true, false]));
    const noun = { id: before?.id ?? randomUUID(), enabled: pick([true, true, true, false]), createdAt: 1 };
    const fixed = before as Application | undefined;
    const organization = fixed?.organization ?? (pick(this.nouns.organizations)?.id || 'none');
    const applications = this.nouns.applications as unknown as Application[];
    const through = pick([undefined, undefined, pick(applications)?.id]);
    switch (collection) {
      case 'organizations':
        return {
          ...noun,
          name: pick(NAMES),
          default: pick([true, false]),
          hosts: some(HOSTS),
          faces: { fusio: { enabled: pick([true, false]), registration: true } },
        } satisfies Omit<Organization, 'number' | 'version'>;
      case 'applications':
        return {
          ...noun,
          organization,
          name: pick([...NAMES, ORGANIZATION_CLIENT]),
          clientId: fixed?.clientId ?? pick(['x', 'y', 'z', randomUUID()]),
          realm: `application:${noun.id}`,
          authMethod: 'none',
          secrets: [],
          grants: some(GRANTS),
          scopes: [],
          redirectUris: [],
          postLogoutRedirectUris: [],
          allowedOrigins: some(ORIGINS),
          native: false,
          ceilings: [],
          introspects: [],
          mayExchange: [],
          ...defined({
            resource: pick([undefined, 'https://r.example/']),
            isOrganization: pick([undefined, true]),
            owner: fixed ? fixed.owner : pick([undefined, undefined, 'someone']),
            registeredThrough: fixed ? fixed.registeredThrough : through,
            idTokenAlg: pick([undefined, 'ES256', 'EdDSA'] as const),
          }),
        } satisfies Omit<Application, 'number' | 'version'>;
      case 'roles':
        return {
          ...noun,
          organization,
          name: pick(NAMES),
          default: pick([true, false]),
          resource: 'https://r.example/',
          scopes: some(['s', 't']),
          permissions: NOTHING,
        } satisfies Omit<Role, 'number' | 'version'>;
      case 'resources':
        return {
          ...noun,
          organization,
          identifier: (fixed as unknown as Resource)?.identifier ?? pick(IDENTIFIERS),
          name: pick(NAMES),
          catalogue: 'open',
          tables: [],
          scopes: [],
          token: { format: 'jwt', ttl: 60, alg: pick(['ES256', 'PS256'] as const), overflow: 'refuse' },
        } satisfies Omit<Resource, 'number' | 'version'>;
      default:
        return {
          ...noun,
          organization,
          name: pick(NAMES),
          kind: 'sqlite',
          file: 'f.db',
          insecurePasswords: pick([true, false]),
          userTables: [],
        } satisfies Omit<Datasource, 'number' | 'version'>;
    }
  }

  async take({ what, collection, which, dice }: Step): Promise<void> {
    const store = this.#stores[which % this.#stores.length]![collection] as unknown as {
      insert(noun: object): Promise<{ id: string; version: number }>;
      replace(noun: object): Promise<{ id: string; version: number }>;
      remove(id: string, version: number): Promise<void>;
    };
    const nouns = this.nouns[collection];
    const at = which % Math.max(1, nouns.length);
    const before = nouns[at];
    try {
      if (what === 'insert' || !before) {
        const made = await store.insert(this.#make(collection, dice));
        nouns.push(made);
        this.ids.add(made.id);
        const [oldest] = this.ids;
        if (oldest !== undefined && this.ids.size > NOUNS_ASKED_FOR) this.ids.delete(oldest);
      } else if (what === 'replace') {
        nouns.splice(nouns.indexOf(before), 1);
        nouns.push(await store.replace({ ...before, ...this.#make(collection, dice, before) }));
      } else {
        nouns.splice(nouns.indexOf(before), 1);
        await store.remove(before.id, before.version);
      }
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      if (before && what === 'replace') nouns.push(before);
    }
  }

  /** Each question that a view answers, about all that there is and was. */
  async ask(view: DirectoryView): Promise<Record<string, unknown>> {
    const answers: Record<string, unknown> = {};
    const note = async (question: string, answer: Promise<unknown>) => {
      const found = await answer;
      answers[question] = found instanceof Set ? [...found].sort() : found;
    };
    await Promise.all([
      ...['x', 'y', 'z'].map((id) => note(`client ${id}`, view.findApplication(id))),
      ...[...this.ids].flatMap((id) => [
        note(`application ${id}`, view.findApplicationById(id)),
        note(`organization ${id}`, view.findOrganization(id)),
        note(`role ${id}`, view.findRole(id)),
        note(`datasource ${id}`, view.findDatasource(id)),
        note(`client of ${id}`, view.findOrganizationClient(id)),
        note(`first of ${id}`, view.findFirstApplication(id)),
        note(`applications of ${id}`, view.findApplications(id)),
        note(`datasources of ${id}`, view.findDatasources(id)),
        ...NAMES.map((name) => note(`application ${id}/${name}`, view.findApplicationNamed(id, name))),
      ]),
      ...NAMES.map((name) => note(`organization ${name}`, view.findOrganizationNamed(name))),
      ...[...HOSTS, 'b.example:82', 'other.example'].map((host) =>
        note(`host ${host}`, view.findOrganizationOf(host)),
      ),
      ...IDENTIFIERS.map((identifier) => note(`resource ${identifier}`, view.findResource(identifier))),
      ...ORIGINS.map((origin) => note(`origin ${origin}`, view.isListedOrigin(origin))),
      note('grants', view.grantsInUse()),
      note('faces', view.facesInUse()),
      note('algs', view.algChoices()),
    ]);
    return answers;
  }
}

/** @param runs histories in each test */
export function directoryContract(store: string, openEmpty: () => Promise<OpenStore>, runs: number): void {
  describe(`views of the directory on ${store}`, () => {
    let open: OpenStore;
    let stores: DirectoryStore[];
    const now = () => 1;
    const fresh = () => createDirectory({ store: stores[2]!, faceRules: [], now }).view();

    beforeEach(async () => {
      open = await openEmpty();
      stores = [open.storage.directory, (await open.another()).directory, (await open.another()).directory];
    });
    afterEach(() => open.close());

    /** Later histories go on with what earlier ones left in the store. */
    const histories = (property: (steps: Step[]) => Promise<void>, maxLength: number) =>
      fc.assert(fc.asyncProperty(fc.array(STEP, { minLength: maxLength / 2, maxLength }), property), {
        numRuns: runs,
        endOnFailure: true,
      });

    test('after each change every process answers as if it had kept nothing', async () => {
      const history = new History(stores);
      const processes = stores
        .slice(0, 2)
        .map((each) => createDirectory({ store: each, faceRules: [], now }));
      await histories(async (steps) => {
        for (const step of steps) {
          await history.take(step);
          const expected = await history.ask(await fresh());
          for (const directory of processes) {
            assert.deepEqual(await history.ask(await directory.view()), expected);
          }
        }
      }, 12);
    });

    test('answers that were read during changes do not outlive them', async () => {
      const history = new History(stores);
      const processes = stores
        .slice(0, 2)
        .map((each) => createDirectory({ store: each, faceRules: [], now }));
      await histories(async (steps) => {
        const asking = processes.map(async (directory) => {
          for (let turn = 0; turn < 4; turn += 1) await history.ask(await directory.view());
        });
        // Two histories at once would give one noun two writers.
        const changing = (async () => {
          for (const step of steps) await history.take(step);
        })();
        await Promise.all([...asking, changing]);
        const expected = await history.ask(await fresh());
        for (const directory of processes) {
          assert.deepEqual(await history.ask(await directory.view()), expected);
        }
      }, 12);
    });
  });
}
