/**
 * Who a browser belongs to, for pages below `/account` that show and change what is theirs: the person who logged in at an
 * application with it, or at the page itself. Only a recent login counts: another person may sit in front of the browser
 * later.
 */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { userSubject } from '../directory/subjects.ts';
import { Refusal } from '../http/refusal.ts';
import type { User } from '../nouns/index.ts';
import type { BrowserSession } from '../provider/interactions.ts';
import { rowKey } from '../storage/row-key.ts';
import { bindBrowser, findBinding } from './account-cookie.ts';
import type { PageDeps } from './deps.ts';
import type { ProvedUser } from './proof.ts';

/** Who logged in, and when. */
type Login = Pick<BrowserSession, 'subject' | 'loggedInAt'>;

const MODEL = 'AccountLogin';
const RECENT_MS = 30 * 60_000;

const keyOf = (binding: string): Buffer => rowKey(`account login ${binding}`, 16);

/** A login at the page itself. @returns what the browser holds after it, for the token of a form */
export async function rememberLogin(
  ctx: Context,
  deps: PageDeps,
  { user, provedAt }: ProvedUser,
): Promise<string> {
  const binding = bindBrowser(ctx, deps, true);
  await deps.artifacts.upsert(MODEL, keyOf(binding), {
    payload: { subject: userSubject(user), loggedInAt: provedAt },
    expiresAt: provedAt + RECENT_MS,
  });
  return binding;
}

/** To be called when a person logs out in this browser. */
export async function forgetLogin(
  ctx: Context,
  { artifacts, issuer }: Pick<PageDeps, 'artifacts' | 'issuer'>,
): Promise<void> {
  const binding = findBinding(ctx, issuer);
  if (binding) await artifacts.remove(MODEL, keyOf(binding));
}

async function findOwnLogin(ctx: Context, { artifacts, issuer, now }: PageDeps): Promise<Login | undefined> {
  const binding = findBinding(ctx, issuer);
  const row = binding && (await artifacts.find(MODEL, keyOf(binding), now()));
  if (!row) return undefined;
  return { subject: String(row.payload.subject), loggedInAt: Number(row.payload.loggedInAt) };
}

/** The person, if they may still log in and nothing ended the login since. */
async function findUser(
  { subject, loggedInAt }: Login,
  { users, registry }: PageDeps,
): Promise<User | undefined> {
  const user = await users.findBySubject(subject);
  if (!user) return undefined;
  const [, ofRealm] = user.realm.split(':');
  const above = [user.id, user.organization, ofRealm].filter((node) => node !== undefined);
  return (await registry.isAlive(above, loggedInAt)) ? user : undefined;
}

/** The application that the address names: `?application=<client id>`. @throws Refusal 404 */
export async function requireNamed(ctx: Context, { directory }: PageDeps): Promise<ActiveApplication> {
  const clientId = ctx.query.application;
  const found = typeof clientId === 'string' && (await (await directory.view()).findApplication(clientId));
  if (!found) throw new Refusal(404, 'The application is unknown.', { error: 'not_found' });
  ctx.state.clientId = found.application.clientId;
  return found;
}

/**
 * @param client the application whose people the page is for; absent: those of any
 * @returns without a user, they have to log in; `session` is the login in this browser, recent or not
 */
export async function findVisitor(ctx: Context, deps: PageDeps, client: ActiveApplication | undefined) {
  const [own, session] = await Promise.all([findOwnLogin(ctx, deps), deps.interactions.findSession(ctx)]);
  // The latest, so that one of two people who shared a browser does not meet the other.
  const [login] = [own, session]
    .filter((each) => each !== undefined)
    .filter(({ loggedInAt }) => loggedInAt > deps.now() - RECENT_MS)
    .sort((one, other) => other.loggedInAt - one.loggedInAt);
  const user = login && (await findUser(login, deps));
  const isTheirs = !client || user?.realm === client.application.realm;
  return { user: isTheirs ? user : undefined, session };
}
