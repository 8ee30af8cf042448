/**
 * The directory: organizations, applications, roles, resources and users; who a person is and what rights they have.
 * It leaves tokens to `registry` and `grants`, and knows no HTTP. It serves no routes.
 *
 * This file: reading. Everything but users is read through a view of one revision, kept in memory until the store's
 * revision changes, which is asked at each request: what one process changed holds in the others at once.
 */
import { LRUCache } from 'lru-cache';
import { ORGANIZATION_CLIENT } from '../nouns/names.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { Application, Datasource, FaceName, Organization, Resource, Role } from '../storage/nouns.ts';
import { type AlgChoices, gatherAlgChoices } from './alg-choices.ts';
import { eachNoun, findResourceSpelled } from './collections.ts';
import { mayUseGrant } from './registered-applications.ts';

/** Nouns of one kind kept in memory; more are read again when needed. */
const NOUNS_KEPT = 5_000;

/** An application that may act: it and its organization are enabled. */
export interface ActiveApplication {
  readonly application: Application;
  readonly organization: Organization;
}

/** The directory at one revision. */
export interface DirectoryView {
  readonly revision: number;
  /**
   * The revision of the last change that concerns one of these organizations; never above `revision`. What was derived
   * from nouns of theirs alone holds until this grows.
   */
  revisionOf(...organizations: readonly string[]): number;
  /** Undefined too when it or its organization is disabled. */
  findApplication(clientId: string): Promise<ActiveApplication | undefined>;
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
  /** The enabled ones of an organization. */
  findApplications(organization: string): Promise<readonly Application[]>;
  /** The enabled one that answers under a host: one that lists it, else the default one. @param host in lower case */
  findOrganizationOf(host: string): Promise<Organization | undefined>;
  /** @param identifier RFC 8707 resource indicator, in any spelling; undefined too when disabled */
  findResource(identifier: string): Promise<Resource | undefined>;
  findRole(id: string): Promise<Role | undefined>;
  /** Undefined too when it or its organization is disabled. */
  findDatasource(id: string): Promise<Datasource | undefined>;
  /** The enabled ones of an organization. */
  findDatasources(organization: string): Promise<readonly Datasource[]>;
  /** Origins that any enabled application lists. */
  allowedOrigins(): Promise<ReadonlySet<string>>;
  /** Names of grants that any enabled application may use. */
  grantsInUse(): Promise<ReadonlySet<string>>;
  /** The signing algorithms of the tokens of resources and applications. */
  algChoices(): Promise<AlgChoices>;
  /** Faces that any enabled organization has switched on. */
  facesInUse(): Promise<ReadonlySet<FaceName>>;
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

type Loader<T> = (key: string) => Promise<T | undefined>;

/** A miss is not kept: rows that are not there must not push out those that are. */
function remembering<T extends object>(load: Loader<T>): Loader<T> {
  const kept = new LRUCache<string, T>({ max: NOUNS_KEPT });
  return async (key) => {
    const known = kept.get(key);
    if (known) return known;
    const noun = await load(key);
    if (noun) kept.set(key, noun);
    return noun;
  };
}

/** Keeps the answer, not a failure to get it. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

const PAGE_SIZE = 500;

/** What a question about all enabled applications needs of each, gathered once per revision. */
async function gather(
  store: DirectoryStore,
  pick: (application: Application) => readonly string[],
): Promise<ReadonlySet<string>> {
  const gathered = new Set<string>();
  let after: string | undefined;
  do {
    const page = await store.applications.page(defined({ limit: PAGE_SIZE, after }));
    for (const application of page.items) {
      if (application.enabled) for (const value of pick(application)) gathered.add(value);
    }
    after = page.next;
  } while (after !== undefined);
  return gathered;
}

const PORT = /:\d{1,5}$/;
/** No host is called so. */
const DEFAULT = '';

/** Enabled organizations by their hosts, and the default one. */
async function gatherHosts(store: DirectoryStore): Promise<ReadonlyMap<string, Organization>> {
  const found = new Map<string, Organization>();
  for await (const organization of eachNoun(store.organizations)) {
    if (!organization.enabled) continue;
    for (const host of organization.hosts) found.set(host, organization);
    if (organization.default) found.set(DEFAULT, organization);
  }
  return found;
}

function createView(store: DirectoryStore, revision: number): DirectoryView {
  const hosts = once(() => gatherHosts(store));
  const organizations = remembering((id) => store.organizations.get(id));
  const above = remembering((id) => store.applications.get(id));
  const active = async (stored: Application | undefined): Promise<ActiveApplication | undefined> => {
    const application = stored && (await asThrough(stored));
    if (!application?.enabled) return undefined;
    const organization = await organizations(application.organization);
    return organization?.enabled ? { application, organization } : undefined;
  };
  /** A registered application without the grants that the one it was registered through has lost; gone with that one. */
  const asThrough = async (application: Application): Promise<Application | undefined> => {
    if (application.registeredThrough === undefined) return application;
    const through = await above(application.registeredThrough);
    if (!through?.enabled) return undefined;
    return { ...application, grants: application.grants.filter((grant) => mayUseGrant(grant, through)) };
  };
  const findNamed = remembering(async (name) => active(await store.applications.findBy('name', name)));
  const findApplications = remembering(async (organization) => {
    const found: Application[] = [];
    for await (const application of eachNoun(store.applications, organization)) {
      if (application.enabled) found.push(application);
    }
    return found;
  });
  return {
    revision,
    revisionOf: () => revision,
    facesInUse: once(async () => {
      const names = new Set<FaceName>();
      for await (const { enabled, faces = {} } of eachNoun(store.organizations)) {
        for (const [name, face] of Object.entries(faces)) {
          if (enabled && face.enabled) names.add(name as FaceName);
        }
      }
      return names;
    }),
    allowedOrigins: once(() => gather(store, ({ allowedOrigins }) => allowedOrigins)),
    grantsInUse: once(() => gather(store, ({ grants }) => grants)),
    algChoices: once(() => gatherAlgChoices(store)),
    findApplication: remembering(async (clientId) =>
      active(await store.applications.findBy('clientId', clientId)),
    ),
    findApplicationById: remembering(async (id) => active(await store.applications.get(id))),
    findApplicationNamed: async (organization, name) => findNamed(`${organization}/${name}`),
    findOrganizationClient: async (organization) => {
      const named = await findNamed(`${organization}/${ORGANIZATION_CLIENT}`);
      return named?.application.isOrganization ? named : undefined;
    },
    findFirstApplication: remembering(async (organization) => {
      for await (const application of eachNoun(store.applications, organization)) {
        const { enabled, resource, isOrganization, owner } = application;
        const isOwn = !isOrganization && owner === undefined;
        if (enabled && resource !== undefined && isOwn) return active(application);
      }
      return undefined;
    }),
    findApplications: findApplications as DirectoryView['findApplications'],
    findOrganization: organizations,
    findOrganizationNamed: remembering(async (name) => {
      const organization = await store.organizations.findBy('name', name);
      return organization?.enabled ? organization : undefined;
    }),
    findOrganizationOf: async (host) => {
      const known = await hosts();
      return known.get(host) ?? known.get(host.replace(PORT, '')) ?? known.get(DEFAULT);
    },
    findResource: remembering(async (identifier) => {
      const resource = await findResourceSpelled(store, identifier);
      return resource?.enabled ? resource : undefined;
    }),
    findDatasource: remembering(async (id) => {
      const datasource = await store.datasources.get(id);
      const organization = datasource?.enabled ? await organizations(datasource.organization) : undefined;
      return organization?.enabled ? datasource : undefined;
    }),
    findDatasources: remembering(async (organization) => {
      const found: Datasource[] = [];
      for await (const datasource of eachNoun(store.datasources, organization)) {
        if (datasource.enabled) found.push(datasource);
      }
      return found;
    }) as DirectoryView['findDatasources'],
    findRole: remembering(async (id) => {
      const role = await store.roles.get(id);
      return role?.enabled ? role : undefined;
    }),
  };
}

export function createDirectory({
  store,
  now,
}: {
  store: DirectoryStore;
  /** Milliseconds. */
  now: () => number;
}): Directory {
  let latest: DirectoryView | undefined;

  async function view(): Promise<DirectoryView> {
    const revision = await store.revision();
    // A slower reader must not bring back a view older than the one that is there.
    if (!latest || latest.revision < revision) latest = createView(store, revision);
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
