/** Whose request it is: the bearer of the access token in the `Authorization` header, which is the only place for it. */
import type { Context, DefaultState } from 'koa';
import { describeChallenge, readBearer } from '../../clients/bearer.ts';
import { DomainError, TokenRejected } from '../../errors/domain.ts';
import type { Throttle } from '../../http/throttle.ts';
import type { PresentedTokens } from '../../tokens/presented-tokens.ts';
import type { Actor } from '../rights/actor.ts';

export interface AuthenticateDeps {
  /** @throws TokenRejected */
  findActor(token: string, state: DefaultState): Promise<Actor>;
  readonly throttle: Pick<Throttle, 'requireAddressNotBlocked' | 'addressFailure'>;
  readonly presentedTokens: Pick<PresentedTokens, 'findLiving' | 'hasExpired'>;
}

/** The request has no token at all, so it is told how to send one and not that one is wrong (RFC 6750 section 3.1). */
export class TokenMissing extends DomainError {
  override readonly error = 'missing_token';
  override readonly status = 401;
  override get told(): string {
    return 'Send an access token for this API as Authorization: Bearer.';
  }
}

/** Says to a client that was refused what its token lacks (RFC 6750 section 3, RFC 9470 section 3). */
export function challenge(ctx: Context, issuer: string, error: DomainError): void {
  const said = error instanceof TokenMissing ? undefined : error;
  ctx.set('WWW-Authenticate', describeChallenge(`${issuer}/admin`, said));
}

/**
 * Guesses count for the address, as those of passwords do. A token of ours that has expired or is for something else is not
 * a guess: clients learn from the answer that they need another one.
 */
export function createAuthenticate({ findActor, throttle, presentedTokens }: AuthenticateDeps) {
  const isOurs = async (token: string): Promise<boolean> =>
    (await presentedTokens.hasExpired(token)) || (await presentedTokens.findLiving(token)) !== undefined;

  return async (ctx: Context): Promise<Actor> => {
    const header = ctx.get('Authorization');
    if (header === '') throw new TokenMissing();
    const token = readBearer(header);
    if (token === undefined) {
      throw new TokenRejected({ description: 'The Authorization header is not Bearer and an access token.' });
    }
    const { address } = ctx.state;
    throttle.requireAddressNotBlocked(address);
    try {
      return await findActor(token, ctx.state);
    } catch (error) {
      if (error instanceof TokenRejected && !(await isOurs(token))) await throttle.addressFailure(address);
      throw error;
    }
  };
}
