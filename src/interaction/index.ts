/**
 * Pages for people: login, consent, what applications may do, logout, changing the password or setting it by a link,
 * making the first administrator. They work without JavaScript. What a page decides it reports to the engine, which
 * decides the next step from what it stored; no step calls another. Proofs belong to
 * `accounts`, looks to `views`. Routes: `/interaction/*`, `/account/*`, POST of `/oauth/authorize` and
 * `/oauth/logout`.
 */
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { FIRST_ADMINISTRATOR_PATH } from '../accounts/first-administrator.ts';
import { NEW_PASSWORD_PATH } from '../accounts/password-links.ts';
import { authorOf } from '../changes/author.ts';
import type { ActiveApplication } from '../directory/directory.ts';
import { Refusal } from '../http/refusal.ts';
import type { User } from '../nouns/index.ts';
import type { Interaction } from '../provider/interactions.ts';
import { PATHS } from '../provider/paths.ts';
import { showPasswordPage, submitPasswordPage } from './account.ts';
import { forgetLogin } from './account-login.ts';
import {
  APPLICATIONS_PATH,
  applicationsPageOf,
  END_PATH,
  showApplications,
  submitEnd,
  submitLoginForApplications,
} from './applications.ts';
import { consentPurpose, showConsent } from './consent.ts';
import type { PageDeps } from './deps.ts';
import { showFirstAdministrator, submitFirstAdministrator } from './first-administrator.ts';
import { showLogin, submitLogin } from './login.ts';
import { showNewPassword, submitNewPassword } from './new-password.ts';

export { createForms } from './forms.ts';
export { createPages } from './pages.ts';
export { createPostedRequests } from './posted-requests.ts';

/** Templates that must be there. */
export const REQUIRED_VIEWS = [
  'login',
  'consent',
  'password',
  'new-password',
  'applications',
  'logout',
  'logged-out',
  'first-administrator',
];

const PREFIXES = ['/interaction/', '/account/'];
/** Where the engine's page of a logout sends its form. */
const LOGOUT_PATH = `${PATHS.end_session}/confirm`;
const STEPS = ['login', 'consent', 'abort'];

const requestOf = ({ params }: Interaction) => ({
  clientId: String(params.client_id),
  resource: params.resource,
});

type RoutedContext = Context & { readonly params: Readonly<Record<string, string>> };

