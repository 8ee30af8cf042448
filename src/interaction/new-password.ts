/** `/account/new-password`: a person sets a new password with a link that an administrator made or had mailed. */
import type { Context } from 'koa';
import { NEW_PASSWORD_PATH } from '../accounts/password-links.ts';
import { userSubject } from '../directory/subjects.ts';
import { ProofRejected, UnfitPassword } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { Refusal } from '../http/refusal.ts';
import type { User } from '../nouns/index.ts';
import { bindBrowser, requireBinding } from './account-cookie.ts';
import type { PageDeps } from './deps.ts';
import { FORM_TOKEN } from './forms.ts';
import type { Problem } from './proof.ts';

const PURPOSE = 'account/new-password';

interface Page {
  readonly username: string;
  readonly problem?: Problem;
  /** Absent: it was done. */
  readonly link?: { readonly token: string; readonly binding: string; readonly minLength: number };
}

function show(ctx: Context, { views, forms }: PageDeps, { username, problem, link }: Page): void {
  ctx.type = 'html';
  ctx.body = views.render('new-password', {
    action: NEW_PASSWORD_PATH,
    username,
    problem: problem?.problem,
    invalid: problem?.field,
    done: link === undefined,
    linkToken: link?.token,
    minLength: link?.minLength,
    tokenName: FORM_TOKEN,
    token: link && forms.token(link.binding, PURPOSE),
  });
}

const authorFor = (ctx: Context, user?: User) => ({
  actor: user ? userSubject(user) : 'link for a new password',
  address: ctx.state.address,
  requestId: ctx.state.requestId,
});

/** @throws Refusal 410 for a link that is not good, whatever the reason */
async function withGoodLink<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ProofRejected)) throw error;
    const says = 'This link is used up or has expired. Ask for a new one.';
    throw new Refusal(410, says, { error: 'gone', reason: reasonOf(error) ?? 'unknown' });
  }
}

export async function showNewPassword(ctx: Context, deps: PageDeps): Promise<void> {
  const token = typeof ctx.query.token === 'string' ? ctx.query.token : '';
  const { username, minLength } = await withGoodLink(() =>
    deps.passwordLinks.find(token, () => authorFor(ctx)),
  );
  show(ctx, deps, { username, link: { token, binding: bindBrowser(ctx, deps), minLength } });
}

export async function submitNewPassword(ctx: Context, deps: PageDeps): Promise<void> {
  const { passwordLinks } = deps;
  const binding = requireBinding(ctx, deps);
  const { token = '', password = '', repeated = '' } = deps.forms.require(ctx, binding, PURPOSE);
  const { username, minLength } = await withGoodLink(() => passwordLinks.find(token, () => authorFor(ctx)));
  const again = (problem: Problem): void => {
    ctx.status = 400;
    show(ctx, deps, { username, problem, link: { token, binding, minLength } });
  };
  if (password !== repeated) {
    again({ problem: 'The password was not repeated exactly.', field: 'repeated' });
    return;
  }
  try {
    await withGoodLink(() => passwordLinks.redeem(token, password, (user) => authorFor(ctx, user)));
  } catch (error) {
    if (!(error instanceof UnfitPassword)) throw error;
    ctx.state.reason = reasonOf(error);
    again({ problem: error.told, field: 'password' });
    return;
  }
  show(ctx, deps, { username });
}
