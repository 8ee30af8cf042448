/** A face's call to the token service: as the face's client, or as an application that authenticates. */
import type { AuthenticatedClient } from '../clients/authentication.ts';
import { noteClient } from '../clients/client-notes.ts';
import type { DirectoryView, RequestView } from '../directory/directory.ts';
import { DomainError } from '../errors/domain.ts';
import type { FaceName } from '../nouns/index.ts';
import type { Issued } from '../tokens/grant.ts';
import type { Through } from '../tokens/through.ts';
import type { ApplicationSecret, Ask, FaceState, Tenant, TokenQuestion } from './face.ts';
import type { FaceParts } from './parts.ts';

/** The token service did not do what the face asked for. */
export interface RefusedAsk {
  readonly error: DomainError;
  /** The client that has authenticated; undefined: no client has. */
  readonly client: AuthenticatedClient | undefined;
}

/** The request to the face. */
export interface AskContext extends RequestView {
  readonly face: FaceName;
  readonly tenant: Tenant;
  readonly state: FaceState;
  /** Hears of each before the face, which may answer in its own way. */
  readonly refused: RefusedAsk[];
}

/** Within the request the face's client can be found, and neither an application of another organization nor an agent. */
function viewOf(
  view: DirectoryView,
  { client, organization }: Tenant,
  mayAuthenticate: TokenQuestion['clients'] = () => true,
): DirectoryView {
  const { clientId } = client.application;
  return {
    ...view,
    async findApplication(id) {
      if (id === clientId) return client;
      const other = await view.findApplication(id);
      const isOwn = other?.organization.id === organization.id && !other.application.agent;
      return isOwn && mayAuthenticate(other.application) ? other : undefined;
    },
  };
}

/** Administrators log in wherever the settings let them, whatever the users of the application may. */
function withRealm(tenant: Tenant, realm: TokenQuestion['realm']): Tenant {
  if (realm === undefined) return tenant;
  const { client } = tenant;
  const grants = [...new Set([...client.application.grants, 'password'])];
  return { ...tenant, client: { ...client, application: { ...client.application, realm, grants } } };
}

export function createAsk(context: AskContext, { tokenService, authenticateClient }: FaceParts): Ask {
  const { face, tenant: own, asOf, state, refused } = context;
  const { address, requestId } = state;

  function authenticate({ clientId, clientSecret }: ApplicationSecret, view: DirectoryView) {
    const secrets = clientSecret === '' ? [] : [clientSecret];
    const method = clientSecret === '' ? 'none' : 'client_secret_post';
    return authenticateClient(
      { clientId, method, secrets },
      { view, address, servesPublic: true, onNamed: (named) => noteClient(state, named) },
    );
  }

  async function issue(question: TokenQuestion): Promise<Issued> {
    const { as: credentials, realm, clients, grantType, parameters = {}, asked, subject, ...said } = question;
    const tenant = withRealm(own, realm);
    const view = viewOf(context.view, tenant, clients);
    const through: Through = { nodes: [], ...said, face, registration: own.settings.registration };
    let client: AuthenticatedClient | undefined;
    try {
      if (credentials) client = await authenticate(credentials, view);
      else {
        client = { ...tenant.client, method: 'none' };
        noteClient(state, { clientId: client.application.clientId, used: 'none', registered: 'none' });
      }
      const caller = { view, asOf, address, requestId, through, client };
      const issued = await tokenService.issue({ ...caller, grantType, parameters, asked, subject });
      state.issuedGrant = issued.grant;
      if (issued.row) state.bearer ??= issued.row;
      return issued;
    } catch (error) {
      if (error instanceof DomainError) refused.push({ error, client });
      throw error;
    }
  }

  return {
    async token(question) {
      const issued = await issue(question);
      if (!issued.row) throw new Error(`the grant ${question.grantType} gives no access token`);
      return issued;
    },
    async connection(question) {
      const issued = await issue(question);
      if (issued.row) throw new Error(`the grant ${question.grantType} gives no connection token`);
      return issued.answer;
    },
  };
}
