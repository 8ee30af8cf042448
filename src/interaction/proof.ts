/** A name and a password given on a page: one way to prove them and one way to say no, for login and for what needs it again. */
import type { Context } from 'koa';
import type { ActiveApplication } from '../directory/directory.ts';
import { ProofRejected, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import type { User } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';
import type { PageDeps } from './deps.ts';
import { toMinutes } from './duration.ts';

export interface ProofRequest {
  readonly client: ActiveApplication;
  readonly username: string;
  readonly password: string;
  /** What is refused, for the audit. */
  readonly event: string;
}

export interface ProvedUser {
  readonly user: User;
  /** Milliseconds: before the password was looked at, so that whatever ends it afterwards is later. */
  readonly provedAt: number;
}

/** What the person reads. The status and `Retry-After` of the answer are set. */
export interface Problem {
  readonly problem: string;
  /** Name of the input that the problem is about. */
  readonly field?: string;
}

/**
 * One sentence serves for every way in which a name and a password can be wrong (AC-09): unknown, wrong, disabled, or
 * an account that needs a second factor. With 400, because 401 would ask for HTTP authentication.
 */
function toProblem(ctx: Context, error: unknown): Problem | undefined {
  if (error instanceof ProofRejected) {
    ctx.status = 400;
    return { problem: 'The username or the password is wrong.', field: 'password' };
  }
  if (!(error instanceof TooManyAttempts || error instanceof Unavailable)) return undefined;
  ctx.status = error instanceof Unavailable ? 503 : 429;
  ctx.set('Retry-After', String(error.retryAfter));
  return error instanceof Unavailable
    ? { problem: 'Too many people are logging in at this moment. Wait a little and try again.' }
    : { problem: `Too many attempts. Try again in ${toMinutes(error.retryAfter)}.` };
}

/** What was typed is not kept: it may be a password in the wrong field. */
async function record(
  ctx: Context,
  { refusals, now }: PageDeps,
  { client, event }: ProofRequest,
  error: unknown,
): Promise<void> {
  const { state } = ctx;
  state.reason = reasonOf(error);
  const { address, requestId, reason } = state;
  const { application, organization } = client;
  const who = { client: application.clientId, organization: organization.id, address, requestId };
  await refusals.append({ at: now(), event, outcome: 'denied', ...who, ...defined({ reason }) }, false);
}

export function isProblem(answer: ProvedUser | Problem): answer is Problem {
  return 'problem' in answer;
}

/** @throws errors that are not a refusal, such as StoreUnavailable */
export async function provePassword(
  ctx: Context,
  deps: PageDeps,
  request: ProofRequest,
): Promise<ProvedUser | Problem> {
  const { client, username, password } = request;
  const provedAt = deps.now();
  try {
    const user = await deps.authenticateUser({
      realm: client.application.realm,
      login: username,
      password,
      address: ctx.state.address,
      queue: client.organization.id,
    });
    if (user.secondFactor) throw new ProofRejected({ reason: 'the account has a second factor' });
    return { user, provedAt };
  } catch (error) {
    const problem = toProblem(ctx, error);
    if (!problem) throw error;
    await record(ctx, deps, request, error);
    return problem;
  }
}