export function createInteractionRoutes(pages: PageDeps): Middleware {
  const { interactions, directory, agents, users, audit, forms, now } = pages;

  function expired(reason: string): never {
    throw new Refusal(400, 'This login has expired or was begun in another browser. Start again.', {
      reason,
    });
  }

  /**
   * The interaction whose cookie this browser has, which must be the one in the address (AZ-12).
   * @param steps of which its next one must be; absent: any
   */
  async function requireInteraction(
    ctx: RoutedContext,
    ...steps: readonly ('login' | 'consent')[]
  ): Promise<{ interaction: Interaction; client: ActiveApplication }> {
    const interaction = (await interactions.find(ctx)) ?? expired('no interaction for this browser');
    if (interaction.uid !== ctx.params.uid) return expired('interaction of another login');
    const client = await agents.find(await directory.view(), requestOf(interaction));
    if (!client) return expired('the application is gone or disabled');
    ctx.state.clientId = client.application.clientId;
    const { name } = interaction.prompt;
    if (steps.length > 0 && !steps.some((step) => step === name)) {
      throw new Refusal(400, 'This step is not the next one of the login.', { reason: `prompt is ${name}` });
    }
    return { interaction, client };
  }

  /** Undefined if the person was disabled meanwhile: then the engine asks for a login. */
  const findPerson = ({ session }: Interaction): Promise<User | undefined> =>
    users.findBySubject(session?.accountId ?? '');

  /** With the first consent an agent becomes an application. */
  async function establish(
    ctx: Context,
    interaction: Interaction,
    client: ActiveApplication,
  ): Promise<ActiveApplication> {
    const { agent } = client.application;
    if (agent?.kind !== 'document') {
      if (agent) await agents.keep(client.application);
      return client;
    }
    const request = requestOf(interaction);
    const author = authorOf(ctx.state, { client: client.application.clientId });
    await agents.establish(await directory.view(), { ...request, document: agent.document }, author);
    return (await agents.find(await directory.view(), request)) ?? expired('the agent was ended meanwhile');
  }

  async function recordConsent(ctx: Context, interaction: Interaction, client: ActiveApplication) {
    await audit.append({
      at: now(),
      event: 'consent.given',
      outcome: 'allowed',
      subject: String(interaction.session?.accountId),
      client: client.application.clientId,
      organization: client.organization.id,
      address: ctx.state.address,
      requestId: ctx.state.requestId,
      details: { scope: interaction.params.scope, resource: interaction.params.resource },
    });
  }

  const router = new Router();
  router.get('/interaction/:uid', async (ctx) => {
    const { interaction, client } = await requireInteraction(ctx, 'login', 'consent');
    if (interaction.prompt.name === 'login') return showLogin(ctx, pages, interaction, client);
    const user = await findPerson(interaction);
    const [tables, agreed, endsAt] = await Promise.all([
      interactions.findTables(interaction),
      user && interactions.findAgreed({ user, client }),
      applicationsPageOf(client, pages),
    ]);
    showConsent(ctx, pages, { interaction, client, user, tables, agreed, endsAt });
  });
  router.post('/interaction/:uid/login', async (ctx) => {
    const { interaction, client } = await requireInteraction(ctx, 'login');
    const decision = await submitLogin(ctx, pages, interaction, client);
    if (decision) await interactions.finish(ctx, decision);
  });
  router.post('/interaction/:uid/consent', async (ctx) => {
    const { interaction, client } = await requireInteraction(ctx, 'consent');
    const [user, tables] = await Promise.all([findPerson(interaction), interactions.findTables(interaction)]);
    forms.require(ctx, interaction.uid, consentPurpose(client, tables));
    if (!user) return interactions.finish(ctx, {});
    const agreed = await establish(ctx, interaction, client);
    const grantId = await interactions.grant(interaction, { user, client: agreed }, tables);
    await recordConsent(ctx, interaction, agreed);
    await interactions.finish(ctx, { consent: { grantId } });
  });
  router.post('/interaction/:uid/abort', async (ctx) => {
    const { interaction } = await requireInteraction(ctx);
    forms.require(ctx, interaction.uid, 'abort');
    await interactions.finish(ctx, {
      error: 'access_denied',
      error_description: 'The person refused the request.',
    });
  });
  // Who asks again for the address of a form's answer gets the page that the form stood on.
  router.get('/interaction/:uid/:step', async (ctx, next) => {
    if (!STEPS.includes(ctx.params.step ?? '')) return next();
    ctx.status = 303;
    ctx.redirect(`/interaction/${encodeURIComponent(ctx.params.uid ?? '')}`);
  });
  router.get('/account/password', (ctx) => showPasswordPage(ctx, pages));
  router.post('/account/password', (ctx) => submitPasswordPage(ctx, pages));
  router.get(APPLICATIONS_PATH, (ctx) => showApplications(ctx, pages));
  router.post(APPLICATIONS_PATH, (ctx) => submitLoginForApplications(ctx, pages));
  router.post(END_PATH, (ctx) => submitEnd(ctx, pages));
  router.get(END_PATH, (ctx) => {
    ctx.status = 303;
    ctx.redirect(APPLICATIONS_PATH);
  });
  router.get(NEW_PASSWORD_PATH, (ctx) => showNewPassword(ctx, pages));
  router.post(NEW_PASSWORD_PATH, (ctx) => submitNewPassword(ctx, pages));
  router.get(FIRST_ADMINISTRATOR_PATH, (ctx) => showFirstAdministrator(ctx, pages));
  router.post(FIRST_ADMINISTRATOR_PATH, (ctx) => submitFirstAdministrator(ctx, pages));
  const routes = router.routes() as unknown as Middleware;
  /** The engine ends the login that it knows; the one at a page below `/account` ends with it. */
  const logout: Middleware = async (ctx, next) => {
    await next();
    if (ctx.status === 303 && ctx.state.form?.logout !== undefined) await forgetLogin(ctx, pages);
  };
  return (ctx, next) => {
    if (ctx.path === LOGOUT_PATH) return logout(ctx, next);
    // The router matches every path against every route, which what machines ask need not wait for.
    return PREFIXES.some((prefix) => ctx.path.startsWith(prefix)) ? routes(ctx, next) : next();
  };
}
