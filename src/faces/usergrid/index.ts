/**
 * Apache Usergrid, also known as Apigee App Services: tokens for users of an application, for applications, for
 * administrators and for organizations, and as much of the API around them as it takes to manage who gets one. What
 * the original lets one principal do to others is bounded here by what the caller's token allows.
 */
import { defined } from '../../storage/defined.ts';
import type { Face, FaceAction } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { createAdministration } from './administration.ts';
import { authorize } from './authorize.ts';
import { usergrid } from './declaration.ts';
import { createFailures } from './errors.ts';
import { createPrincipals } from './principals.ts';
import { createTokenRoutes } from './tokens.ts';
import { createUserRoutes } from './users.ts';

/** The last members of an envelope stand behind the times. */
function timed(answer: (...args: Parameters<FaceAction>) => Promise<object>, now: () => number): FaceAction {
  return async (request, ask) => {
    const timestamp = now();
    const whole: Record<string, unknown> = { ...(await answer(request, ask)) };
    const { organization, applicationName, ...head } = whole;
    const times = { timestamp, duration: now() - timestamp };
    return { ...head, ...times, ...defined({ organization, applicationName }) };
  };
}

export function createFace(deps: FaceParts): Face {
  const { issuer, now } = deps;
  const principals = createPrincipals(deps);
  const tokens = createTokenRoutes(deps);
  const users = createUserRoutes(deps, principals);
  const administration = createAdministration(deps, principals);
  const within = (answer: Parameters<typeof timed>[0]): FaceAction => timed(answer, now);

  const toAuthorization: FaceAction = async (request) => authorize(request, issuer);

  const application = '/:organization/:application';
  const administrator = '/management/users/:user';
  const permissions = `${application}/roles/:role/permissions`;

  /** Clients of the original use the one method or the other. */
  const onPutAndPost = (path: string, action: FaceAction) => ({
    [`PUT ${path}`]: action,
    [`POST ${path}`]: action,
  });
  const keysOf = (path: string) => ({
    [`GET ${path}`]: within(administration.readOrganizationKeys),
    [`POST ${path}`]: within(administration.renewOrganizationKeys),
  });

  const usersAt = (path: string): Record<string, FaceAction> => {
    const user = `${path}/:user`;
    return {
      [`POST ${path}`]: within(users.create),
      [`GET ${path}`]: within(users.find),
      [`GET ${user}`]: within(users.read),
      [`DELETE ${user}`]: within(users.remove),
      [`GET ${user}/token`]: users.readToken,
      ...onPutAndPost(`${user}/password`, within(users.setPassword)),
      ...onPutAndPost(`${user}/revoketokens`, within(users.revokeTokens)),
      ...onPutAndPost(`${user}/revoketoken`, within(users.revokeToken)),
    };
  };

  return {
    name: usergrid.name,
    slashAtEnd: true,
    bodies: 'json or form',
    ...createFailures(now),
    grants: (own) => [...own.filter((grant) => grant === 'password'), 'act_for_user'],
    routes: {
      'POST /token': tokens.post('management'),
      'GET /token': tokens.get('management'),
      'POST /management/token': tokens.post('management'),
      'GET /management/token': tokens.get('management'),
      'POST /management/me': tokens.post('management'),
      'GET /management/me': (request, ask) => {
        const answer = request.query.has('grant_type') ? tokens.get('management') : administration.me;
        return answer(request, ask);
      },
      'GET /management/authorize': toAuthorization,
      'POST /management/authorize': toAuthorization,
      ...keysOf('/management/organizations/:organization/credentials'),
      ...keysOf('/management/orgs/:organization/credentials'),
      ...onPutAndPost(`${administrator}/revoketokens`, within(users.revokeOwnTokens)),
      ...onPutAndPost(`${administrator}/revoketoken`, within(users.revokeOwnToken)),

      [`POST ${application}/token`]: tokens.post('application'),
      [`GET ${application}/token`]: tokens.get('application'),
      [`GET ${application}/authorize`]: toAuthorization,
      [`POST ${application}/authorize`]: toAuthorization,
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
