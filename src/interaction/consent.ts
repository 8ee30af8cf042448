/**
 * Consent: what a client may see and do, and for how long. All of it comes from the stored request and from what the
 * person may do; the form only says yes to what its page showed (AZ-19).
 */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { isApproved } from '../directory/registered-applications.ts';
import { titleOf, type User } from '../nouns/index.ts';
import { ACTIONS, contains, NOTHING, type Permissions } from '../permissions/permissions.ts';
import { toStored } from '../permissions/stored.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import type { Interaction } from '../provider/interactions.ts';
import type { AskedTables } from '../provider/table-consent.ts';
import type { Agreed } from '../tokens/consent.ts';
import { browserLoginTtl, type LoginLifetimes, lastsWithSession } from '../tokens/expiry.ts';
import { describeAgent, describeRedirect } from './agent-words.ts';
import type { PageDeps } from './deps.ts';
import { toDay, toDuration } from './duration.ts';
import { FORM_TOKEN } from './forms.ts';
import { describeScope, toAll, toLimited, toRows } from './rights-words.ts';

export interface ConsentRequest {
  readonly interaction: Interaction;
  readonly client: ActiveApplication;
  readonly user: User | undefined;
  readonly tables: AskedTables | undefined;
  /** Agreed to before; undefined: nothing. */
  readonly agreed: Agreed | undefined;
  /** The page where the person can end what is agreed to. */
  readonly endsAt: string;
}

/** Changes with what the page shows: a yes from a page that showed less, or an agent of another name, does not count. */
export function consentPurpose({ application }: ActiveApplication, tables: AskedTables | undefined): string {
  const agent = application.agent && [application.agent.document, isApproved(application)];
  return `consent ${JSON.stringify([tables && toStored(tables.permissions), agent])}`;
}

/** The part of the request that the person has not agreed to before; all of a first request. */
function findNews(
  scopes: readonly string[],
  tables: AskedTables | undefined,
  agreed: Agreed | undefined,
): { readonly scopes: readonly string[]; readonly before: Permissions; readonly isNothing: boolean } {
  const ofResource = tables && agreed?.resources.get(tables.resource.identifier);
  const known = new Set([...(agreed?.openid ?? []), ...(ofResource?.scopes ?? [])]);
  const before = ofResource?.permissions ?? NOTHING;
  const news = scopes.filter((scope) => !known.has(scope));
  return {
    scopes: news,
    before,
    isNothing: news.length === 0 && (!tables || contains(before, tables.permissions)),
  };
}

/** How long the application can renew its access. As of `now` (milliseconds). */
function toLogin(scopes: readonly string[], lifetimes: LoginLifetimes, now: number) {
  const seconds = browserLoginTtl(scopes, lifetimes);
  return {
    lifetime: toDuration(seconds),
    until: toDay(now + seconds * 1000),
    lastsWithSession: lastsWithSession(scopes),
  };
}

export function showConsent(
  ctx: Context,
  { views, forms, lifetimes, now }: PageDeps,
  { interaction, client, user, tables, agreed, endsAt }: ConsentRequest,
): void {
  const { uid, params } = interaction;
  const scopes = scopesOf(params.scope);
  const news = findNews(scopes, tables, agreed);
  const mustAskAgain = String(params.prompt).split(' ').includes('consent');
  ctx.type = 'html';
  ctx.body = views.render('consent', {
    application: titleOf(client.application),
    organization: titleOf(client.organization),
    agent: describeAgent(client),
    /** Who chose its name and where it sends people back to, by an older API. */
    isOfPerson: client.application.owner !== undefined,
    ...describeRedirect(params.redirect_uri),
    username: user?.username,
    /** The person agreed to all of it before: one click continues. */
    isKnown: news.isNothing && !mustAskAgain,
    /** The person agreed to some of it before: the page marks the rest. */
    marksNews: agreed !== undefined && !news.isNothing,
    scopes: scopes.map((scope) => describeScope(scope, tables?.resource ?? {})),
    newScopes: news.scopes.map((scope) => describeScope(scope, tables?.resource ?? {})),
    resource: tables && { name: tables.resource.name, identifier: tables.resource.identifier },
    everything: tables?.permissions.isAdmin === true,
    everythingIsNew: !news.before.isAdmin,
    actions: ACTIONS,
    all: tables && toAll(tables, news.before),
    tables: tables ? toRows(tables, news.before) : [],
    limited: tables ? toLimited(tables, news.before) : [],
    accessLifetime: toDuration(tables?.resource.token.ttl ?? lifetimes.userinfoToken),
    login: client.application.grants.includes('refresh_token')
      ? toLogin(scopes, lifetimes, now())
      : undefined,
    endsAt,
    action: `/interaction/${uid}/consent`,
    cancel: `/interaction/${uid}/abort`,
    tokenName: FORM_TOKEN,
    token: forms.token(uid, consentPurpose(client, tables)),
    abortToken: forms.token(uid, 'abort'),
  });
}
