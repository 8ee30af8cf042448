/** `/account/password`: a person changes the password, proving the old one again (AC-12). */
import type { Context } from 'koa';
import { minLengthIn } from '../accounts/password-change.ts';
import type { ActiveApplication } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import { UnfitPassword } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { titleOf } from '../nouns/index.ts';
import { VersionConflict } from '../storage/contract.ts';
import { bindBrowser, requireBinding } from './account-cookie.ts';
import { requireNamed } from './account-login.ts';
import type { PageDeps } from './deps.ts';
import { FORM_TOKEN } from './forms.ts';
import { isProblem, type Problem, type ProvedUser, provePassword } from './proof.ts';

const PURPOSE = 'account/password';
const NOT_REPEATED: Problem = { problem: 'The new password was not repeated exactly.', field: 'repeated' };

function show(
  ctx: Context,
  { views, forms }: PageDeps,
  client: ActiveApplication,
  binding: string,
  message: Partial<Problem> & { done?: boolean; username?: string },
): void {
  ctx.type = 'html';
  ctx.body = views.render('password', {
    application: titleOf(client.application),
    organization: titleOf(client.organization),
    action: `/account/password?application=${encodeURIComponent(client.application.clientId)}`,
    problem: message.problem,
    invalid: message.field,
    done: message.done === true,
    minLength: minLengthIn(client.application.realm, client.application.minPasswordLength),
    username: message.username ?? '',
    tokenName: FORM_TOKEN,
    token: forms.token(binding, PURPOSE),
  });
}

export async function showPasswordPage(ctx: Context, deps: PageDeps): Promise<void> {
  const client = await requireNamed(ctx, deps);
  show(ctx, deps, client, bindBrowser(ctx, deps), {});
}

/** @returns what the person reads if it was not done */
async function change(
  ctx: Context,
  { passwordChange, limitPerson }: PageDeps,
  { application, organization }: ActiveApplication,
  { user }: ProvedUser,
  newPassword: string,
): Promise<Problem | undefined> {
  await limitPerson(user.id);
  try {
    await passwordChange({
      user,
      newPassword,
      minLength: application.minPasswordLength,
      queue: organization.id,
      author: { actor: userSubject(user), address: ctx.state.address, requestId: ctx.state.requestId },
    });
    return undefined;
  } catch (error) {
    if (error instanceof UnfitPassword) {
      ctx.status = 400;
      ctx.state.reason = reasonOf(error);
      return { problem: `The new password ${error.problem}.`, field: 'new_password' };
    }
    if (error instanceof VersionConflict) {
      ctx.status = 409;
      return { problem: 'The account was changed meanwhile. Try again.' };
    }
    throw error;
  }
}

export async function submitPasswordPage(ctx: Context, deps: PageDeps): Promise<void> {
  const client = await requireNamed(ctx, deps);
  const binding = requireBinding(ctx, deps);
  const fields = deps.forms.require(ctx, binding, PURPOSE);
  const { username = '', password = '', new_password: newPassword = '', repeated = '' } = fields;
  if (newPassword !== repeated) {
    ctx.status = 400;
    show(ctx, deps, client, binding, { ...NOT_REPEATED, username });
    return;
  }
  const answer = await provePassword(ctx, deps, {
    client,
    username,
    password,
    event: 'password_change.refused',
  });
  const problem = isProblem(answer) ? answer : await change(ctx, deps, client, answer, newPassword);
  show(ctx, deps, client, binding, problem ? { ...problem, username } : { done: true });
}
