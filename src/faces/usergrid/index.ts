/**
 * Apache Usergrid, also known as Apigee App Services: tokens for users of an application, for applications, for
 * administrators and for organizations, and as much of the API around them as it takes to manage who gets one. What
 * the original lets one principal do to others is bounded here by what the caller's token allows.
 */
import type { Face, FaceAction, FaceRoutes } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { createAdministration } from './administration.ts';
import { authorize } from './authorize.ts';
import { usergrid } from './declaration.ts';
import { toEnvelope } from './entities.ts';
import { createFailures } from './errors.ts';
import { type Answers, createPrincipals } from './principals.ts';
import { createTokenRoutes } from './tokens.ts';
import { createUserRoutes } from './users.ts';

/** @param actions by method */
function at(path: string, actions: FaceRoutes): FaceRoutes {
  return Object.fromEntries(Object.entries(actions).map(([method, action]) => [`${method} ${path}`, action]));
}

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

  /** @param answers by method */
  const answering = (path: string, answers: Answers): FaceRoutes =>
    at(path, Object.fromEntries(Object.entries(answers).map(([method, answer]) => [method, within(answer)])));

  /** Clients of the original use the one method or the other. */
  const putAndPost = (path: string, answer: Answers[string]): FaceRoutes =>
    answering(path, { PUT: answer, POST: answer });

  const toAuthorization: FaceAction = async (request) => authorize(request, issuer);
  const authorization = { GET: toAuthorization, POST: toAuthorization };
  const managementTokens = tokens('management');

  const application = '/:organization/:application';
  const administrator = '/management/users/:user';

  const usersAt = (path: string): FaceRoutes => ({
    ...answering(path, { POST: users.create, GET: users.find }),
    ...answering(`${path}/:user`, { GET: users.read, DELETE: users.remove }),
    ...at(`${path}/:user/token`, { GET: users.readToken }),
    ...putAndPost(`${path}/:user/password`, users.setPassword),
    ...putAndPost(`${path}/:user/revoketokens`, users.revokeTokens),
    ...putAndPost(`${path}/:user/revoketoken`, users.revokeToken),
  });

  return {
    name: usergrid.name,
    slashAtEnd: true,
    challenge: 'Bearer',
    bodies: 'json or form',
    ...createFailures(now),
    grants: (own) => [...own.filter((grant) => grant === 'password'), 'act_for_user'],
    routes: {
      ...at('/token', managementTokens),
      ...at('/management/token', managementTokens),
      'POST /management/me': managementTokens.POST,
      'GET /management/me': (request, ask) => {
        const answer = request.query.has('grant_type') ? managementTokens.GET : administration.me;
        return answer(request, ask);
      },
      ...at('/management/authorize', authorization),
      ...answering('/management/organizations/:organization/credentials', administration.organizationKeys),
      ...answering('/management/orgs/:organization/credentials', administration.organizationKeys),
      ...putAndPost(`${administrator}/revoketokens`, users.revokeOwnTokens),
      ...putAndPost(`${administrator}/revoketoken`, users.revokeOwnToken),

      ...at(`${application}/token`, tokens()),
      ...at(`${application}/authorize`, authorization),
      ...answering(`${application}/credentials`, administration.applicationKeys),
      ...answering(application, { PUT: administration.changeApplication }),
      ...usersAt(`${application}/users`),
      // Some clients of the original say it so.
      ...usersAt(`${application}/user`),
      ...answering(`${application}/roles/:role/permissions`, administration.permissions),
    },
  };
}
