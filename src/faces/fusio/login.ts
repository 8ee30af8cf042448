/** People who log in with their own name and password, and everybody who ends what they have. */
import { ProofRejected } from '../../errors/domain.ts';
import type { FaceRoutes } from '../face.ts';
import { insteadOf } from '../instead-of.ts';
import type { FaceParts } from '../parts.ts';
import { requireToken } from './access.ts';
import { malformed } from './failures.ts';
import { createQuestions } from './questions.ts';
import { authorFor, fieldsOf, findList, requireText } from './requests.ts';

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
      return askFor(proof, { request, ask, scopes }).catch(
        insteadOf(ProofRejected, () => malformed('Invalid name or password')),
      );
    },

    async 'PUT /consumer/login'(request, ask) {
      const refreshToken = requireText(fieldsOf(request), 'refresh_token', 'No refresh token provided');
      return refresh(refreshToken, { request, ask });
    },

    async 'POST /authorization/revoke'(request) {
      const token = await requireToken(request);
      const actor = token.user === undefined ? `client:${token.application}` : `user:${token.user}`;
      await deps.revocations.revokeLoginOf(token, { ...authorFor(request), actor });
      return { success: true };
    },
  };
}
