/**
 * How people and applications get tokens, and end them: at a login with their own name and password, and at the token
 * endpoint, at which an application stands in HTTP Basic with key and secret.
 */
import { ProofRejected, RefreshTokenTooOld } from '../../errors/domain.ts';
import type { User } from '../../nouns/index.ts';
import type { JsonObject } from '../../permissions/json.ts';
import { defined } from '../../storage/defined.ts';
import {
  type ApplicationSecret,
  type Ask,
  type FaceRequest,
  type FaceRoutes,
  insteadOf,
  type TokenQuestion,
} from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { requireToken } from './access.ts';
import type { FusioSettings } from './declaration.ts';
import { malformed, oauthError, unknownCredentials } from './failures.ts';
import { authorFor, fieldsOf, findList, findText, readScopes, requireText, splitCode } from './requests.ts';
import { OWN_SCOPES, pickScopes } from './scopes.ts';

/** Seconds. */
const TTL = 2 * 86_400;
const REFRESH_TTL = 3 * 86_400;

const NO_CREDENTIALS = 'Credentials not available';

interface Question {
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

/** @param fields where they may stand too, with one grant @throws Refusal 400 */
function requireCredentials({ basic, header }: FaceRequest, fields: JsonObject = {}): ApplicationSecret {
  // The original compares the scheme with its case.
  if (basic?.clientSecret && header('authorization').startsWith('Basic ')) return basic;
  const clientId = requireText(fields, 'client_id', NO_CREDENTIALS);
  return { clientId, clientSecret: requireText(fields, 'client_secret', NO_CREDENTIALS) };
}

/** Where people's names may stand for keys: whether one does. A key that there is means its application. */
async function isPerson({ settings, view, organization }: FaceRequest, { clientId }: ApplicationSecret) {
  if (!(settings as FusioSettings).userCredentials) return false;
  return (await view.findApplication(clientId))?.organization.id !== organization.id;
}

const passwordOf = (username: string, password: string) => ({
  grantType: 'password',
  parameters: { username, password },
});

export function createTokenRoutes({ users, presentedTokens, codes, revocations }: FaceParts): FaceRoutes {
  /** A token of an application that a person registered speaks of that person. */
  async function findOwner({ view, organization }: FaceRequest, clientId: string): Promise<User | undefined> {
    const active = await view.findApplication(clientId);
    const owner = active?.organization.id === organization.id ? active.application.owner : undefined;
    return owner === undefined ? undefined : users.find(owner);
  }

  /** As a login answers; the token endpoint has another name for the token. */
  async function askFor(
    proof: Pick<TokenQuestion, 'grantType' | 'parameters'>,
    { request, ask, scopes, as, startsLogin = false }: Question,
  ) {
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
    const { access_token: token, expires_in, refresh_token, scope = '' } = answer;
    return { token, expires_in, ...defined({ refresh_token }), scope: scope.replaceAll(' ', ',') };
  }

  function refresh(refreshToken: string, question: Question) {
    const proof = { grantType: 'refresh_token', parameters: { refresh_token: refreshToken } };
    return askFor(proof, question).catch(
      insteadOf(ProofRejected, async (error) => {
        const isOver =
          error instanceof RefreshTokenTooOld || (await presentedTokens.hasLoginExpired(refreshToken));
        return malformed(isOver ? 'Refresh token is expired' : 'Invalid refresh token');
      }),
    );
  }

  const grants: Readonly<
    Record<string, (fields: JsonObject, question: Question) => ReturnType<typeof askFor>>
  > = {
    async client_credentials(fields, question) {
      const as = requireCredentials(question.request);
      const scopes = readScopes(fields);
      const answer = (await isPerson(question.request, as))
        ? askFor(passwordOf(as.clientId, as.clientSecret), { ...question, scopes })
        : askFor({ grantType: 'client_credentials' }, { ...question, scopes, as, startsLogin: true });
      return answer.catch(insteadOf(ProofRejected, unknownCredentials));
    },

    async password(fields, question) {
      const username = requireText(fields, 'username', 'username is missing');
      const password = requireText(fields, 'password', 'password is missing');
      const as = requireCredentials(question.request);
      const scopes = readScopes(fields);
      return askFor(passwordOf(username, password), { ...question, scopes, as }).catch(
        insteadOf(ProofRejected, () => oauthError('invalid_grant', 'Unknown user')),
      );
    },

    async refresh_token(fields, question) {
      const refreshToken = requireText(fields, 'refresh_token', 'refresh_token is missing');
      return refresh(refreshToken, { ...question, as: requireCredentials(question.request) });
    },

    async authorization_code(fields, question) {
      const value = requireText(fields, 'code', 'code is missing');
      const as = requireCredentials(question.request, fields);
      const { code, verifier } = splitCode(value);
      const own = await codes.findRedirectUri(code);
      const parameters = {
        code,
        // A code that did not come from this API ends, like a stolen one.
        redirect_uri: findText(fields, 'redirect_uri') ?? own ?? 'none',
        ...(own !== undefined && verifier !== undefined && { code_verifier: verifier }),
      };
      const proof = { grantType: 'authorization_code', parameters };
      return askFor(proof, { ...question, as, startsLogin: true }).catch(
        insteadOf(ProofRejected, () => oauthError('invalid_grant', 'Invalid code')),
      );
    },
  };

  return {
    async 'POST /consumer/login'(request, ask) {
      const fields = fieldsOf(request);
      // Who sends one means the token endpoint, of whichever API.
      if (Object.hasOwn(fields, 'grant_type')) throw malformed('A login has no grant_type');
      const username = requireText(fields, 'username', 'No username provided');
      const password = requireText(fields, 'password', 'No password provided');
      const listed = findList(fields, 'scopes');
      const scopes = listed?.length === 0 ? undefined : listed;
      return askFor(passwordOf(username, password), { request, ask, scopes }).catch(
        insteadOf(ProofRejected, () => malformed('Invalid name or password')),
      );
    },

    async 'PUT /consumer/login'(request, ask) {
      const refreshToken = requireText(fieldsOf(request), 'refresh_token', 'No refresh token provided');
      return refresh(refreshToken, { request, ask });
    },

    async 'POST /authorization/token'(request, ask) {
      const fields = fieldsOf(request);
      const type = requireText(fields, 'grant_type', 'grant_type is missing');
      const grant = Object.hasOwn(grants, type) ? grants[type] : undefined;
      if (!grant) throw oauthError('unsupported_grant_type', 'Invalid grant type');
      const { token: access_token, ...others } = await grant(fields, { request, ask });
      return { access_token, token_type: 'bearer', ...others };
    },

    async 'POST /authorization/revoke'(request) {
      const token = await requireToken(request);
      const actor = token.user === undefined ? `client:${token.application}` : `user:${token.user}`;
      await revocations.revokeLoginOf(token, { ...authorFor(request), actor });
      return { success: true };
    },
  };
}
