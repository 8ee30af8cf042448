/**
 * The directory: organizations, applications, roles, resources and users, and finding them by name. It leaves writing to
 * `changes`, what is allowed to `rights`, people and passwords to `accounts`. It knows no HTTP.
 *
 * This file: reading. Everything but users is read through a view of one revision. The store's revision is asked at
 * each request, so what one process changed holds in the others at once. A new view reads again only what the changes since
 * the last view concern. No question looks at all nouns of the server.
 */

import { isBuiltIn } from '../nouns/built-in.ts';
import {
  type Application,
  agentKey,
  type CollectionName,
  DEFAULT_HOST,
  isUrl,
  type ListedKey,
  type Noun,
  type Nouns,
  type Organization,
  TRUSTING,
  type User,
} from '../nouns/index.ts';
import { ORGANIZATION_CLIENT } from '../nouns/names.ts';
import { type DeviceAccess, NO_DEVICE_ACCESS } from '../permissions/device-access.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { gatherAlgChoices } from './alg-choices.ts';
import { collectionOf, eachNoun, findListed, findResourceSpelled, firstListed } from './collections.ts';
import type { FaceRules } from './face-rules.ts';
import { all, allOf, createFreshness, type Freshness } from './freshness.ts';
import { createMemory, type Found, type Remember } from './memory.ts';
import { isLetIn, mayUseGrant } from './registered-applications.ts';

/** An application that may act: it and its organization are enabled. */
export interface ActiveApplication {
  readonly application: Application;
  readonly organization: Organization;
}

export type NamedApplication = Pick<Application, 'id' | 'name'>;

export type DirectoryView = ReturnType<typeof createView>;

export interface RequestView {
  readonly view: DirectoryView;
  /** Milliseconds: before the revision was read, so that a later change is seen to be later. */
  readonly asOf: number;
}

export type Directory = ReturnType<typeof createDirectory>;

const PORT = /:\d{1,5}$/;

/** @param from beside the noun itself */
function toFound<T extends Noun & { readonly organization?: string }>(
  noun: T | undefined,
  ...from: readonly string[]
): Found<T> | undefined {
  // A built-in noun is derived from its organization.
  return noun && { value: noun, from: [isBuiltIn(noun) ? (noun.organization ?? noun.id) : noun.id, ...from] };
}

