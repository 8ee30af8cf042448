/** Login: the page, and the proof. What comes next the engine decides from what it stored. */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import { titleOf } from '../nouns/index.ts';
import type { Interaction, InteractionResult } from '../provider/interactions.ts';
import { describeAgent } from './agent-words.ts';
import type { PageDeps } from './deps.ts';
import { FORM_TOKEN } from './forms.ts';
import { isProblem, type Problem, provePassword } from './proof.ts';

const MAX_HINT = 256;

/** What was typed before, on a page that is shown again. */
interface Typed extends Problem {
  readonly username: string;
  readonly remember: boolean;
}

export function showLogin(
  ctx: Context,
  { views, forms }: PageDeps,
  { uid, params }: Interaction,
  client: ActiveApplication,
  typed?: Typed,
): void {
  const hint = typeof params.login_hint === 'string' ? params.login_hint : '';
  ctx.type = 'html';
  ctx.body = views.render('login', {
    application: titleOf(client.application),
    organization: titleOf(client.organization),
    agent: describeAgent(client),
    action: `/interaction/${uid}/login`,
    cancel: `/interaction/${uid}/abort`,
    username: (typed?.username ?? hint).slice(0, MAX_HINT),
    remember: typed?.remember === true,
    problem: typed?.problem,
    invalid: typed?.field,
    tokenName: FORM_TOKEN,
    token: forms.token(uid, 'login'),
    abortToken: forms.token(uid, 'abort'),
  });
}

/** @returns the decision for the engine; undefined when the page was shown again */
export async function submitLogin(
  ctx: Context,
  deps: PageDeps,
  interaction: Interaction,
  client: ActiveApplication,
): Promise<InteractionResult | undefined> {
  const { username = '', password = '', remember } = deps.forms.require(ctx, interaction.uid, 'login');
  const answer = await provePassword(ctx, deps, { client, username, password, event: 'login.refused' });
  if (isProblem(answer)) {
    showLogin(ctx, deps, interaction, client, { ...answer, username, remember: remember === 'yes' });
    return undefined;
  }
  const { user, provedAt } = answer;
  return {
    login: {
      accountId: userSubject(user),
      amr: ['pwd'],
      remember: remember === 'yes',
      // Or the engine would take the moment of each later step for it, and a proof from before a new password would
      // outlive that password.
      ts: Math.floor(provedAt / 1000),
    },
  };
}
