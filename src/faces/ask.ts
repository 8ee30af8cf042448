/** A face's request to the token endpoint: the same chain as everybody's, with the form that the face wrote. */
import type { Context, Middleware } from 'koa';
import type { ActiveApplication, Directory, DirectoryView } from '../directory/directory.ts';
import type { Through } from '../directory/through.ts';
import { DomainError } from '../errors/domain.ts';
import { Refusal } from '../http/refusal.ts';
import type { FaceName, FaceSettings, Organization } from '../storage/nouns.ts';
import type { AskForToken, AskOptions, Credentials } from './face.ts';

const TOKEN_PATH = '/oauth/token';

export interface Tenant {
  readonly organization: Organization;
  readonly settings: FaceSettings;
  readonly client: ActiveApplication;
}

export interface AskDeps {
  readonly directory: Directory;
  /** The token endpoint, whatever stands around it included. */
  readonly tokenEndpoint: Middleware;
  /** Makes the request one with this form. */
  readonly giveForm: (ctx: Context, form: Record<string, unknown>) => Promise<void>;
}

/** What proves a client to the token endpoint, which takes the face's word for it. */
const NOT_OF_THE_FACE = [
  'authorization',
  'origin',
  'dpop',
  'oauth-client-attestation',
  'oauth-client-attestation-pop',
];

/** Within the request the face's client can be found, and no application of another organization. */
function viewOf(
  view: DirectoryView,
  { client, organization }: Tenant,
  mayAuthenticate: AskOptions['clients'] = () => true,
): DirectoryView {
  const { clientId } = client.application;
  return {
    ...view,
    async findApplication(id) {
      if (id === clientId) return client;
      const other = await view.findApplication(id);
      const isOwn = other?.organization.id === organization.id;
      return isOwn && mayAuthenticate(other.application) ? other : undefined;
    },
  };
}

/** Administrators log in wherever the settings let them, whatever the users of the application may. */
function withRealm(tenant: Tenant, realm: AskOptions['realm']): Tenant {
  if (realm === undefined) return tenant;
  const { client } = tenant;
  const grants = [...new Set([...client.application.grants, 'password'])];
  return { ...tenant, client: { ...client, application: { ...client.application, realm, grants } } };
}

/** The client's own secret, in the form or in a header; without one the face authenticates. */
function proofOf(credentials: Credentials | undefined, face: string): Record<string, string> {
  if (!credentials) return { client_id: face };
  return { client_id: credentials.clientId, client_secret: credentials.clientSecret };
}

function toRefusal(ctx: Context): unknown {
  if (ctx.state.failure instanceof DomainError) return ctx.state.failure;
  const { error, error_description: description } = (ctx.body ?? {}) as Record<string, unknown>;
  return new Refusal(ctx.status, typeof description === 'string' ? description : 'the request is refused', {
    ...(typeof error === 'string' && { error }),
  });
}

export function createAsk(
  ctx: Context,
  face: FaceName,
  own: Tenant,
  view: DirectoryView,
  { directory, tokenEndpoint, giveForm }: AskDeps,
): AskForToken {
  const { settings } = own;
  return async (form, options = {}) => {
    const { as: credentials, realm, clients, ...said } = options;
    const tenant = withRealm(own, realm);
    const { asOf } = await directory.viewFor(ctx.req);
    const through: Through = { nodes: [], ...said, face, registration: settings.registration };
    const narrowed = viewOf(view, tenant, clients);
    directory.decideBy(ctx.req, { view: narrowed, asOf, through });
    const { method, url } = ctx;
    for (const name of NOT_OF_THE_FACE) delete ctx.req.headers[name];
    const proof = proofOf(credentials, tenant.client.application.clientId);
    await giveForm(ctx, { ...proof, ...form });
    ctx.url = TOKEN_PATH;
    ctx.req.headers.accept = 'application/json';
    // What an earlier question of the same request was answered must not be taken for this one's answer.
    ctx.state.failure = undefined;
    ctx.remove('Content-Type');
    ctx.body = null;
    ctx.status = 200;
    try {
      // The engine gives a context its own facts once, and a request may have more than one question.
      await tokenEndpoint(Object.create(ctx) as Context, async () => undefined);
    } finally {
      Object.assign(ctx, { method, url });
      ctx.remove('WWW-Authenticate');
    }
    if (ctx.status === 200 && ctx.body) return ctx.body as Record<string, unknown>;
    throw toRefusal(ctx);
  };
}
