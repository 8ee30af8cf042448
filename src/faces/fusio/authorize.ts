/** A person lets an application act for them: the face shows what it would get, and makes a code for it. */
import { displayNameOf } from '../../changes/applications.ts';
import { findRegistrant, type Users } from '../../directory/users.ts';
import { Refusal } from '../../http/refusal.ts';
import { type Application, usesSecret } from '../../nouns/index.ts';
import { defined } from '../../storage/defined.ts';
import type { FaceRequest, FaceRoutes } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { requirePerson } from './access.ts';
import { malformed } from './failures.ts';
import { fieldsOf, findText, joinCode, readScopes, requireText } from './requests.ts';
import { findScopes, parseScopes, pickScopes, within } from './scopes.ts';

/** Without one to send people to, as the original says it. */
const NOWHERE = '#';

/**
 * An application of the people of this face, with a secret to redeem a code with. Not an agent: the page of this face does
 * not say that nothing vouches for it.
 */
async function findApplication({ view, organization, client }: FaceRequest, clientId: string, users: Users) {
  const active = await view.findApplication(clientId);
  const application = active?.organization.id === organization.id ? active.application : undefined;
  if (!application || application.agent || !usesSecret(application.authMethod)) return undefined;
  if (!(await findRegistrant(application, users))) return undefined;
  return application.realm === client.application.realm ? application : undefined;
}

/**
 * Which URI is meant, compared as a text; the original compares hosts only.
 * @returns undefined for none
 * @throws Refusal 400
 */
function readRedirectUri(uri: string | undefined, { redirectUris }: Application): string | undefined {
  if (redirectUris.length === 0) throw malformed('App has no url configured');
  if (uri === undefined || redirectUris.includes(uri)) return uri;
  if (!URL.canParse(uri)) throw malformed('Redirect uri must be an absolute url');
  const { protocol, host } = new URL(uri);
  if (protocol !== 'http:' && protocol !== 'https:') throw malformed('Invalid redirect uri scheme');
  throw malformed(
    redirectUris.some((own) => new URL(own).host === host)
      ? 'Redirect uri must be the app url'
      : 'Redirect uri must have the same host as the app url',
  );
}

function withParameters(uri: string | undefined, parameters: Record<string, string>): string {
  if (uri === undefined) return NOWHERE;
  return `${uri}${uri.includes('?') ? '&' : '?'}${new URLSearchParams(parameters)}`;
}

export function createAuthorizeRoutes({ users, codes, limitPerson }: FaceParts): FaceRoutes {
  return {
    async 'GET /consumer/authorize'(request) {
      const { query, view } = request;
      const application = await findApplication(request, query.get('client_id') ?? '', users);
      if (!application) throw new Refusal(404, 'Could not find app');
      const asked = parseScopes(query.get('scope') ?? '');
      const all = await findScopes(view, application);
      return {
        id: application.number,
        name: displayNameOf(application),
        url: application.homepage ?? '',
        // They have no numbers of their own.
        scopes: pickScopes(asked, all).map((name) => ({ id: all.indexOf(name) + 1, name, description: '' })),
      };
    },

    async 'POST /consumer/authorize'(request) {
      const { user, token } = await requirePerson(request, users);
      const fields = fieldsOf(request);
      if (fields.responseType !== 'code') throw malformed('Invalid response type');
      const clientId = requireText(fields, 'clientId', 'No client id provided');
      const application = await findApplication(request, clientId, users);
      if (!application?.grants.includes('authorization_code')) throw malformed('Unknown client id');
      const redirectUri = readRedirectUri(findText(fields, 'redirectUri'), application);
      const asked = readScopes(fields);
      const scopes = pickScopes(asked, within(await findScopes(request.view, application, user), token));
      if (scopes.length === 0) throw malformed('No valid scopes provided');
      const echoed = defined({ state: findText(fields, 'state') });
      if (fields.allow !== true) {
        const denied = withParameters(redirectUri, { error: 'access_denied', ...echoed });
        return { type: 'access_denied', ...echoed, redirectUri: denied };
      }
      await limitPerson(user.id);
      const { address, requestId } = request;
      const { authenticatedAt } = token;
      const authTime = authenticatedAt === undefined ? undefined : Math.floor(authenticatedAt / 1000);
      const wanted = { user, application, redirectUri, scopes, authTime, address, requestId };
      const code = joinCode(await codes.create(wanted));
      return { type: 'code', code, ...echoed, redirectUri: withParameters(redirectUri, { code, ...echoed }) };
    },
  };
}