/** The directory at one revision: each answer is as of this revision or a later one, and stays the same. */
function createView(
  store: DirectoryStore,
  revision: number,
  remember: Remember,
  lastChangeOf: Freshness['lastChangeOf'],
  faceRules: readonly FaceRules[],
) {
  const { applications, organizations } = store;

  const findOrganization = remember('organization by id', async (id) => toFound(await organizations.get(id)));

  const above = remember('application by id', async (id) => toFound(await applications.get(id)));

  /** A registered application without the grants that the one it was registered through has lost; gone with that one. */
  async function asThrough(application: Application): Promise<Application | undefined> {
    if (application.registeredThrough === undefined) return application;
    const through = await above(application.registeredThrough);
    if (!through?.enabled) return undefined;
    const grants = application.grants.filter((grant) => mayUseGrant(grant, through, application));
    return { ...application, grants };
  }

  async function findActive(
    stored: Application | undefined,
    ...from: readonly string[]
  ): Promise<Found<ActiveApplication> | undefined> {
    const application = stored && (await asThrough(stored));
    if (!application?.enabled) return undefined;
    const organization = await findOrganization(application.organization);
    if (!organization?.enabled || !isLetIn(application, organization)) return undefined;
    const { id, registeredThrough } = application;
    const through = registeredThrough === undefined ? [] : [registeredThrough];
    return { value: { application, organization }, from: [id, organization.id, ...through, ...from] };
  }

  const byClientId = remember('active application by client id', async (key) =>
    findActive(await applications.findBy('clientId', key)),
  );

  const agents = remember('agents by client id', async (clientId) => {
    const found = await firstListed(applications, 'agent', clientId);
    const active = await Promise.all(found.map((agent) => findActive(agent)));
    const value = active.flatMap((each) => (each ? [each.value] : []));
    // Strangers name URLs, and must not fill the memory.
    return value.length === 0 ? undefined : { value, from: [all('applications'), all('organizations')] };
  });

  const byName = remember('active application by name', async (name) =>
    findActive(await applications.findBy('name', name)),
  );

  const origins = remember('application by origin', async (origin) =>
    toFound(await findListed(applications, 'origin', origin)),
  );

  const trusting = remember('organization that trusts issuers', async (value) =>
    toFound(await findListed(organizations, 'trusting', value)),
  );

  /** @param identifier RFC 8707 resource indicator, in any spelling; undefined too when disabled */
  const findResource = remember('enabled resource by identifier', async (identifier) => {
    const resource = await findResourceSpelled(store, identifier);
    if (!resource?.enabled) return undefined;
    // One that is spelled as it was asked for goes first, also if it is made later.
    return toFound(resource, ...(resource.identifier === identifier ? [] : [all('resources')]));
  });

  /** What several nouns list, as one answer. */
  const rememberValues = <T extends object>(
    kind: string,
    collections: readonly CollectionName[],
    read: () => Promise<T>,
  ): (() => Promise<T>) => {
    const find = remember(kind, async () => ({ value: await read(), from: collections.map(all) }));
    return () => find('');
  };

  const valuesInUse = (name: 'applications' | 'organizations', key: ListedKey) =>
    rememberValues(
      `${key} in use`,
      [name],
      async (): Promise<ReadonlySet<string>> => new Set(await store[name].listedValues(key)),
    );

  /** The enabled ones of an organization. */
  const enabledOf = <C extends 'datasources' | 'webhooks'>(name: C) =>
    remember(`enabled ${name}`, async (organization): Promise<Found<readonly Nouns[C][]>> => {
      const value: Nouns[C][] = [];
      for await (const noun of eachNoun<Nouns[C]>(collectionOf(store, name), organization)) {
        if (noun.enabled) value.push(noun);
      }
      return { value, from: [allOf(name, organization)] };
    });

  const devicesOf = faceRules.find(({ findDeviceRights }) => findDeviceRights);
  /** Faces that any enabled organization has switched on. */
  const facesInUse = valuesInUse('organizations', 'face');

  return {
    revision,
    /**
     * The revision of the last change that concerns one of these organizations; never above `revision`. What was derived
     * from nouns of theirs alone holds until this grows.
     */
    // Of a view that a change has overtaken, this is a number that no later view has.
    revisionOf: (...ids: readonly string[]): number => Math.min(revision, lastChangeOf(ids)),
    /**
     * Undefined too when it or its organization is disabled. Several organizations may know an agent by one URL.
     * @param resource that the request names: its organization is asked about the agent. Without it one of several is not found.
     */
    async findApplication(clientId: string, resource?: unknown): Promise<ActiveApplication | undefined> {
      const found = await byClientId(clientId);
      // The key of an agent is more than its id, and must not be good as another id of it.
      const own = found?.application.clientId === clientId ? found : undefined;
      if (!isUrl(clientId)) return own;
      if (typeof resource === 'string') {
        const organization = (await findResource(resource))?.organization;
        if (organization === undefined || own?.organization.id === organization) return own;
        // What another organization calls its own application does not keep the agent out here.
        return (await byClientId(agentKey(organization, clientId))) ?? own;
      }
      if (own) return own;
      const [one, other] = (await agents(clientId)) ?? [];
      return other ? undefined : one;
    },
    findApplicationById: remember('active application by id', async (id) =>
      findActive(await applications.get(id)),
    ),
    /** By its name in the organization; undefined too when it or its organization is disabled. */
    findApplicationNamed: (organization: string, name: string) => byName(`${organization}/${name}`),
    /** The organization as a client of its own; undefined too when it has none, or one of them is disabled. */
    async findOrganizationClient(organization: string): Promise<ActiveApplication | undefined> {
      const named = await byName(`${organization}/${ORGANIZATION_CLIENT}`);
      return named?.application.isOrganization ? named : undefined;
    },
    /** The first of the organization that has a resource of its own. */
    findFirstApplication: remember('first application', async (organization) =>
      findActive(
        await findListed(applications, 'ownResource', organization),
        allOf('applications', organization),
      ),
    ),
    /** The first enabled ones that operators made for an organization, as many as an answer names, without the organization as a client of its own. */
    findApplications: remember('applications of operators', async (organization) => {
      const found = await firstListed(applications, 'ofOperator', organization);
      const value: readonly NamedApplication[] = found.map(({ id, name }) => ({ id, name }));
      return { value, from: [allOf('applications', organization)] };
    }),
    findOrganization,
    /** Undefined too when disabled. */
    findOrganizationNamed: remember('enabled organization by name', async (name) => {
      const organization = await organizations.findBy('name', name);
      return organization?.enabled ? toFound(organization) : undefined;
    }),
    /** The enabled one that answers under a host: one that lists it, else the default one. @param host in lower case */
    findOrganizationOf: remember('organization by host', async (host) => {
      for (const value of new Set([host, host.replace(PORT, ''), DEFAULT_HOST])) {
        const organization = await findListed(organizations, 'host', value);
        // Another one that lists a better fitting host goes first, also if it is made later.
        if (organization) return toFound(organization, all('organizations'));
      }
      return undefined;
    }),
    findResource,
    findRole: remember('enabled role by id', async (id) => {
      const role = await store.roles.get(id);
      return role?.enabled ? toFound(role) : undefined;
    }),
    /** Undefined too when it or its organization is disabled. */
    findDatasource: remember('active datasource by id', async (id) => {
      const datasource = await store.datasources.get(id);
      const organization = datasource?.enabled ? await findOrganization(datasource.organization) : undefined;
      return organization?.enabled ? toFound(datasource, organization.id) : undefined;
    }),
    findDatasources: enabledOf('datasources'),
    findWebhooks: enabledOf('webhooks'),
    /** Whether any enabled application lists the origin. */
    isListedOrigin: async (origin: string) => (await origins(origin)) !== undefined,
    /** Names of grants that any enabled application may use. */
    grantsInUse: valuesInUse('applications', 'grant'),
    /** Whether any enabled organization trusts an issuer of identity assertions. */
    trustsIssuers: async () => (await trusting(TRUSTING)) !== undefined,
    /** The kinds of agents that any enabled organization lets in. */
    agentsInUse: valuesInUse('organizations', 'agents'),
    /** The signing algorithms of the tokens of resources and applications. */
    algChoices: rememberValues('algorithm choices', ['applications', 'resources'], () =>
      gatherAlgChoices(store),
    ),
    facesInUse,
    /** Whether one of them gives rights over devices. */
    usesDevices: async () => devicesOf !== undefined && (await facesInUse()).has(devicesOf.name),
    /** What a user may do with devices. @param organization id */
    findDeviceRights: async (user: User, organization: string): Promise<DeviceAccess> =>
      devicesOf?.findDeviceRights?.(user, await findOrganization(organization)) ?? NO_DEVICE_ACCESS,
  };
}

