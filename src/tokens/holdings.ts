/**
 * What applications hold of a person, by consent or by logins and tokens, and ending it. A person sees and ends it on a page
 * of theirs, an operator at the command line.
 *
 * A list looks at the newest logins and tokens only, so it is quick also for a person with very many. An end is one
 * mark, however many there are.
 */
import type { Author } from '../changes/author.ts';
import type { Revocations } from '../changes/revocations.ts';
import type { ActiveApplication, Directory, DirectoryView } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import type { Application, Resource, User } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { intersect, NOTHING, type Permissions, union } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { consentNode } from '../registry/nodes.ts';
import { livingOf } from '../registry/standings.ts';
import { findRights } from '../rights/rights.ts';
import type { LoginRow, Page, RowPage, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { RememberedConsents, StandingConsent } from './remembered-consents.ts';

/** What an application may do with one resource at this moment. */
export interface HeldAccess {
  readonly resource: Resource;
  readonly scopes: readonly string[];
  readonly permissions: Permissions;
}

/** What one application holds of a person. */
export interface Holding {
  readonly client: ActiveApplication;
  /** Milliseconds: the first consent; without one the earliest login or token that was looked at. */
  readonly since: number;
  /** Milliseconds: the last time that a token was made, as far as the store still knows. */
  readonly lastUsed?: number;
  /** OpenID Connect scopes. */
  readonly openid: readonly string[];
  readonly access: readonly HeldAccess[];
}

export type Holdings = ReturnType<typeof createHoldings>;

export interface HoldingsDeps {
  readonly storage: Pick<Storage, 'logins' | 'tokens' | 'nodes'>;
  readonly consents: Pick<RememberedConsents, 'list' | 'forget'>;
  readonly directory: Pick<Directory, 'view'>;
  readonly revocations: Pick<Revocations, 'revokeOlder'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Logins, and as many tokens, that a list looks at. */
export const MOST_LOOKED_AT_OF_PERSON = 1_000;
const PAGE = 100;

type Row = TokenRow | LoginRow;

/** Milliseconds. */
const madeAt = (row: Row): number => ('issuedAt' in row ? row.issuedAt : row.createdAt);
/** Milliseconds. */
const usedAt = (row: Row): number => ('issuedAt' in row ? row.issuedAt : (row.rotatedAt ?? row.createdAt));

interface Found {
  readonly consents: StandingConsent[];
  readonly living: Row[];
  lastUsed: number;
}

/** Of one resource, from several consents and rows. */
interface Gathered {
  scopes: Set<string>;
  /** Undefined: more alternatives than can be combined, so whatever the person may do there through the application. */
  permissions: Permissions | undefined;
}

/** Consents and rows say what was granted; many of them say the same. */
function gather({ consents, living }: Found): { openid: Set<string>; resources: Map<string, Gathered> } {
  const openid = new Set<string>();
  const resources = new Map<string, Gathered>();
  const add = (resource: string, scopes: readonly string[], permissions: Permissions): void => {
    const before = resources.get(resource) ?? { scopes: new Set(), permissions: NOTHING };
    for (const scope of scopes) before.scopes.add(scope);
    const both = before.permissions && union(before.permissions, permissions);
    resources.set(resource, { ...before, permissions: both?.isCut ? undefined : both });
  };
  for (const { openid: scopes, resource } of consents) {
    for (const scope of scopes) openid.add(scope);
    if (resource) add(resource.of.identifier, resource.scopes, resource.permissions);
  }
  const seen = new Set<string>();
  for (const { resource, scope, permissions } of living) {
    const same = JSON.stringify([resource, scope, permissions]);
    if (seen.has(same)) continue;
    seen.add(same);
    const scopes = scopesOf(scope);
    for (const each of scopes.filter(isOpenIdScope)) openid.add(each);
    if (resource !== undefined)
      add(
        resource,
        scopes.filter((each) => !isOpenIdScope(each)),
        fromStored(permissions),
      );
  }
  return { openid, resources };
}

async function findAccess(
  view: DirectoryView,
  user: User,
  { application }: ActiveApplication,
  resources: ReadonlyMap<string, Gathered>,
): Promise<HeldAccess[]> {
  const found = await Promise.all(
    [...resources].map(async ([identifier, { scopes, permissions }]): Promise<HeldAccess | undefined> => {
      const resource = await view.findResource(identifier);
      const rights = resource && (await findRights(view, application, resource, user));
      if (!resource || !rights) return undefined;
      return {
        resource,
        scopes: [...scopes].filter((scope) => rights.scopes.has(scope)),
        permissions: permissions ? intersect(permissions, rights.permissions) : rights.permissions,
      };
    }),
  );
  return found.filter((access) => access !== undefined);
}

export function createHoldings(deps: HoldingsDeps) {
  const { storage, consents, directory, revocations, now } = deps;

  /** The newest rows of a person, with whether each is alive. */
  async function lookAt<T extends Row>(
    store: { page(options: RowPage<'user'>): Promise<Page<T>> },
    user: User,
    visit: (row: T, isAlive: boolean) => void,
  ): Promise<{ isMore: boolean }> {
    let after: string | undefined;
    for (let read = 0; read < MOST_LOOKED_AT_OF_PERSON; read += PAGE) {
      const page = await store.page(defined({ by: 'user', id: user.id, now: now(), limit: PAGE, after }));
      const living = new Set(await livingOf(page.items, storage.nodes));
      for (const row of page.items) visit(row, living.has(row));
      after = page.next;
      if (after === undefined) return { isMore: false };
    }
    return { isMore: true };
  }

  return {
    /** The one used last first. `isMore`: older logins and tokens were not looked at, so some may be missing. */
    async list(user: User): Promise<{ items: Holding[]; isMore: boolean }> {
      const found = new Map<string, Found>();
      const of = (application: string): Found => {
        const known = found.get(application) ?? { consents: [], living: [], lastUsed: 0 };
        found.set(application, known);
        return known;
      };
      const visit = (row: Row, isAlive: boolean): void => {
        const known = of(row.application);
        if (isAlive) known.living.push(row);
        known.lastUsed = Math.max(known.lastUsed, usedAt(row));
      };
      for (const consent of await consents.list(user))
        of(consent.client.application.id).consents.push(consent);
      const logins = await lookAt(storage.logins, user, visit);
      const tokens = await lookAt(storage.tokens, user, visit);
      const view = await directory.view();
      const holdings = await Promise.all(
        [...found].map(async ([id, each]): Promise<Holding | undefined> => {
          const client = await view.findApplicationById(id);
          if (!client || (each.consents.length === 0 && each.living.length === 0)) return undefined;
          const { openid, resources } = gather(each);
          const given = each.consents.map(({ givenAt }) => givenAt);
          const since = Math.min(...(given.length > 0 ? given : each.living.map(madeAt)));
          return {
            client,
            since,
            ...(each.lastUsed >= since && { lastUsed: each.lastUsed }),
            openid: [...openid],
            access: await findAccess(view, user, client, resources),
          };
        }),
      );
      const items = holdings
        .filter((holding) => holding !== undefined)
        .sort((one, other) => (other.lastUsed ?? other.since) - (one.lastUsed ?? one.since));
      return { items, isMore: logins.isMore || tokens.isMore };
    },
    /** Ends the consent and all logins, tokens and codes of the person at the application. They may consent and log in again. */
    async end(user: User, { id, organization, clientId }: Application, author: Author): Promise<void> {
      const subject = userSubject(user);
      // Before the consents are forgotten, so that no request between the two finds one that stands.
      await revocations.revokeOlder(
        consentNode(subject, id),
        'consent.revoked',
        { subject, organization, clientId },
        author,
      );
      await consents.forget(subject, id);
    },
  };
}
