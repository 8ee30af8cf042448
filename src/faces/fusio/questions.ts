/** What this face asks of the token endpoint, and what its clients expect of the tokens. */
import { ProofRejected, RefreshTokenTooOld } from '../../errors/domain.ts';
import type { User } from '../../nouns/index.ts';
import { defined } from '../../storage/defined.ts';
import type { TokenAnswer } from '../../tokens/grant.ts';
import type { ApplicationSecret, Ask, FaceRequest, TokenQuestion } from '../face.ts';
import { insteadOf } from '../instead-of.ts';
import type { FaceParts } from '../parts.ts';
import { malformed } from './failures.ts';
import { OWN_SCOPES, pickScopes } from './scopes.ts';

/** Seconds. */
const TTL = 2 * 86_400;
const REFRESH_TTL = 3 * 86_400;

export interface Question {
  readonly request: FaceRequest;
  readonly ask: Ask;
  /** Undefined for all that can be had. */
  readonly scopes?: readonly string[] | undefined;
  /** The application that asks; undefined for the face. */
  readonly as?: ApplicationSecret;
  readonly startsLogin?: boolean;
}

/** What the original's clients read in tokens. */
function describe(user: User | undefined): Record<string, unknown> {
  if (!user) return {};
  const { username, email } = user;
  return { name: username, preferred_username: username, ...defined({ email }) };
}

/** As a login answers; the token endpoint has another name for the token. */
export type Given = ReturnType<typeof tell>;

function tell({ access_token: token, expires_in, refresh_token, scope = '' }: TokenAnswer) {
  return { token, expires_in, ...defined({ refresh_token }), scope: scope.replaceAll(' ', ',') };
}

export function createQuestions({ users, presentedTokens }: FaceParts) {
  /** A token of an application that a person registered speaks of that person. */
  async function findOwner({ view, organization }: FaceRequest, clientId: string): Promise<User | undefined> {
    const active = await view.findApplication(clientId);
    const owner = active?.organization.id === organization.id ? active.application.owner : undefined;
    return owner === undefined ? undefined : users.find(owner);
  }

  async function askFor(
    proof: Pick<TokenQuestion, 'grantType' | 'parameters'>,
    { request, ask, scopes, as, startsLogin = false }: Question,
  ): Promise<Given> {
    const { ttl = TTL, refreshTtl = REFRESH_TTL } = request.settings;
    const owner = as && (await findOwner(request, as.clientId));
    const { answer } = await ask.token({
      ...proof,
      as,
      startsLogin,
      scopes: OWN_SCOPES,
      // Those that are asked for are picked below: they may be names that stand for several.
      asked: { scopes: OWN_SCOPES },
      pickScopes: (_, allowed) => pickScopes(scopes, allowed),
      token: {
        format: 'jwt',
        ttl,
        refreshAge: refreshTtl,
        endsEarlier: true,
        claims: (_, user) => describe(user ?? owner),
      },
    });
    return tell(answer);
  }

  function refresh(refreshToken: string, question: Question): Promise<Given> {
    const proof = { grantType: 'refresh_token', parameters: { refresh_token: refreshToken } };
    return askFor(proof, question).catch(
      insteadOf(ProofRejected, async (error) => {
        const isOver =
          error instanceof RefreshTokenTooOld || (await presentedTokens.hasLoginExpired(refreshToken));
        return malformed(isOver ? 'Refresh token is expired' : 'Invalid refresh token');
      }),
    );
  }

  return { askFor, refresh };
}
