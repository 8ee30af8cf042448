/**
 * How a client presents itself at the token, introspection and revocation endpoints, in the forms that libraries use
 * and the engine does not read: HTTP Basic without form-encoding (RFC 6749 section 2.3.1 requires it, many leave it
 * out), an empty secret, a scheme other than Basic, and no credentials. `clients.ts` decides which credentials are
 * right.
 */
import type { Context, Middleware } from 'koa';
import type { AuthMethod } from '../storage/nouns.ts';

type Form = Record<string, unknown>;

export interface ClientCredentialsDeps {
  readonly form: {
    read(ctx: Context): Form | undefined;
    replace(ctx: Context, form: Form): void;
  };
}

/** Stands for a client that did not send an id: real client ids never contain a blank. */
export const NO_CLIENT = ' ';

const BASIC_SCHEME = /^Basic\b/i;
const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;
const VISIBLE = /^[!-~]+$/;

interface Credentials {
  readonly clientId: string;
  /** Each spelling that the secret may have: as it was sent, and form-decoded. */
  readonly secrets: readonly [asSent: string, decoded: string];
}

/** @returns undefined if it is not form-encoded */
function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return undefined;
  }
}

/** RFC 6749 section 2.3.1 */
export function basicOf(clientId: string, secret: string): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64')}`;
}

/** @returns undefined for a header that the engine refuses */
function readBasic(header: string): Credentials | undefined {
  const encoded = BASIC.exec(header)?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)];
  const decodedId = formDecode(id);
  return {
    clientId: decodedId !== undefined && VISIBLE.test(decodedId) ? decodedId : id,
    secrets: [secret, formDecode(secret) ?? secret],
  };
}

/** The engine treats an empty member as absent. */
const isGiven = (value: unknown): boolean => value !== undefined && value !== '';

/** How the client of this request proves itself. */
export function presentedMethod({ headers }: Context, form: Readonly<Form>): AuthMethod {
  if (isGiven(form.client_assertion)) return 'private_key_jwt';
  if (isGiven(headers.authorization)) return 'client_secret_basic';
  return isGiven(form.client_secret) ? 'client_secret_post' : 'none';
}

/** The spellings that the secret of a request may have. @param secret as the engine read it */
export function spellingsOf({ state }: Context, secret: string): readonly string[] {
  return state.basicSecrets ?? [secret];
}

function readAuthorization(ctx: Context, header: string, form: Form, deps: ClientCredentialsDeps): void {
  const isAlone = !isGiven(form.client_secret) && !isGiven(form.client_assertion);
  if (!BASIC_SCHEME.test(header)) {
    if (!isAlone) return;
    // The answer still names the scheme that is accepted.
    ctx.req.headers.authorization = basicOf(NO_CLIENT, '-');
    const { client_id: _, ...others } = form;
    deps.form.replace(ctx, others);
    return;
  }
  const credentials = readBasic(header);
  if (!credentials) return;
  const { clientId, secrets } = credentials;
  const [asSent, decoded] = secrets;
  if (asSent !== '') {
    ctx.state.basicSecrets = secrets;
    ctx.req.headers.authorization = basicOf(clientId || NO_CLIENT, decoded);
  } else if (isAlone && (!isGiven(form.client_id) || form.client_id === clientId)) {
    // An empty secret counts as absent (RFC 6749 section 2.3.1).
    delete ctx.req.headers.authorization;
    deps.form.replace(ctx, { ...form, client_id: clientId || NO_CLIENT });
  }
}

/** Before the engine: rewrites the client's credentials into the one form that the engine reads correctly. */
export function createClientCredentials(deps: ClientCredentialsDeps): Middleware {
  return function clientCredentials(ctx, next) {
    if (ctx.method !== 'POST') return next();
    const form = deps.form.read(ctx);
    ctx.state.basicSecrets = undefined;
    const header = ctx.req.headers.authorization;
    if (!form) {
      // Without a form only the header can carry it.
      if (!BASIC_SCHEME.test(header ?? '')) ctx.req.headers.authorization = basicOf(NO_CLIENT, '-');
    } else if (isGiven(header)) readAuthorization(ctx, String(header), form, deps);
    else if (!isGiven(form.client_id) && !isGiven(form.client_assertion)) {
      deps.form.replace(ctx, { ...form, client_id: NO_CLIENT });
    }
    return next();
  };
}
