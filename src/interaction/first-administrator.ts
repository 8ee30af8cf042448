/** `/account/first-administrator`: the operator who reads the terminal makes the first administrator. */
import type { Context } from 'koa';
import { DeadLink, FIRST_ADMINISTRATOR_PATH } from '../accounts/first-administrator.ts';
import { AlreadyTaken, MalformedRequest, UnfitPassword } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import { bindBrowser, requireBinding } from './account-cookie.ts';
import type { PageDeps } from './deps.ts';
import { FORM_TOKEN } from './forms.ts';
import type { Problem } from './proof.ts';

const PURPOSE = 'account/first-administrator';

interface Page {
  readonly problem?: Problem;
  readonly username?: string;
  /** Absent: it was done. */
  readonly link?: { readonly token: string; readonly binding: string };
}

function show(ctx: Context, { views, forms }: PageDeps, { problem, username = '', link }: Page): void {
  ctx.type = 'html';
  ctx.body = views.render('first-administrator', {
    action: FIRST_ADMINISTRATOR_PATH,
    problem: problem?.problem,
    invalid: problem?.field,
    done: link === undefined,
    username,
    minLength: MIN_PASSWORD_LENGTH.administrator,
    linkToken: link?.token,
    tokenName: FORM_TOKEN,
    token: link && forms.token(link.binding, PURPOSE),
  });
}

/** A wrong link counts against the address that has it. @throws TooManyAttempts, DeadLink */
async function counted<T>(ctx: Context, deps: PageDeps, work: () => Promise<T>): Promise<T> {
  const { throttle } = deps;
  throttle.requireAddressNotBlocked(ctx.state.address);
  try {
    return await work();
  } catch (error) {
    if (error instanceof DeadLink) await throttle.addressFailure(ctx.state.address);
    throw error;
  }
}

export async function showFirstAdministrator(ctx: Context, deps: PageDeps): Promise<void> {
  const token = typeof ctx.query.token === 'string' ? ctx.query.token : '';
  await counted(ctx, deps, () => deps.firstAdministrator.requireOpen(token));
  show(ctx, deps, { link: { token, binding: bindBrowser(ctx, deps) } });
}

/** What the person reads of what was typed; undefined: it is about something else. */
function toProblem(error: unknown): Problem | undefined {
  if (error instanceof UnfitPassword) return { problem: error.told, field: 'password' };
  if (error instanceof AlreadyTaken || error instanceof MalformedRequest) {
    return { problem: error.told, field: 'username' };
  }
  return undefined;
}

export async function submitFirstAdministrator(ctx: Context, deps: PageDeps): Promise<void> {
  const binding = requireBinding(ctx, deps);
  const fields = deps.forms.require(ctx, binding, PURPOSE);
  const { token = '', username = '', password = '', repeated = '' } = fields;
  const { address, requestId } = ctx.state;
  const again = (problem: Problem): void => {
    ctx.status = 400;
    show(ctx, deps, { problem, username, link: { token, binding } });
  };
  await counted(ctx, deps, () => deps.firstAdministrator.requireOpen(token));
  if (password !== repeated) {
    again({ problem: 'The password was not repeated exactly.', field: 'repeated' });
    return;
  }
  const author = {
    actor: 'link for the first administrator',
    address,
    requestId,
    managedBy: 'person',
  } as const;
  try {
    await counted(ctx, deps, () => deps.firstAdministrator.create(token, { username, password }, author));
  } catch (error) {
    const problem = toProblem(error);
    if (!problem) throw error;
    ctx.state.reason = reasonOf(error);
    again(problem);
    return;
  }
  show(ctx, deps, { username });
}
