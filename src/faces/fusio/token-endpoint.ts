/** The token endpoint, at which an application stands in HTTP Basic with key and secret. */
import { ProofRejected } from '../../errors/domain.ts';
import type { ApplicationSecret, FaceRequest, FaceRoutes } from '../face.ts';
import { insteadOf } from '../instead-of.ts';
import type { FaceParts } from '../parts.ts';
import { splitCode } from './code-text.ts';
import type { FusioSettings } from './declaration.ts';
import { oauthError, unknownCredentials } from './failures.ts';
import { createQuestions, type Given, type Question } from './questions.ts';
import { type Fields, fieldsOf, findText, readScopes, requireText } from './requests.ts';

const NO_CREDENTIALS = 'Credentials not available';

type Grant = (fields: Fields, question: Question) => Promise<Given>;

/** @param fields where they may stand too, with one grant @throws Refusal 400 */
function requireCredentials(request: FaceRequest, fields: Fields = {}): ApplicationSecret {
  const { basic, header } = request;
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

export function createTokenEndpoint(deps: FaceParts): FaceRoutes {
  const { askFor, refresh } = createQuestions(deps);

  const grants: Readonly<Record<string, Grant>> = {
    async client_credentials(fields, { request, ask }) {
      const as = requireCredentials(request);
      const scopes = readScopes(fields);
      const { clientId: username, clientSecret: password } = as;
      const answer = (await isPerson(request, as))
        ? askFor({ grantType: 'password', parameters: { username, password } }, { request, ask, scopes })
        : askFor({ grantType: 'client_credentials' }, { request, ask, scopes, as, startsLogin: true });
      return answer.catch(insteadOf(ProofRejected, unknownCredentials));
    },

    async password(fields, question) {
      const username = requireText(fields, 'username', 'username is missing');
      const password = requireText(fields, 'password', 'password is missing');
      const as = requireCredentials(question.request);
      const scopes = readScopes(fields);
      const proof = { grantType: 'password', parameters: { username, password } };
      return askFor(proof, { ...question, scopes, as }).catch(
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
      const own = await deps.codes.findRedirectUri(code);
      return askFor(
        {
          grantType: 'authorization_code',
          parameters: {
            code,
            // A code that did not come from this API ends, like a stolen one.
            redirect_uri: findText(fields, 'redirect_uri') ?? own ?? 'none',
            ...(own !== undefined && verifier !== undefined && { code_verifier: verifier }),
          },
        },
        { ...question, as, startsLogin: true },
      ).catch(insteadOf(ProofRejected, () => oauthError('invalid_grant', 'Invalid code')));
    },
  };

  return {
    async 'POST /authorization/token'(request, ask) {
      const fields = fieldsOf(request);
      const type = requireText(fields, 'grant_type', 'grant_type is missing');
      const grant = Object.hasOwn(grants, type) ? grants[type] : undefined;
      if (!grant) throw oauthError('unsupported_grant_type', 'Invalid grant type');
      const { token: access_token, ...others } = await grant(fields, { request, ask });
      return { access_token, token_type: 'bearer', ...others };
    },
  };
}
