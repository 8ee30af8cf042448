/**
 * How Usergrid tells of failures: at its token endpoints as OAuth does (RFC 6749 section 5.2), everywhere else with a
 * code, the name of the class that its server would have thrown, and a sentence.
 */
import {
  AccountClosed,
  AlreadyTaken,
  ClientRejected,
  DomainError,
  GrantNotAllowed,
  MalformedRequest,
  PermissionsNotAllowed,
  ProofRejected,
  RegistrationClosed,
} from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import { defined } from '../../storage/defined.ts';
import { type Face, Reply } from '../face.ts';
import { UnreadableBody } from '../requests.ts';

const USERGRID = 'org.apache.usergrid';
const REST = `${USERGRID}.rest.exceptions`;
const SECURITY = `${REST}.SecurityException`;

/** @param description where a refusal does not bring its own */
const kind = (status: number, exception: string, description = 'The server refused the request.') =>
  ({ status, exception, description }) as const;

const KINDS = {
  unauthorized: kind(401, 'org.apache.shiro.authz.UnauthorizedException', 'Subject does not have permission'),
  expired_token: kind(401, SECURITY, 'Unable to authenticate due to expired access token'),
  auth_bad_access_token: kind(401, SECURITY, 'Unable to authenticate due to corrupt access token'),
  auth_invalid: kind(401, SECURITY, 'Unable to authenticate'),
  auth_invalid_credentials: kind(401, SECURITY, 'Unable to authenticate'),
  invalid_client: kind(401, SECURITY, 'Unable to authenticate (OAuth)'),
  auth_invalid_username_or_password: kind(
    400,
    `${USERGRID}.management.exceptions.IncorrectPasswordException`,
    'Unable to authenticate due to username or password being incorrect',
  ),
  illegal_argument: kind(400, 'java.lang.IllegalArgumentException'),
  json_parse: kind(400, 'com.fasterxml.jackson.core.JsonParseException'),
  duplicate_unique_property_exists: kind(
    400,
    `${USERGRID}.persistence.exceptions.DuplicateUniquePropertyExistsException`,
  ),
  service_resource_not_found: kind(
    404,
    `${USERGRID}.services.exceptions.ServiceResourceNotFoundException`,
    'Service resource not found',
  ),
  organization_application_not_found: kind(404, `${REST}.OrganizationApplicationNotFoundException`),
  not_found: kind(404, 'javax.ws.rs.NotFoundException'),
};

type Code = keyof typeof KINDS;

/** Whatever HTTP has a status for and Usergrid no word. */
const OTHER = { error: 'web_application', exception: 'javax.ws.rs.WebApplicationException' };

/** Told with one of Usergrid's codes. */
export class UsergridRefusal extends Refusal {
  readonly exception: string;
  constructor(
    code: Code,
    description: string = KINDS[code].description,
    options: { readonly exception?: string; readonly status?: number } = {},
  ) {
    const { status, exception } = { ...KINDS[code], ...options };
    super(status, description, { error: code });
    this.exception = exception;
  }
}

/** A protected path without a token. */
export function noAccess(): UsergridRefusal {
  return new UsergridRefusal('unauthorized', 'No application access authorized', { exception: SECURITY });
}

/** Told as RFC 6749 section 5.2 has it. */
export class GrantRefused extends Refusal {
  /** Seconds. */
  readonly retryAfter?: number;
  constructor(status: number, error: string, description: string, retryAfter?: number, reason?: string) {
    super(status, description, defined({ error, reason }));
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

/** One text for whatever is wrong with a login, as the original has it. */
export const wrongLogin = (reason?: string): GrantRefused =>
  new GrantRefused(400, 'invalid_grant', 'invalid username or password', undefined, reason);

const isOneOf = (error: unknown, types: readonly (new (...options: never[]) => Error)[]): boolean =>
  types.some((type) => error instanceof type);

/** Whether the token service did not accept the credentials, whatever is wrong with them. */
export function isWrongLogin(error: unknown): boolean {
  if (error instanceof Refusal) return error.status < 500;
  return isOneOf(error, [ClientRejected, ProofRejected, MalformedRequest, GrantNotAllowed]);
}

/** For `catch`: tells credentials that were not accepted in another way, and leaves all other errors. @throws always */
export const insteadOfWrongLogin = (toRefusal: () => Error) => (error: unknown) => {
  throw isWrongLogin(error) ? toRefusal() : error;
};

/** For `catch`: what the token endpoint refused, as a token endpoint of Usergrid tells it. @throws always */
export function throwGrantRefused(error: unknown): never {
  if (error instanceof AccountClosed) {
    const text = error.state === 'pending' ? 'user not activated' : 'user disabled';
    throw new GrantRefused(400, 'invalid_grant', text);
  }
  if (isWrongLogin(error)) throw wrongLogin(error instanceof Error ? error.message : undefined);
  if (!(error instanceof DomainError)) throw error;
  const { status, error: code, told, retryAfter } = error;
  if (retryAfter === undefined) throw new GrantRefused(400, 'invalid_request', told);
  throw new GrantRefused(status, code, told, retryAfter);
}

function codeOf(error: unknown, status: number): Code | undefined {
  if (error instanceof AlreadyTaken) return 'duplicate_unique_property_exists';
  if (isOneOf(error, [PermissionsNotAllowed, RegistrationClosed, ProofRejected])) return 'unauthorized';
  if (error instanceof UnreadableBody) return 'json_parse';
  if (status === 404) return 'not_found';
  return status === 400 ? 'illegal_argument' : undefined;
}

type Kind = Pick<UsergridRefusal, 'status' | 'error' | 'exception'>;

function kindOf(error: unknown, status: number): Kind {
  if (error instanceof UsergridRefusal) return error;
  const code = codeOf(error, status);
  return code === undefined ? { ...OTHER, status } : { ...KINDS[code], error: code };
}

/** @param now milliseconds */
export function createFailures(now: () => number): Pick<Face, 'fail'> & Required<Pick<Face, 'failUnknown'>> {
  const reply = ({ status, error, exception }: Kind, error_description: string, duration: number) =>
    new Reply(status, { error, timestamp: now(), duration, exception, error_description });
  return {
    fail({ error, status, description, duration }) {
      if (error instanceof GrantRefused) {
        return new Reply(status, { error: error.error, error_description: description });
      }
      return reply(kindOf(error, status), description, duration);
    },
    failUnknown({ path, duration }, { organization = '', application }) {
      const name = application === undefined ? organization : `${organization}/${application}`;
      const text = `Could not find application for ${name} from URI: ${path.slice(1)}`;
      return reply(new UsergridRefusal('organization_application_not_found'), text, duration);
    },
  };
}
