/** `/account/password`: a person changes the password, proving the old one again (AC-12). */
import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { ActiveApplication, Directory } from '../directory/directory.ts';
import type { PasswordChange } from '../directory/password-change.ts';
import { userSubject } from '../directory/subjects.ts';
import type { Users } from '../directory/users.ts';
import { MalformedRequest, ProofRejected, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { Refusal } from '../http/refusal.ts';
import type { Views } from '../http/views.ts';
import { VersionConflict } from '../storage/contract.ts';
import { FORM_TOKEN, type Forms } from './forms.ts';

export interface AccountDeps {
  readonly issuer: string;
  readonly directory: Directory;
  readonly users: Users;
  readonly passwordChange: PasswordChange;
  readonly views: Views;
  readonly forms: Forms;
}

const PURPOSE = 'account/password';
const COOKIE_MINUTES = 60;

function cookieName(issuer: string): string {
  return issuer.startsWith('https:') ? '__Host-account' : 'account';
}

/** The application whose people come here; by `application=<client_id>` in the address. */
async function requireApplication(ctx: Context, { directory }: AccountDeps): Promise<ActiveApplication> {
  const clientId = ctx.query.application;
  const found = typeof clientId === 'string' && (await (await directory.view()).findApplication(clientId));
  if (!found) throw new Refusal(404, 'there is no such application', { error: 'not_found' });
  return found;
}

function show(
  ctx: Context,
  { views, forms }: AccountDeps,
  client: ActiveApplication,
  binding: string,
  message: { problem?: string; done?: boolean; username?: string },
): void {
  ctx.type = 'html';
  ctx.body = views.render('password', {
    application: client.application.name,
    organization: client.organization.name,
    action: `/account/password?application=${encodeURIComponent(client.application.clientId)}`,
    problem: message.problem,
    done: message.done === true,
    username: message.username ?? '',
    tokenName: FORM_TOKEN,
    token: forms.token(binding, PURPOSE),
  });
}

export async function showPasswordPage(ctx: Context, deps: AccountDeps): Promise<void> {
  const client = await requireApplication(ctx, deps);
  const binding = randomBytes(16).toString('base64url');
  ctx.cookies.set(cookieName(deps.issuer), binding, {
    httpOnly: true,
    sameSite: 'lax',
    secure: deps.issuer.startsWith('https:'),
    signed: true,
    overwrite: true,
    path: '/',
    maxAge: COOKIE_MINUTES * 60_000,
  });
  show(ctx, deps, client, binding, {});
}

export async function submitPasswordPage(ctx: Context, deps: AccountDeps): Promise<void> {
  const client = await requireApplication(ctx, deps);
  const binding = ctx.cookies.get(cookieName(deps.issuer), { signed: true });
  if (!binding)
    throw new Refusal(403, 'this page is too old: reload it and try again', { error: 'access_denied' });
  const fields = deps.forms.require(ctx, binding, PURPOSE);
  const { username = '', password = '', new_password: newPassword = '', repeated = '' } = fields;
  const again = (status: number, problem: string): void => {
    ctx.status = status;
    show(ctx, deps, client, binding, { problem, username });
  };
  if (newPassword !== repeated) return again(400, 'The new password was not repeated exactly.');
  try {
    const { application, organization } = client;
    const user = await deps.users.authenticate({
      realm: application.realm,
      login: username,
      password,
      address: String(ctx.state.address),
      queue: organization.id,
    });
    await deps.passwordChange({
      user,
      newPassword,
      minLength: application.minPasswordLength,
      queue: organization.id,
      actor: userSubject(user),
    });
    show(ctx, deps, client, binding, { done: true });
  } catch (error) {
    ctx.state.reason = error instanceof Error ? error.message : undefined;
    if (error instanceof ProofRejected) return again(400, 'The username or the password is wrong.');
    if (error instanceof MalformedRequest)
      return again(400, error.description ?? 'The new password will not do.');
    if (error instanceof VersionConflict) return again(409, 'The account was changed meanwhile. Try again.');
    if (error instanceof TooManyAttempts || error instanceof Unavailable) {
      ctx.set('Retry-After', String(error.retryAfter));
      return again(
        error instanceof Unavailable ? 503 : 429,
        'Too many attempts. Wait a little and try again.',
      );
    }
    throw error;
  }
}
