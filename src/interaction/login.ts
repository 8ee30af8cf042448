/** Login: the page, and the proof. What comes next the engine decides from what it stored. */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import type { Users } from '../directory/users.ts';
import { ProofRejected, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import type { Views } from '../http/views.ts';
import type { Interaction } from '../provider/interactions.ts';
import { FORM_TOKEN, type Forms } from './forms.ts';

export interface LoginDeps {
  readonly users: Users;
  readonly views: Views;
  readonly forms: Forms;
}

const MAX_HINT = 256;

export function showLogin(
  ctx: Context,
  { views, forms }: LoginDeps,
  { uid, params }: Interaction,
  client: ActiveApplication,
  problem?: string,
): void {
  const hint = typeof params.login_hint === 'string' ? params.login_hint.slice(0, MAX_HINT) : '';
  ctx.type = 'html';
  ctx.body = views.render('login', {
    application: client.application.name,
    organization: client.organization.name,
    action: `/interaction/${uid}/login`,
    cancel: `/interaction/${uid}/abort`,
    username: hint,
    problem,
    tokenName: FORM_TOKEN,
    token: forms.token(uid, 'login'),
    abortToken: forms.token(uid, 'abort'),
  });
}

/**
 * @returns the result for the engine; undefined when the page was shown again. One sentence serves for every way in
 *   which a name and a password can be wrong (AC-09); 400, because 401 would ask for HTTP authentication.
 */
export async function submitLogin(
  ctx: Context,
  deps: LoginDeps,
  interaction: Interaction,
  client: ActiveApplication,
): Promise<{ login: { accountId: string; amr: string[] } } | undefined> {
  const { username = '', password = '' } = deps.forms.require(ctx, interaction.uid, 'login');
  try {
    const user = await deps.users.authenticate({
      realm: client.application.realm,
      login: username,
      password,
      address: String(ctx.state.address),
      queue: client.organization.id,
    });
    if (user.secondFactor) throw new ProofRejected({ reason: 'the account has a second factor' });
    return { login: { accountId: userSubject(user), amr: ['pwd'] } };
  } catch (error) {
    ctx.state.reason = error instanceof Error ? error.message : undefined;
    if (error instanceof TooManyAttempts || error instanceof Unavailable) {
      ctx.status = error instanceof Unavailable ? 503 : 429;
      ctx.set('Retry-After', String(error.retryAfter));
      showLogin(ctx, deps, interaction, client, 'Too many attempts. Wait a little and try again.');
      return undefined;
    }
    if (!(error instanceof ProofRejected)) throw error;
    ctx.status = 400;
    showLogin(ctx, deps, interaction, client, 'The username or the password is wrong.');
    return undefined;
  }
}
