/**
 * Apache Usergrid, also known as Apigee App Services: tokens for users of an application, for applications, for
 * administrators and for organizations, and as much of the API around them as it takes to manage who gets one. What
 * the original lets one principal do to others is bounded here by what the caller's token allows.
 */
import type { Face, FaceAction } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { createAdministration } from './administration.ts';
import { authorize } from './authorize.ts';
import { usergrid } from './declaration.ts';
import { toEnvelope } from './entities.ts';
import { createFailures } from './errors.ts';
import { type Answers, createPrincipals } from './principals.ts';
import { createTokenRoutes } from './tokens.ts';
import { createUserRoutes } from './users.ts';

type Answered = Readonly<Record<'get' | 'post', FaceAction>>;

const getAndPost = (path: string, { get, post }: Answered) => ({
  [`GET ${path}`]: get,
  [`POST ${path}`]: post,
});

/** Clients of the original use the one method or the other. */
const putAndPost = (path: string, action: FaceAction) => ({
  [`PUT ${path}`]: action,
  [`POST ${path}`]: action,
});

export function createFace(deps: FaceParts): Face {
  const { issuer, prefixes, now } = deps;
  const base = issuer + (prefixes.usergrid ?? '');
  const principals = createPrincipals(deps);
  const tokens = createTokenRoutes(deps);
  const users = createUserRoutes(deps, principals);
  const administration = createAdministration(deps, principals);

  /** All answers below an application have the times; those with entities have the envelope too. */
  const within = (answer: Answers[string]): FaceAction => {
    return async (request, ask) => {
      const timestamp = now();
      const answered = await answer(request, ask);
      const times = { timestamp, duration: now() - timestamp };
      return answered.entities ? toEnvelope(answered, times, request, base) : { ...answered, ...times };
    };
  };

  const toAuthorization: FaceAction = async (request) => authorize(request, issuer);
  const authorization = { get: toAuthorization, post: toAuthorization };
  const organizationKeys = {
    get: within(administration.readOrganizationKeys),
    post: within(administration.renewOrganizationKeys),
  };
  const managementTokens = tokens('management');

  const application = '/:organization/:application';
  const administrator = '/management/users/:user';
  const permissions = `${application}/roles/:role/permissions`;

  const usersAt = (path: string): Record<string, FaceAction> => {
    const user = `${path}/:user`;
    return {
      [`POST ${path}`]: within(users.create),
      [`GET ${path}`]: within(users.find),
      [`GET ${user}`]: within(users.read),
      [`DELETE ${user}`]: within(users.remove),
      [`GET ${user}/token`]: users.readToken,
      ...putAndPost(`${user}/password`, within(users.setPassword)),
      ...putAndPost(`${user}/revoketokens`, within(users.revokeTokens)),
      ...putAndPost(`${user}/revoketoken`, within(users.revokeToken)),
    };
  };

  return {
    name: usergrid.name,
    slashAtEnd: true,
    bodies: 'json or form',
    ...createFailures(now),
    grants: (own) => [...own.filter((grant) => grant === 'password'), 'act_for_user'],
    routes: {
      ...getAndPost('/token', managementTokens),
      ...getAndPost('/management/token', managementTokens),
      'POST /management/me': managementTokens.post,
      'GET /management/me': (request, ask) => {
        const answer = request.query.has('grant_type') ? managementTokens.get : administration.me;
        return answer(request, ask);
      },
      ...getAndPost('/management/authorize', authorization),
      ...getAndPost('/management/organizations/:organization/credentials', organizationKeys),
      ...getAndPost('/management/orgs/:organization/credentials', organizationKeys),
      ...putAndPost(`${administrator}/revoketokens`, within(users.revokeOwnTokens)),
      ...putAndPost(`${administrator}/revoketoken`, within(users.revokeOwnToken)),

      ...getAndPost(`${application}/token`, tokens()),
      ...getAndPost(`${application}/authorize`, authorization),
      [`GET ${application}/credentials`]: within(administration.readKeys),
      [`POST ${application}/credentials`]: within(administration.renewKeys),
      [`PUT ${application}`]: within(administration.changeApplication),
      ...usersAt(`${application}/users`),
      // Some clients of the original say it so.
      ...usersAt(`${application}/user`),
      [`GET ${permissions}`]: within(administration.readPermissions),
      [`POST ${permissions}`]: within(administration.addPermission),
      [`DELETE ${permissions}`]: within(administration.removePermissions),
    },
  };
}
