/** People who log in with their own name and password, and everybody who ends what they have. */

import { defined } from '../../storage/defined.ts';
import type { TokenAnswer } from '../../tokens/grant.ts';
import type { FaceRoutes } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { requireToken } from './access.ts';
import { insteadOfRejected, malformed } from './failures.ts';
import { createQuestions } from './questions.ts';
import { authorFor, fieldsOf, findList, requireText } from './requests.ts';
import { tellScopes } from './scopes.ts';

function toAnswer({ access_token: token, expires_in, refresh_token, scope }: TokenAnswer) {
  return { token, expires_in, ...defined({ refresh_token }), scope: tellScopes(scope) };
}

export function createLoginRoutes(deps: FaceParts): FaceRoutes {
  const { askFor, refresh } = createQuestions(deps);
  return {
    async 'POST /consumer/login'(request, ask) {
      const fields = fieldsOf(request);
      // Who sends one means the token endpoint, of whichever API.
      if (Object.hasOwn(fields, 'grant_type')) throw malformed('A login has no grant_type');
      const username = requireText(fields, 'username', 'No username provided');
      const password = requireText(fields, 'password', 'No password provided');
      const listed = findList(fields, 'scopes');
      const scopes = listed?.length === 0 ? undefined : listed;
      const proof = { grantType: 'password', parameters: { username, password } };
      const answer = askFor(proof, { request, ask, scopes });
      return toAnswer(await answer.catch(insteadOfRejected(() => malformed('Invalid name or password'))));
    },

    async 'PUT /consumer/login'(request, ask) {
      const refreshToken = requireText(fieldsOf(request), 'refresh_token', 'No refresh token provided');
      return toAnswer(await refresh(refreshToken, { request, ask }));
    },

    async 'POST /authorization/revoke'(request) {
      const token = await requireToken(request);
      const actor = token.user === undefined ? `client:${token.application}` : `user:${token.user}`;
      await deps.revocations.revokeLoginOf(token, { ...authorFor(request), actor });
      return { success: true };
    },
  };
}
