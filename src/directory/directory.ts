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
  type Datasource,
  DEFAULT_HOST,
  type FaceName,
  isUrl,
  type Noun,
  type Organization,
  type Resource,
  type Role,
  TRUSTING,
  type User,
  type Webhook,
} from '../nouns/index.ts';
import { ORGANIZATION_CLIENT } from '../nouns/names.ts';
import { type DeviceAccess, NO_DEVICE_ACCESS } from '../permissions/device-access.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { type AlgChoices, gatherAlgChoices } from './alg-choices.ts';
import { eachNoun, findListed, findResourceSpelled, firstListed } from './collections.ts';
import type { FaceRules } from './face-rules.ts';
import { all, allOf, createFreshness, type Freshness } from './freshness.ts';
import { createMemory, type Finder, type Found, type Remember } from './memory.ts';
import { isLetIn, mayUseGrant } from './registered-applications.ts';

/** An application that may act: it and its organization are enabled. */
export interface ActiveApplication {
  readonly application: Application;
  readonly organization: Organization;
}

export type NamedApplication = Pick<Application, 'id' | 'name'>;

/** The directory at one revision: each answer is as of this revision or a later one, and stays the same. */
export interface DirectoryView {
  readonly revision: number;
  /**
   * The revision of the last change that concerns one of these organizations; never above `revision`. What was derived
   * from nouns of theirs alone holds until this grows.
   */
  revisionOf(...organizations: readonly string[]): number;
  /**
   * Undefined too when it or its organization is disabled. Several organizations may know an agent by one URL.
   * @param resource that the request names: its organization is asked about the agent. Without it one of several is not found.
   */
  findApplication(clientId: string, resource?: unknown): Promise<ActiveApplication | undefined>;
  findApplicationById(id: string): Promise<ActiveApplication | undefined>;
  findOrganization(id: string): Promise<Organization | undefined>;
  /** Undefined too when disabled. */
  findOrganizationNamed(name: string): Promise<Organization | undefined>;
  /** By its name in the organization; undefined too when it or its organization is disabled. */
  findApplicationNamed(organization: string, name: string): Promise<ActiveApplication | undefined>;
  /** The organization as a client of its own; undefined too when it has none, or one of them is disabled. */
  findOrganizationClient(organization: string): Promise<ActiveApplication | undefined>;
  /** The first of the organization that has a resource of its own. */
  findFirstApplication(organization: string): Promise<ActiveApplication | undefined>;
  /** The first enabled ones that operators made for an organization, as many as an answer names, without the organization as a client of its own. */
  findApplications(organization: string): Promise<readonly NamedApplication[]>;
  /** The enabled one that answers under a host: one that lists it, else the default one. @param host in lower case */
  findOrganizationOf(host: string): Promise<Organization | undefined>;
  /** @param identifier RFC 8707 resource indicator, in any spelling; undefined too when disabled */
  findResource(identifier: string): Promise<Resource | undefined>;
  findRole(id: string): Promise<Role | undefined>;
  /** Undefined too when it or its organization is disabled. */
  findDatasource(id: string): Promise<Datasource | undefined>;
  /** The enabled ones of an organization. */
  findDatasources(organization: string): Promise<readonly Datasource[]>;
  /** The enabled ones of an organization. */
  findWebhooks(organization: string): Promise<readonly Webhook[]>;
  /** Whether any enabled application lists the origin. */
  isListedOrigin(origin: string): Promise<boolean>;
  /** Names of grants that any enabled application may use. */
  grantsInUse(): Promise<ReadonlySet<string>>;
  /** Whether any enabled organization trusts an issuer of identity assertions. */
  trustsIssuers(): Promise<boolean>;
  /** The kinds of agents that any enabled organization lets in. */
  agentsInUse(): Promise<ReadonlySet<string>>;
  /** The signing algorithms of the tokens of resources and applications. */
  algChoices(): Promise<AlgChoices>;
  /** Faces that any enabled organization has switched on. */
  facesInUse(): Promise<ReadonlySet<FaceName>>;
  /** Whether one of them gives rights over devices. */
  usesDevices(): Promise<boolean>;
  /** What a user may do with devices. @param organization id */
  findDeviceRights(user: User, organization: string): Promise<DeviceAccess>;
}

