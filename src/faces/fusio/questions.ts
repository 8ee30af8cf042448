/** What this face asks of the token endpoint, and what its clients expect of the tokens. */
import type { Users } from '../../directory/users.ts';
import { RefreshTokenTooOld } from '../../errors/domain.ts';
import type { User } from '../../storage/nouns.ts';
import type { AskForToken, AskOptions, Credentials, FaceRequest, FaceTokens } from '../face.ts';
import { insteadOfRejected, malformed } from './failures.ts';
import { OWN_SCOPES, pickScopes } from './scopes.ts';

/** Seconds. */
const TTL = 2 * 86_400;
const REFRESH_TTL = 3 * 86_400;

export type Answer = Readonly<Record<string, unknown>>;

export interface Question {
  readonly request: FaceRequest;
  readonly ask: AskForToken;
  /** Scopes; undefined for all that can be had. */
  readonly asked?: readonly string[] | undefined;
  /** The application that asks; undefined for the face. */
  readonly as?: Credentials;
  readonly startsLogin?: boolean;
}

export interface Questions {
  askFor(form: Readonly<Record<string, string>>, question: Question): Promise<Answer>;
  refresh(refreshToken: string, question: Question): Promise<Answer>;
}

export interface QuestionsDeps {
  readonly users: Pick<Users, 'find'>;
  readonly tokens: FaceTokens;
}

/** What the original's clients read in tokens. */
function describe(user: User | undefined): Record<string, unknown> {
  if (!user) return {};
  const { username, email } = user;
  return { name: username, preferred_username: username, ...(email !== undefined && { email }) };
}

export function createQuestions({ users, tokens }: QuestionsDeps): Questions {
  /** A token of an application that somebody registered speaks of them. */
  async function findOwner({ view, organization }: FaceRequest, clientId: string): Promise<User | undefined> {
    const active = await view.findApplication(clientId);
    const owner = active?.organization.id === organization.id ? active.application.owner : undefined;
    return owner === undefined ? undefined : users.find(owner);
  }

  const questions: Questions = {
    async askFor(form, { request, ask, asked, as, startsLogin = false }) {
      const { ttl = TTL, refreshTtl = REFRESH_TTL } = request.settings;
      const owner = as && (await findOwner(request, as.clientId));
      const options: AskOptions = {
        ...(as && { as }),
        startsLogin,
        scopes: OWN_SCOPES,
        pickScopes: (_, allowed) => pickScopes(asked, allowed),
        token: {
          format: 'jwt',
          ttl,
          refreshAge: refreshTtl,
          endsEarlier: true,
          claims: (_, user) => describe(user ?? owner),
        },
      };
      // What is asked for stays out of the form, where a name with a colon would ask for a table.
      return ask({ ...form, scope: OWN_SCOPES.join(' ') }, options);
    },

    refresh(refreshToken, question) {
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
      return questions.askFor(form, question).catch(
        insteadOfRejected(async (error) => {
          const isOver = error instanceof RefreshTokenTooOld || (await tokens.hasLoginExpired(refreshToken));
          return malformed(isOver ? 'Refresh token is expired' : 'Invalid refresh token');
        }),
      );
    },
  };
  return questions;
}
