/**
 * What people agreed to, kept beyond the browser session: person, application, resource and rights. The engine's Grant
 * is a copy of it for one session. It ends when one of these ends: the person, the application, the organization, the
 * resource, or the consent itself.
 *
 * All consents of a person are one row, which limits their size. If two are written at the same moment, one is lost and
 * the person is asked again; a revoked consent does not come back that way, because its end is a separate record.
 */
import type { ActiveApplication, Directory } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import type { Resource, User } from '../nouns/index.ts';
import { NOTHING, type Permissions } from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { consentNode } from '../registry/nodes.ts';
import type { Registry } from '../registry/registry.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { rowKey } from '../storage/row-key.ts';
import { type Agreed, addAgreed } from './consent.ts';

/** What one consent covers. */
export interface Agreement {
  /** OpenID Connect scopes. */
  readonly openid: readonly string[];
  readonly resource?: {
    readonly of: Pick<Resource, 'id' | 'identifier'>;
    readonly scopes: readonly string[];
    readonly permissions: Permissions;
  };
}

/** Whose consent, and to which application. */
export interface ConsentParties {
  readonly user: User;
  readonly client: ActiveApplication;
}

/** A consent that has not been revoked. */
export interface StandingConsent extends Agreement {
  readonly client: ActiveApplication;
  /** Milliseconds: the first time. */
  readonly givenAt: number;
}

export type RememberedConsents = ReturnType<typeof createRememberedConsents>;

export interface RememberedConsentsDeps {
  readonly artifacts: Pick<ArtifactStore, 'find' | 'upsert'>;
  readonly directory: Pick<Directory, 'view'>;
  readonly registry: Pick<Registry, 'isAlive'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** To one application, of one resource or of the person's identity. */
interface StoredConsent {
  /** Its id. */
  readonly application: string;
  readonly resource?: Pick<Resource, 'id' | 'identifier'>;
  /** What an agent said of itself at that time. */
  readonly document?: string;
  /** Milliseconds: the first time, so that adding to a consent does not restore what ended in between. */
  readonly givenAt: number;
  readonly scopes: readonly string[];
  readonly permissions: StoredPermissions;
}

const MODEL = 'RememberedConsents';
/** Consents of one person; Grantable asks for the oldest again. */
export const MOST_CONSENTS = 100;
/** The most characters that a person's consents take in the store. */
const LONGEST_ROW = 1_000_000;
/** Rows expire at some time, also those of people who were removed. */
const KEPT_MS = 10 * 365 * 86_400_000;

const keyOf = (subject: string): Buffer => rowKey(`consents ${subject}`, 16);

const isOf = (consent: StoredConsent, application: string, resource: string | undefined): boolean =>
  consent.application === application && consent.resource?.id === resource;

/** @param consents newest first */
function withinBounds(consents: readonly StoredConsent[]): StoredConsent[] {
  let room = LONGEST_ROW;
  return consents.slice(0, MOST_CONSENTS).filter((consent) => {
    const { length } = JSON.stringify(consent);
    if (length > room) return false;
    room -= length;
    return true;
  });
}

export function createRememberedConsents(deps: RememberedConsentsDeps) {
  const { artifacts, directory, registry, now } = deps;

  async function read(subject: string): Promise<readonly StoredConsent[]> {
    const row = await artifacts.find(MODEL, keyOf(subject), now());
    return (row?.payload.consents ?? []) as readonly StoredConsent[];
  }

  async function write(subject: string, consents: readonly StoredConsent[]): Promise<void> {
    const payload = { consents: withinBounds(consents) };
    await artifacts.upsert(MODEL, keyOf(subject), { payload, expiresAt: now() + KEPT_MS });
  }

  async function stands(
    { user, client }: ConsentParties,
    { resource, givenAt, document }: StoredConsent,
  ): Promise<boolean> {
    const { application, organization } = client;
    if (application.agent?.document !== document) return false;
    // The record of a removed resource expires before a consent, and another resource may get its identifier.
    const current = resource && (await (await directory.view()).findResource(resource.identifier));
    if (current?.id !== resource?.id) return false;
    const nodes = [user.id, application.id, organization.id, consentNode(userSubject(user), application.id)];
    return registry.isAlive(resource ? [...nodes, resource.id] : nodes, givenAt);
  }

  return {
    /** All that has not been revoked; undefined if that is nothing. */
    async find(parties: ConsentParties): Promise<Agreed | undefined> {
      const { id } = parties.client.application;
      const own = (await read(userSubject(parties.user))).filter(({ application }) => application === id);
      const alive = await Promise.all(own.map((consent) => stands(parties, consent)));
      const standing = own.filter((_, index) => alive[index]);
      if (standing.length === 0) return undefined;
      return {
        openid: standing.find(({ resource }) => !resource)?.scopes ?? [],
        resources: new Map(
          standing.flatMap(({ resource, scopes, permissions }) =>
            resource ? [[resource.identifier, { scopes, permissions: fromStored(permissions) }]] : [],
          ),
        ),
      };
    },
    /** Those of a person, to whichever application. */
    async list(user: User): Promise<StandingConsent[]> {
      const view = await directory.view();
      const all = await read(userSubject(user));
      const found = await Promise.all(
        all.map(async (consent): Promise<StandingConsent | undefined> => {
          const client = await view.findApplicationById(consent.application);
          if (!client || !(await stands({ user, client }, consent))) return undefined;
          const { resource: of, scopes, givenAt } = consent;
          if (!of) return { client, givenAt, openid: scopes };
          return {
            client,
            givenAt,
            openid: [],
            resource: { of, scopes, permissions: fromStored(consent.permissions) },
          };
        }),
      );
      return found.filter((consent) => consent !== undefined);
    },
    /** Adds to what was agreed to before. */
    async add(parties: ConsentParties, { openid, resource }: Agreement): Promise<void> {
      const subject = userSubject(parties.user);
      const application = parties.client.application.id;
      let consents = await read(subject);
      const merge = async (
        of: StoredConsent['resource'],
        scopes: readonly string[],
        permissions: Permissions,
      ): Promise<void> => {
        const before = consents.find((consent) => isOf(consent, application, of?.id));
        const kept = before && (await stands(parties, before)) ? before : undefined;
        const merged: StoredConsent = defined({
          application,
          resource: of && { id: of.id, identifier: of.identifier },
          document: parties.client.application.agent?.document,
          givenAt: kept?.givenAt ?? now(),
          scopes: [...new Set([...(kept?.scopes ?? []), ...scopes])],
          permissions: toStored(addAgreed(kept ? fromStored(kept.permissions) : NOTHING, permissions)),
        });
        consents = [merged, ...consents.filter((consent) => consent !== before)];
      };
      if (openid.length > 0) await merge(undefined, openid, NOTHING);
      if (resource) await merge(resource.of, resource.scopes, resource.permissions);
      await write(subject, consents);
    },
    /** @param application its id */
    async forget(subject: string, application: string): Promise<void> {
      const consents = await read(subject);
      const others = consents.filter((consent) => consent.application !== application);
      if (others.length < consents.length) await write(subject, others);
    },
  };
}
