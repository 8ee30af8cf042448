/**
 * `/account/applications`: a person sees which applications and agents hold something of theirs, and ends it. Who they are is
 * told by a recent login in this browser, or by one at this page.
 */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import { Refusal } from '../http/refusal.ts';
import { titleOf, type User } from '../nouns/index.ts';
import type { BrowserSession } from '../provider/interactions.ts';
import type { Holding } from '../tokens/holdings.ts';
import { bindBrowser, requireBinding } from './account-cookie.ts';
import { findVisitor, rememberLogin, requireNamed } from './account-login.ts';
import { describeAgent } from './agent-words.ts';
import type { PageDeps } from './deps.ts';
import { toDay, toMoment } from './duration.ts';
import { FORM_TOKEN } from './forms.ts';
import { isProblem, type Problem, provePassword } from './proof.ts';
import { describeScope, toWords } from './rights-words.ts';

export const APPLICATIONS_PATH = '/account/applications';
export const END_PATH = `${APPLICATIONS_PATH}/end`;

const LOGIN_PURPOSE = 'account/applications login';

/** For one person, application and page, so that what a form says cannot be changed. */
const endPurpose = (user: User, application: string, shownAt: string): string =>
  `account/applications end ${userSubject(user)} ${application} ${shownAt}`;

/**
 * Where a person of the application finds the page. Several organizations may know an agent, so the address names what it
 * registered through.
 */
export async function applicationsPageOf(
  { application }: ActiveApplication,
  { directory }: Pick<PageDeps, 'directory'>,
): Promise<string> {
  const { registeredThrough, clientId } = application;
  const through =
    registeredThrough === undefined
      ? undefined
      : await (await directory.view()).findApplicationById(registeredThrough);
  return toPage(through?.application.clientId ?? clientId);
}

const toPage = (clientId: string): string =>
  `${APPLICATIONS_PATH}?application=${encodeURIComponent(clientId)}`;

/** One that the person used: they log in again as they did there. */
async function findUsed(session: BrowserSession | undefined, { directory }: PageDeps) {
  const view = await directory.view();
  for (const clientId of session?.clientIds ?? []) {
    const used = await view.findApplication(clientId);
    if (used && session?.subject.startsWith(`${used.application.realm}/`)) return used;
  }
  return undefined;
}

interface ToLogIn {
  readonly client: ActiveApplication;
  readonly binding: string;
  readonly username?: string;
  readonly problem?: Problem;
}

function showLogin(
  ctx: Context,
  { views, forms }: PageDeps,
  { client, binding, username, problem }: ToLogIn,
): void {
  const { application, organization } = client;
  ctx.type = 'html';
  ctx.body = views.render('applications', {
    organization: titleOf(organization),
    login: {
      action: toPage(application.clientId),
      username: username ?? '',
      problem: problem?.problem,
      invalid: problem?.field,
      token: forms.token(binding, LOGIN_PURPOSE),
    },
    tokenName: FORM_TOKEN,
  });
}

const nameOf = (client: ActiveApplication): string =>
  describeAgent(client)?.name ?? titleOf(client.application);

function describe({ client, since, lastUsed, openid, access }: Holding) {
  const { application } = client;
  return {
    id: application.id,
    name: nameOf(client),
    organization: titleOf(client.organization),
    agent: describeAgent(client),
    /** A person registered it, by an older API. */
    isOfPerson: application.owner !== undefined,
    isFirstParty: application.firstParty === true,
    since: toDay(since),
    lastUsed: lastUsed === undefined ? undefined : toMoment(lastUsed),
    scopes: [
      ...openid.map((scope) => describeScope(scope, {})),
      ...access.flatMap(({ resource, scopes }) => scopes.map((scope) => describeScope(scope, resource))),
    ],
    access: access.map(toWords),
  };
}

/** @param ended what has just lost its access */
async function showList(
  ctx: Context,
  { views, forms, holdings, directory, now }: PageDeps,
  { user, binding, ended }: { user: User; binding: string; ended?: string },
): Promise<void> {
  const { organization: id } = user;
  const organization = id === undefined ? undefined : await (await directory.view()).findOrganization(id);
  const shownAt = String(now());
  const { items, isMore } = await holdings.list(user);
  ctx.type = 'html';
  ctx.body = views.render('applications', {
    organization: organization && titleOf(organization),
    username: user.username,
    ended,
    isMore,
    items: items.map((holding) => ({
      ...describe(holding),
      token: forms.token(binding, endPurpose(user, holding.client.application.id, shownAt)),
    })),
    shownAt,
    action: END_PATH,
    tokenName: FORM_TOKEN,
  });
}

export async function showApplications(ctx: Context, deps: PageDeps): Promise<void> {
  const named = ctx.query.application === undefined ? undefined : await requireNamed(ctx, deps);
  const { user, session } = await findVisitor(ctx, deps, named);
  const binding = bindBrowser(ctx, deps);
  if (user) return showList(ctx, deps, { user, binding });
  const client = named ?? (await findUsed(session, deps));
  if (!client) {
    throw new Refusal(404, 'Open this page from an application, or name one in ?application=<client id>.', {
      error: 'not_found',
    });
  }
  showLogin(ctx, deps, { client, binding });
}

/** A login at this page. */
export async function submitLoginForApplications(ctx: Context, deps: PageDeps): Promise<void> {
  const client = await requireNamed(ctx, deps);
  const binding = requireBinding(ctx, deps);
  const { username = '', password = '' } = deps.forms.require(ctx, binding, LOGIN_PURPOSE);
  const answer = await provePassword(ctx, deps, { client, username, password, event: 'login.refused' });
  if (isProblem(answer)) return showLogin(ctx, deps, { client, binding, username, problem: answer });
  await rememberLogin(ctx, deps, answer);
  ctx.status = 303;
  ctx.redirect(toPage(client.application.clientId));
}

/** Whether the application has something that the person saw on the page; ended is not what it was allowed since. */
async function hasWhatWasShown(
  { holdings }: PageDeps,
  user: User,
  { application }: ActiveApplication,
  shownAt: number,
): Promise<boolean> {
  const { items, isMore } = await holdings.list(user);
  const holding = items.find(({ client }) => client.application.id === application.id);
  return isMore || (holding !== undefined && holding.since <= shownAt);
}

/** A second click ends nothing more. */
export async function submitEnd(ctx: Context, deps: PageDeps): Promise<void> {
  const binding = requireBinding(ctx, deps);
  const { user } = await findVisitor(ctx, deps, undefined);
  if (!user) {
    throw new Refusal(403, 'Your login is too old. Go back, reload the page and log in again.', {
      error: 'access_denied',
      reason: 'no recent login',
    });
  }
  const { application = '', shown_at: shownAt = '' } = ctx.state.form ?? {};
  deps.forms.require(ctx, binding, endPurpose(user, String(application), String(shownAt)));
  await deps.limitPerson(user.id);
  const client = await (await deps.directory.view()).findApplicationById(String(application));
  if (client && (await hasWhatWasShown(deps, user, client, Number(shownAt)))) {
    const { address, requestId } = ctx.state;
    await deps.holdings.end(user, client.application, { actor: userSubject(user), address, requestId });
  }
  await showList(ctx, deps, { user, binding, ...(client && { ended: nameOf(client) }) });
}
