/** What the OAuth endpoints have in common: the form, the client that sends it, and what is recorded of a refusal. */
import type { Context } from 'koa';
import type { AuthenticateClient, AuthenticatedClient, NamedClient } from '../clients/authentication.ts';
import { noteClient } from '../clients/client-notes.ts';
import { readCredentials } from '../clients/credentials.ts';
import { type Form, refuseRepeated, requireText } from '../clients/form.ts';
import type { RecordRefused } from '../clients/refused-requests.ts';
import type { Directory, RequestView } from '../directory/directory.ts';
import { ClientRejected, DomainError, MalformedRequest } from '../errors/domain.ts';
import { readForm } from '../http/body.ts';
import type { Endpoint, EndpointRequest } from '../http/direct.ts';
import { Refusal } from '../http/refusal.ts';
import { type Application, isUrl } from '../nouns/index.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';

declare module 'koa' {
  interface DefaultState {
    /** The view of the directory that decides the request; set by the directory when it is first asked for. */
    viewing?: Promise<RequestView>;
    /** The client that has authenticated. */
    client?: AuthenticatedClient;
  }
}

declare module '../http/request-state.ts' {
  interface Turn {
    viewing?: Promise<RequestView>;
    marksVersion?: Promise<number>;
  }
}

/** A request of a client that has authenticated. */
export interface ClientRequest extends RequestView {
  readonly client: AuthenticatedClient;
  readonly address: string;
  readonly requestId: string;
}

export interface RequestsDeps {
  readonly issuer: string;
  readonly directory: Pick<Directory, 'viewFor'>;
  readonly authenticateClient: AuthenticateClient;
  readonly presentedTokens: Pick<PresentedTokens, 'findLiving'>;
  readonly recordRefused: RecordRefused;
}

/** A parameter without a value counts as left out (RFC 6749 section 3.2). */
function withoutEmpty(form: Form): Form {
  for (const name in form) {
    if (form[name] === '')
      return Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''));
  }
  return form;
}

/**
 * @returns without empty parameters; a request without a body has an empty form
 * @throws MalformedRequest for a body that is not a form
 */
export async function requireForm(ctx: Context): Promise<Form> {
  const form = await readForm(ctx);
  if (form) return withoutEmpty(form);
  if (ctx.get('Content-Type') === '') return {};
  throw new MalformedRequest({
    description: 'Send the parameters as application/x-www-form-urlencoded.',
  });
}

/** The token that a request is about. Tokens can be told apart, so `token_type_hint` is not needed. */
export function requireToken(form: Form): string {
  refuseRepeated(form, ['token', 'token_type_hint']);
  return requireText(form, 'token');
}

/** An endpoint on Koa. What it threw in the direct lane is thrown again. */
export function onKoa(endpoint: Endpoint): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const { state } = ctx;
    if (state.thrown) throw state.thrown.error;
    const form = await requireForm(ctx);
    const answer = await endpoint({ authorization: ctx.get('Authorization'), form, state });
    ctx.type = 'json';
    ctx.body = answer;
  };
}

/** An endpoint as the direct lane calls it. */
export function onDirectLane(endpoint: Endpoint): Endpoint {
  return (request) => {
    const form = withoutEmpty(request.form);
    return endpoint(form === request.form ? request : { ...request, form });
  };
}

/** @throws Refusal 403 for an application that does not serve a resource */
export function requireServing({ introspects }: Application): void {
  if (introspects.length > 0) return;
  throw new Refusal(403, 'The application does not introspect a resource.', { error: 'access_denied' });
}

export interface Requests {
  /**
   * Leaves `clientId` and `clientAuth` for the log in the request's state.
   * @throws ClientRejected, MalformedRequest, TooManyAttempts
   */
  authenticate(
    request: EndpointRequest,
    endpoint: { readonly servesPublic: boolean; readonly tokenEndpoint?: string },
  ): Promise<ClientRequest>;
  /** Around a handler: writes a refusal to the audit log, and sets `WWW-Authenticate` for a client that was rejected. */
  recordingRefusals(handle: (ctx: Context) => Promise<void>): (ctx: Context) => Promise<void>;
}

export function createRequests(deps: RequestsDeps): Requests {
  const { issuer, directory, authenticateClient, presentedTokens, recordRefused } = deps;

  /** Several organizations may know an agent: without a resource the token that it presents says which one is meant. */
  async function findResourceOfToken({ token, refresh_token: presented = token }: Form): Promise<unknown> {
    if (typeof presented !== 'string') return undefined;
    return (await presentedTokens.findLiving(presented))?.row.resource;
  }

  async function record(ctx: Context, error: DomainError): Promise<void> {
    const { client, address, requestId } = ctx.state;
    // RFC 6749 section 5.2. Without a form the header is the only place for credentials.
    if (error instanceof ClientRejected && (ctx.get('Authorization') !== '' || !ctx.state.form)) {
      const challenge = `Basic realm="${issuer}", error="${error.error}", error_description="${error.told}"`;
      ctx.set('WWW-Authenticate', challenge);
    }
    const { path } = ctx;
    await recordRefused({ path, status: error.status, error, client, address, requestId });
  }

  return {
    async authenticate({ authorization, form, state }, endpoint) {
      const { address, requestId } = state;
      const credentials = readCredentials(authorization, form);
      const viewing = await directory.viewFor(state.turn ?? state);
      const onNamed = (named: NamedClient): void => noteClient(state, named);
      const resource =
        form.resource ?? (isUrl(credentials.clientId) ? await findResourceOfToken(form) : undefined);
      const request = { ...endpoint, view: viewing.view, address, resource, onNamed };
      const client = await authenticateClient(credentials, request);
      state.client = client;
      return { ...viewing, client, address, requestId };
    },
    recordingRefusals(handle) {
      return (ctx) =>
        handle(ctx).catch(async (error: unknown) => {
          if (error instanceof DomainError) await record(ctx, error);
          throw error;
        });
    },
  };
}
