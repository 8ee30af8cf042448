/**
 * An identity assertion (ID-JAG) is traded for an access token: an issuer that the organization trusts says for whom the
 * client asks, and an administrator has said who that is here. No refresh token: the client asks the issuer again, which
 * may have changed its mind.
 */

import { requireText } from '../../clients/form.ts';
import { AssertionRejected, type IdentityAssertion } from '../../clients/identity-assertions.ts';
import type { DirectoryView } from '../../directory/directory.ts';
import { userSubject } from '../../directory/subjects.ts';
import { isActive } from '../../directory/users.ts';
import { DomainError, GrantNotAllowed, PermissionsNotAllowed, UnknownResource } from '../../errors/domain.ts';
import { quote } from '../../errors/texts.ts';
import type { Application, User } from '../../nouns/index.ts';
import { isOpenIdScope } from '../../nouns/openid-scopes.ts';
import { EVERYTHING, NOTHING, type Permissions } from '../../permissions/permissions.ts';
import { isSameResource } from '../../permissions/resource-identifiers.ts';
import { splitTableScopes } from '../../permissions/table-scopes.ts';
import { identityNode, issuerNode } from '../../registry/nodes.ts';
import { findAgentDefault } from '../../rights/rights.ts';
import { withValues } from '../../rights/variable-values.ts';
import { defined } from '../../storage/defined.ts';
import { type Asked, parseAsked } from '../asked.ts';
import { knownScopes } from '../downscope.ts';
import type { Grant, GrantRequest, Proof } from '../grant.ts';
import type { GrantParts } from './parts.ts';

export const IDENTITY_ASSERTION = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** In the metadata, beside the grant: the kind of assertion. */
export const IDENTITY_ASSERTION_PROFILE = 'urn:ietf:params:oauth:grant-profile:id-jag';

type SplitScopes = Parameters<typeof parseAsked>[1];

const usedBefore = () =>
  new AssertionRejected({ reason: 'the assertion is refused: it must only be used once' });

/** The one resource that the token is for, if the assertion says it. @throws UnknownResource */
function chooseResource({ resources }: IdentityAssertion, { resource: asked }: Asked): string | undefined {
  if (asked !== undefined && resources.length > 0) {
    const named = resources.find((each) => isSameResource(each, asked));
    if (named !== undefined) return named;
    throw new UnknownResource({ description: 'The resource must be one that the assertion names.' });
  }
  if (resources.length > 1) {
    throw new UnknownResource({ description: 'The assertion names several resources. Name one.' });
  }
  return asked ?? resources[0];
}

const withoutOpenId = (scope: string): string =>
  scope
    .split(' ')
    .filter((each) => !isOpenIdScope(each))
    .join(' ');

/** @throws AssertionRejected: the client did not write them */
function parseRights(
  { scope, authorizationDetails: details }: IdentityAssertion,
  resource: string | undefined,
  splitScopes: SplitScopes,
): Asked {
  const claims = {
    scope: scope && withoutOpenId(scope),
    authorization_details: details && JSON.stringify(details),
  };
  try {
    return parseAsked(claims, splitScopes, resource);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new AssertionRejected({ reason: `the rights of the assertion: ${error.told}`, cause: error });
  }
}

/** What the assertion allows: what it names and nothing else; everything if it names no rights. */
function readRights(
  assertion: IdentityAssertion,
  chosen: string | undefined,
  application: Application,
  splitScopes: SplitScopes,
): NonNullable<Proof['parent']> {
  if (assertion.scope === undefined && assertion.authorizationDetails === undefined) {
    const scope = application.scopes.join(' ');
    return { resource: chosen ?? application.resource, scope, permissions: EVERYTHING };
  }
  const named = parseRights(assertion, chosen, splitScopes);
  const { scopes = [], permissions = NOTHING, asScopes } = named;
  const resource = chosen ?? named.resource ?? application.resource;
  return { resource, scope: scopes.join(' '), permissions, ...defined({ asScopes }) };
}

/** @throws PermissionsNotAllowed */
async function requireDefault(
  view: DirectoryView,
  application: Application,
  user: User,
  resource: string | undefined,
): Promise<Permissions> {
  const given = await findAgentDefault(view, application, resource);
  if (given) return withValues(given, user);
  throw new PermissionsNotAllowed({
    description: 'Name the tables that the application asks for, such as scope=orders:read.',
  });
}

export function createIdentityAssertionGrant({ users, identityAssertions }: GrantParts): Grant {
  async function requireUser(
    { identity }: IdentityAssertion,
    { application, organization }: GrantRequest['client'],
  ): Promise<User> {
    const { issuer, subject } = identity;
    const reject = (problem: string) =>
      new AssertionRejected({ reason: `${quote(subject)} of ${issuer}: ${problem}` });
    const user = await users.findByIdentity(application.realm, identity);
    if (user?.organization !== organization.id) throw reject('no user of the application is linked to it');
    if (!isActive(user)) throw reject('the user is disabled or not activated');
    // As with a password: what the issuer asked for is not known here.
    if (user.secondFactor) throw reject('the account has a second factor');
    return user;
  }

  return {
    type: IDENTITY_ASSERTION,
    name: 'identity_assertion',
    goesOn: true,
    ignoresOpenId: true,
    isForeign: true,
    parameters: ['assertion'],
    async prove(request) {
      const { client, parameters, view } = request;
      const { application, organization } = client;
      // An assertion that was intercepted would be all that it takes.
      if (client.method === 'none') {
        throw new GrantNotAllowed({
          description: 'An identity assertion needs a client that authenticates.',
        });
      }
      const assertion = await identityAssertions.judge(requireText(parameters, 'assertion'), client);
      // Parallel uses are told apart at the end; here a later one leaves nothing behind.
      if (await assertion.isUsed()) throw usedBefore();
      const user = await requireUser(assertion, client);
      const isKnown = await knownScopes(view, application);
      const splitScopes = (scopes: readonly string[]) => splitTableScopes(scopes, isKnown);
      const asked = parseAsked(parameters, splitScopes);
      const named = readRights(assertion, chooseResource(assertion, asked), application, splitScopes);
      const namesTables = asked.permissions !== undefined || named.permissions !== EVERYTHING;
      const parent =
        application.agent && !namesTables
          ? { ...named, permissions: await requireDefault(view, application, user, named.resource) }
          : named;
      return defined({
        subject: userSubject(user),
        user,
        sender: assertion.sender,
        ancestors: [
          issuerNode(organization.id, assertion.identity.issuer),
          identityNode(user.id, assertion.identity),
        ],
        parent,
        async spend() {
          if (await assertion.use()) return undefined;
          throw usedBefore();
        },
      });
    },
  };
}
