/**
 * How a client presents itself at an endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2), read from the Authorization
 * header and the form. It accepts what libraries send beside the standard's forms: HTTP Basic without form-encoding and
 * an empty secret. `authentication.ts` decides whether the credentials are right.
 */
import { decodeJwt } from 'jose';
import { ClientRejected, MalformedRequest } from '../errors/domain.ts';
import type { AuthMethod } from '../nouns/index.ts';
import { type Form, findText, refuseRepeated } from './form.ts';

/** Parameters of the form that authenticate a client. */
export const CREDENTIAL_PARAMETERS = [
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
] as const;

export interface Credentials {
  readonly clientId: string;
  /** The method that the client used. */
  readonly method: AuthMethod;
  /** The spellings that the secret may have: as it was sent, and form-decoded; empty without a secret. */
  readonly secrets: readonly string[];
  /** The JWT of `private_key_jwt`. */
  readonly assertion?: string;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ENCODED = /[%+]/;
const BASIC_SCHEME = /^Basic\b/i;
const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;
const VISIBLE = /^[!-~]+$/;
/** What neither ids nor secrets may have (RFC 6749 appendix A). */
const NOT_VSCHAR = /[^\x20-\x7e]/;

const twoMechanisms = (): MalformedRequest =>
  new MalformedRequest({
    description: 'Authenticate in one way only: Authorization, client_secret or client_assertion.',
  });

const missing = (): ClientRejected =>
  new ClientRejected({ reason: 'no client authentication, or not by HTTP Basic' });

/** @returns undefined if it is not form-encoded */
function formDecode(text: string): string | undefined {
  if (!ENCODED.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return undefined;
  }
}

function requireSameId(form: Form, clientId: string): void {
  const named = findText(form, 'client_id');
  if (named === undefined || named === clientId) return;
  throw new MalformedRequest({
    description: 'The client_id is not the one of the client that authenticates.',
  });
}

function readBasic(header: string, form: Form): Credentials {
  const encoded = BASIC.exec(header)?.[1];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1)
    throw new MalformedRequest({
      description: 'The Authorization header is not HTTP Basic with client_id:client_secret.',
    });
  const [id, asSent] = [text.slice(0, colon), text.slice(colon + 1)];
  const decodedId = formDecode(id);
  const clientId = decodedId !== undefined && VISIBLE.test(decodedId) ? decodedId : id;
  const decoded = formDecode(asSent) ?? asSent;
  if (NOT_VSCHAR.test(clientId) || NOT_VSCHAR.test(decoded)) {
    throw new MalformedRequest({
      description: 'Form-encode the client_id and the client_secret in the Authorization header.',
    });
  }
  requireSameId(form, clientId);
  if (clientId === '') throw missing();
  // An empty secret counts as absent (RFC 6749 section 2.3.1).
  if (asSent === '') return { clientId, method: 'none', secrets: [] };
  const secrets = decoded === asSent ? [asSent] : [asSent, decoded];
  return { clientId, method: 'client_secret_basic', secrets };
}

function readAssertion(assertion: string, form: Form): Credentials {
  let sub: string | undefined;
  try {
    ({ sub } = decodeJwt(assertion));
  } catch (cause) {
    throw new MalformedRequest({ description: 'The client_assertion is not a JWT.', cause });
  }
  if (typeof sub !== 'string' || sub === '') {
    throw new ClientRejected({ reason: 'sub must be provided in the client_assertion JWT' });
  }
  const type = findText(form, 'client_assertion_type');
  if (type === undefined)
    throw new MalformedRequest({
      description: `The client_assertion_type is missing. Send ${ASSERTION_TYPE}.`,
    });
  if (type !== ASSERTION_TYPE) {
    throw new MalformedRequest({ description: `client_assertion_type must be ${ASSERTION_TYPE}.` });
  }
  requireSameId(form, sub);
  return { clientId: sub, method: 'private_key_jwt', secrets: [], assertion };
}

/**
 * @param authorization the header
 * @throws MalformedRequest if a parameter is repeated, two mechanisms are used at once, or one cannot be read;
 *   ClientRejected if no client is named
 */
export function readCredentials(authorization: string | undefined, form: Form): Credentials {
  refuseRepeated(form, CREDENTIAL_PARAMETERS);
  const secret = findText(form, 'client_secret');
  const assertion = findText(form, 'client_assertion');
  const isOfForm = secret !== undefined || assertion !== undefined;
  if (authorization) {
    if (isOfForm) throw twoMechanisms();
    if (!BASIC_SCHEME.test(authorization)) throw missing();
    return readBasic(authorization, form);
  }
  if (secret !== undefined && assertion !== undefined) throw twoMechanisms();
  if (assertion !== undefined) return readAssertion(assertion, form);
  const clientId = findText(form, 'client_id');
  if (clientId === undefined) throw missing();
  if (secret === undefined) return { clientId, method: 'none', secrets: [] };
  return { clientId, method: 'client_secret_post', secrets: [secret] };
}
