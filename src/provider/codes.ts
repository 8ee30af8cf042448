/**
 * Authorization codes for a person who is logged in and has agreed already, made without a browser at the authorization
 * endpoint. They are the engine's own, under a consent of their own, so redeeming one is the same for all: once, by the
 * application that it was made for, with the verifier (RFC 7636) and the redirect URI that it was made with.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import { userSubject } from '../directory/subjects.ts';
import { GrantNotAllowed, MalformedRequest, UnknownResource } from '../errors/domain.ts';
import { NOTHING } from '../permissions/permissions.ts';
import { findRights } from '../rights/rights.ts';
import { defined } from '../storage/defined.ts';
import type { CodeRequest, Codes } from '../tokens/codes.ts';
import { agree } from '../tokens/consent.ts';
import type { ProviderDeps } from './deps.ts';

/** No browser is sent there. */
const NOWHERE = 'urn:grantable:no-redirect';

export function createCodes(
  provider: () => Provider,
  { directory, storage: { audit }, now }: Pick<ProviderDeps, 'directory' | 'storage' | 'now'>,
): Codes {
  /** @returns the id of the consent */
  async function recordConsent({ user, application, scopes, ...request }: CodeRequest): Promise<string> {
    const view = await directory.view();
    const resource =
      application.resource === undefined ? undefined : await view.findResource(application.resource);
    const rights = resource && (await findRights(view, application, resource, user));
    if (!resource || !rights) throw new UnknownResource({ description: 'The application has no resource.' });
    const { Grant } = provider();
    const consent = new Grant({ accountId: userSubject(user), clientId: application.clientId });
    consent.addResourceScope(resource.identifier, scopes.join(' '));
    // Scopes are all that was shown.
    agree(consent, resource.identifier, NOTHING);
    const id = await consent.save();
    await audit.append({
      at: now(),
      event: 'consent.given',
      outcome: 'allowed',
      subject: userSubject(user),
      client: application.clientId,
      organization: application.organization,
      address: request.address,
      requestId: request.requestId,
      details: { scope: scopes.join(' '), resource: resource.identifier },
    });
    return id;
  }

  return {
    async create(request) {
      const { user, application, redirectUri, scopes, authTime } = request;
      const { Client, AuthorizationCode } = provider();
      if (user.realm !== application.realm || !application.grants.includes('authorization_code')) {
        throw new GrantNotAllowed({
          description: 'The application may not have authorization codes for this user.',
        });
      }
      if (redirectUri !== undefined && !application.redirectUris.includes(redirectUri)) {
        throw new MalformedRequest({
          description: 'The redirect URI is not registered for this application.',
        });
      }
      const client = await Client.find(application.clientId);
      if (!client?.grantTypeAllowed('authorization_code')) {
        throw new GrantNotAllowed({ description: 'The application has no redirect URI.' });
      }
      const verifier = randomBytes(32).toString('base64url');
      const code = await new AuthorizationCode({
        client,
        accountId: userSubject(user),
        grantId: await recordConsent(request),
        redirectUri: redirectUri ?? NOWHERE,
        resource: application.resource,
        scope: scopes.join(' '),
        codeChallenge: hash('sha256', verifier, 'base64url'),
        codeChallengeMethod: 'S256',
        ...defined({ authTime }),
        gty: 'authorization_code',
      }).save();
      return { code, verifier };
    },

    async findRedirectUri(value) {
      const code = await provider().AuthorizationCode.find(value, { ignoreExpiration: true });
      // One that was made at the authorization endpoint belongs to a browser's session.
      return code?.sessionUid === undefined ? code?.redirectUri : undefined;
    },
  };
}
