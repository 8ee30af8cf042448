/**
 * Pages for people: login, consent, logout, changing the password. They work without JavaScript. What a page decides
 * it reports to the engine, which decides the next step from what it stored; no step calls another. Proofs belong to
 * `directory`, looks to `views`. Routes: `/interaction/*`, `/account/*`.
 */
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { ActiveApplication, Directory } from '../directory/directory.ts';
import type { PasswordChange } from '../directory/password-change.ts';
import type { Users } from '../directory/users.ts';
import { Refusal } from '../http/refusal.ts';
import type { Views } from '../http/views.ts';
import type { Interaction, Interactions } from '../provider/interactions.ts';
import type { SecretRing } from '../storage/vault.ts';
import { type AccountDeps, showPasswordPage, submitPasswordPage } from './account.ts';
import { type ConsentDeps, showConsent } from './consent.ts';
import { createForms } from './forms.ts';
import { showLogin, submitLogin } from './login.ts';

export { createPages } from './pages.ts';

/** Templates that must be there. */
export const REQUIRED_VIEWS = ['login', 'consent', 'password', 'logout', 'logged-out'];

export interface InteractionDeps {
  readonly issuer: string;
  readonly interactions: Interactions;
  readonly directory: Directory;
  readonly users: Users;
  readonly passwordChange: PasswordChange;
  readonly views: Views;
  readonly formKeys: SecretRing;
  readonly findForm: (ctx: Context) => Record<string, unknown> | undefined;
  /** Seconds. */
  readonly loginLifetime: number;
}

export function createInteractionRoutes(deps: InteractionDeps): Middleware[] {
  const { issuer, interactions, directory, users, passwordChange, views } = deps;
  const forms = createForms({ issuer, keys: deps.formKeys, findForm: deps.findForm });
  const consent: ConsentDeps = { views, forms, loginLifetime: deps.loginLifetime };
  const account: AccountDeps = { issuer, directory, users, passwordChange, views, forms };

  /** The interaction whose cookie this browser has, which must be the one in the address (AZ-12). */
  async function requireInteraction(
    ctx: Context & { params: Record<string, string> },
  ): Promise<{ interaction: Interaction; client: ActiveApplication }> {
    const expired = (reason: string): never => {
      throw new Refusal(400, 'this login has expired or was begun in another browser: start again', {
        reason,
      });
    };
    const interaction = (await interactions.find(ctx)) ?? expired('no interaction for this browser');
    if (interaction.uid !== ctx.params.uid) return expired('interaction of another login');
    const client = await (await directory.view()).findApplication(String(interaction.params.client_id));
    if (!client) return expired('the application is gone or disabled');
    // Chromium holds the redirect at the end to the form's policy too.
    ctx.state.formAction = [String(interaction.params.redirect_uri)];
    return { interaction, client };
  }

  function requirePrompt(interaction: Interaction, name: string): void {
    if (interaction.prompt.name !== name) {
      throw new Refusal(400, 'this step is not the one that is due', {
        reason: `prompt is ${interaction.prompt.name}`,
      });
    }
  }

  const router = new Router();
  router.get('/interaction/:uid', async (ctx) => {
    const { interaction, client } = await requireInteraction(ctx);
    if (interaction.prompt.name === 'login') showLogin(ctx, { users, views, forms }, interaction, client);
    else showConsent(ctx, consent, interaction, client);
  });
  router.post('/interaction/:uid/login', async (ctx) => {
    const { interaction, client } = await requireInteraction(ctx);
    requirePrompt(interaction, 'login');
    const result = await submitLogin(ctx, { users, views, forms }, interaction, client);
    if (result) await interactions.finish(ctx, result);
  });
  router.post('/interaction/:uid/consent', async (ctx) => {
    const { interaction } = await requireInteraction(ctx);
    requirePrompt(interaction, 'consent');
    forms.require(ctx, interaction.uid, 'consent');
    await interactions.finish(ctx, { consent: { grantId: await interactions.grant(interaction) } });
  });
  router.post('/interaction/:uid/abort', async (ctx) => {
    const { interaction } = await requireInteraction(ctx);
    forms.require(ctx, interaction.uid, 'abort');
    await interactions.finish(ctx, {
      error: 'access_denied',
      error_description: 'the person turned the request down',
    });
  });
  router.get('/account/password', (ctx) => showPasswordPage(ctx, account));
  router.post('/account/password', (ctx) => submitPasswordPage(ctx, account));
  return [router.routes() as unknown as Middleware];
}
