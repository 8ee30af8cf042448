/** How Fusio tells of failures: the token endpoint as RFC 6749 does, everything else in one shape of its own. */
import { ScopeNotAllowed, TooManyAttempts } from '../../errors/domain.ts';
import { toFailure } from '../../http/errors.ts';
import { Refusal } from '../../http/refusal.ts';
import { type FaceFailure, Reply } from '../face.ts';

const TITLE = 'Internal Server Error';
const TOO_MANY = 'Your IP has sent to many requests please try again later';
const NO_SCOPE = 'No valid scope given';
const UNKNOWN_CREDENTIALS = 'Unknown credentials';

/** What is wrong with a request, in the original's words. */
export const malformed = (description: string): Refusal => new Refusal(400, description);

/** An error of the token endpoint (RFC 6749 section 5.2). */
export const oauthError = (error: string, description: string): Refusal =>
  new Refusal(error === 'invalid_client' ? 401 : 400, description, { error });

/** The same whether the name or the secret is wrong, or the person may not log in. */
export const unknownCredentials = (): Refusal => oauthError('invalid_client', UNKNOWN_CREDENTIALS);

/** Statuses that say more than a 400 and that no client takes for something else. */
const isKept = (status: number): boolean => status === 413 || status === 415 || status >= 500;

function tellTokenFailure({ error, status, description, hasAuthorization }: FaceFailure): Reply {
  const reply = (code: string, text: string): Reply =>
    new Reply(isKept(status) ? status : 400, { error: code, error_description: text });
  if (error instanceof TooManyAttempts) return reply('invalid_request', TOO_MANY);
  if (error instanceof ScopeNotAllowed) return reply('invalid_scope', NO_SCOPE);
  const code = toFailure(error)?.error ?? 'invalid_request';
  if (code !== 'invalid_client') return reply(code, description);
  const body = { error: code, error_description: UNKNOWN_CREDENTIALS };
  return new Reply(401, body, hasAuthorization ? { 'WWW-Authenticate': 'Bearer' } : {});
}

function tellFailure({ error, status, description }: FaceFailure, challenge: string): Reply {
  const reply = (code: number, message: string, headers = {}): Reply =>
    new Reply(code, { success: false, title: TITLE, message }, headers);
  if (error instanceof TooManyAttempts) return reply(403, TOO_MANY);
  if (error instanceof ScopeNotAllowed) return reply(400, NO_SCOPE);
  return reply(status, description, status === 401 ? { 'WWW-Authenticate': challenge } : {});
}

/** @param base where the face is */
export function createFail(base: string): (failure: FaceFailure) => Reply {
  const challenge = `Bearer realm="Fusio", resource_metadata="${base}/.well-known/oauth-protected-resource"`;
  return (failure) => {
    const { path, status } = failure;
    // An unknown path is answered in the shape of all other paths.
    const isOfTokens = path.endsWith('/authorization/token') && status !== 404;
    return isOfTokens ? tellTokenFailure(failure) : tellFailure(failure, challenge);
  };
}