export function createDirectory({
  store,
  faceRules,
  now,
}: {
  store: DirectoryStore;
  faceRules: readonly FaceRules[];
  /** Milliseconds. */
  now: () => number;
}) {
  const freshness = createFreshness();
  const rememberSince = createMemory(freshness);
  let latest: DirectoryView | undefined;
  let cursor: string | undefined;
  let advancing: Promise<void> | undefined;

  /** @param revision that was read before */
  async function advance(revision: number): Promise<void> {
    const { changes, cursor: next } = await store.changesSince(cursor);
    freshness.note(changes, revision);
    cursor = next;
    latest = createView(store, revision, rememberSince(revision), freshness.lastChangeOf, faceRules);
  }

  /** Of the latest revision. */
  async function view(): Promise<DirectoryView> {
    const revision = await store.revision();
    // A slower reader must not bring back a view older than the one that is there.
    while (!latest || latest.revision < revision) {
      advancing ??= advance(revision).finally(() => {
        advancing = undefined;
      });
      await advancing;
    }
    return latest;
  }

  async function look(): Promise<RequestView> {
    const asOf = now();
    return { view: await view(), asOf };
  }

  return {
    /**
     * The view that everything about one request is decided by: of the latest revision when it was first asked for.
     * @param state of the request, which keeps it
     */
    viewFor(state: { viewing?: Promise<RequestView> }): Promise<RequestView> {
      state.viewing ??= look();
      return state.viewing;
    },
    view,
  };
}