export interface RequestView {
  readonly view: DirectoryView;
  /** Milliseconds: before the revision was read, so that a later change is seen to be later. */
  readonly asOf: number;
}

export interface Directory {
  /** Of the latest revision. */
  view(): Promise<DirectoryView>;
  /**
   * The view that everything about one request is decided by: of the latest revision when it was first asked for.
   * @param state of the request, which keeps it
   */
  viewFor(state: { viewing?: Promise<RequestView> }): Promise<RequestView>;
}

const PORT = /:\d{1,5}$/;

/** @param from beside the noun itself */
function toFound<T extends Noun & { readonly organization?: string }>(
  noun: T | undefined,
  ...from: readonly string[]
): Found<T> | undefined {
  // A built-in noun is derived from its organization.
  return noun && { value: noun, from: [isBuiltIn(noun) ? (noun.organization ?? noun.id) : noun.id, ...from] };
}

function createView(
  store: DirectoryStore,
  revision: number,
  remember: Remember,
  lastChangeOf: Freshness['lastChangeOf'],
  faceRules: readonly FaceRules[],
): DirectoryView {
  const organizations = remember('organization by id', async (id) =>
    toFound(await store.organizations.get(id)),
  );
  const above = remember('application by id', async (id) => toFound(await store.applications.get(id)));
  /** A registered application without the grants that the one it was registered through has lost; gone with that one. */
  const asThrough = async (application: Application): Promise<Application | undefined> => {
    if (application.registeredThrough === undefined) return application;
    const through = await above(application.registeredThrough);
    if (!through?.enabled) return undefined;
    const grants = application.grants.filter((grant) => mayUseGrant(grant, through, application));
    return { ...application, grants };
  };
  const findActive = async (
    stored: Application | undefined,
    ...from: readonly string[]
  ): Promise<Found<ActiveApplication> | undefined> => {
    const application = stored && (await asThrough(stored));
    if (!application?.enabled) return undefined;
    const organization = await organizations(application.organization);
    if (!organization?.enabled) return undefined;
    if (!isLetIn(application, organization)) return undefined;
    const { id, registeredThrough } = application;
    const through = registeredThrough === undefined ? [] : [registeredThrough];
    return { value: { application, organization }, from: [id, organization.id, ...through, ...from] };
  };
  const byClientId = remember('active application by client id', async (key) =>
    findActive(await store.applications.findBy('clientId', key)),
  );
  const agents = remember('agents by client id', async (clientId) => {
    const found = await firstListed(store.applications, 'agent', clientId);
    const value = (await Promise.all(found.map((agent) => findActive(agent)))).filter(
      (each) => each !== undefined,
    );
    // Strangers name URLs, and must not fill the memory.
    if (value.length === 0) return undefined;
    return { value: value.map((each) => each.value), from: [all('applications'), all('organizations')] };
  }) as Finder<readonly ActiveApplication[]>;
  const resourceSpelled = remember('enabled resource by identifier', async (identifier) => {
    const resource = await findResourceSpelled(store, identifier);
    if (!resource?.enabled) return undefined;
    // One that is spelled as it was asked for goes first, also if it is made later.
    return toFound(resource, ...(resource.identifier === identifier ? [] : [all('resources')]));
  });
  const findNamed = remember('active application by name', async (name) =>
    findActive(await store.applications.findBy('name', name)),
  );
  const hosts = remember('organization by host', async (host) => {
    for (const value of new Set([host, host.replace(PORT, ''), DEFAULT_HOST])) {
      const organization = await findListed(store.organizations, 'host', value);
      // Another one that lists a better fitting host goes first, also if it is made later.
      if (organization) return toFound(organization, all('organizations'));
    }
    return undefined;
  });
  const origins = remember('application by origin', async (origin) =>
    toFound(await findListed(store.applications, 'origin', origin)),
  );
  const trusting = remember('organization that trusts issuers', async (value) =>
    toFound(await findListed(store.organizations, 'trusting', value)),
  );
  /** What several nouns list, as one answer. */
  const rememberValues = <T extends object>(
    kind: string,
    collections: readonly CollectionName[],
    read: () => Promise<T>,
  ): (() => Promise<T>) => {
    const find = remember(kind, async () => ({ value: await read(), from: collections.map(all) }));
    return () => find('') as Promise<T>;
  };
  const facesInUse = rememberValues(
    'faces in use',
    ['organizations'],
    async () => new Set(await store.organizations.listedValues('face')),
  );
  const devicesOf = faceRules.find(({ findDeviceRights }) => findDeviceRights);
  return {
    revision,
    // Of a view that a change has overtaken, this is a number that no later view has.
    revisionOf: (...ids) => Math.min(revision, lastChangeOf(ids)),
    facesInUse,
    usesDevices: async () => devicesOf !== undefined && (await facesInUse()).has(devicesOf.name),
    findDeviceRights: async (user, organization) =>
      devicesOf?.findDeviceRights?.(user, await organizations(organization)) ?? NO_DEVICE_ACCESS,
    grantsInUse: rememberValues(
      'grants in use',
      ['applications'],
      async () => new Set(await store.applications.listedValues('grant')),
    ),
    trustsIssuers: async () => (await trusting(TRUSTING)) !== undefined,
    agentsInUse: rememberValues(
      'agents in use',
      ['organizations'],
      async () => new Set(await store.organizations.listedValues('agents')),
    ),
    algChoices: rememberValues('algorithm choices', ['applications', 'resources'], () =>
      gatherAlgChoices(store),
    ),
    isListedOrigin: async (origin) => (await origins(origin)) !== undefined,
    async findApplication(clientId, resource) {
      const found = await byClientId(clientId);
      // The key of an agent is more than its id, and must not be good as another id of it.
      const own = found?.application.clientId === clientId ? found : undefined;
      if (!isUrl(clientId)) return own;
      if (typeof resource === 'string') {
        const organization = (await resourceSpelled(resource))?.organization;
        if (organization === undefined || own?.organization.id === organization) return own;
        // What another organization calls its own application does not keep the agent out here.
        return (await byClientId(agentKey(organization, clientId))) ?? own;
      }
      if (own) return own;
      const [one, other] = (await agents(clientId)) ?? [];
      return other ? undefined : one;
    },
    findApplicationById: remember('active application by id', async (id) =>
      findActive(await store.applications.get(id)),
    ),
    findApplicationNamed: (organization, name) => findNamed(`${organization}/${name}`),
    findOrganizationClient: async (organization) => {
      const named = await findNamed(`${organization}/${ORGANIZATION_CLIENT}`);
      return named?.application.isOrganization ? named : undefined;
    },
    findFirstApplication: remember('first application', async (organization) =>
      findActive(
        await findListed(store.applications, 'ownResource', organization),
        allOf('applications', organization),
      ),
    ),
    findApplications: remember('applications of operators', async (organization) => {
      const found = await firstListed(store.applications, 'ofOperator', organization);
      const value = found.map(({ id, name }): NamedApplication => ({ id, name }));
      return { value, from: [allOf('applications', organization)] };
    }) as DirectoryView['findApplications'],
    findOrganization: organizations,
    findOrganizationNamed: remember('enabled organization by name', async (name) => {
      const organization = await store.organizations.findBy('name', name);
      return organization?.enabled ? toFound(organization) : undefined;
    }),
    findOrganizationOf: hosts,
    findResource: resourceSpelled,
    findDatasource: remember('active datasource by id', async (id) => {
      const datasource = await store.datasources.get(id);
      const organization = datasource?.enabled ? await organizations(datasource.organization) : undefined;
      return organization?.enabled ? toFound(datasource, organization.id) : undefined;
    }),
    findDatasources: remember('enabled datasources', async (organization) => {
      const found: Datasource[] = [];
      for await (const datasource of eachNoun(store.datasources, organization)) {
        if (datasource.enabled) found.push(datasource);
      }
      return { value: found, from: [allOf('datasources', organization)] };
    }) as DirectoryView['findDatasources'],
    findWebhooks: remember('enabled webhooks', async (organization) => {
      const found: Webhook[] = [];
      for await (const webhook of eachNoun(store.webhooks, organization))
        if (webhook.enabled) found.push(webhook);
      return { value: found, from: [allOf('webhooks', organization)] };
    }) as DirectoryView['findWebhooks'],
    findRole: remember('enabled role by id', async (id) => {
      const role = await store.roles.get(id);
      return role?.enabled ? toFound(role) : undefined;
    }),
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
}): Directory {
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
    viewFor(state) {
      state.viewing ??= look();
      return state.viewing;
    },
    view,
  };
}
