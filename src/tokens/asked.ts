/** What a token request asks for, parsed once into typed values. */
import { type Form, findText } from '../clients/form.ts';
import {
  MalformedRequest,
  PermissionsNotAllowed,
  ScopeNotAllowed,
  UnknownResource,
} from '../errors/domain.ts';
import { devicesAsked, parseDetailsText } from '../permissions/details.ts';
import type { DeviceAccess } from '../permissions/device-access.ts';
import { PermissionsError } from '../permissions/errors.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { parsePermissionsText } from '../permissions/permissions-json.ts';
import type { SplitScopes } from '../permissions/table-scopes.ts';
import { defined } from '../storage/defined.ts';

/** What a request asks for; undefined means "all that is allowed". */
export interface Asked {
  /** RFC 8707 resource indicator. */
  readonly resource?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly permissions?: Permissions | undefined;
  /** The permissions are spelled as table scopes: errors in them are errors of the scope. */
  readonly asScopes?: boolean;
  /** A dimension that is left out asks for all that is allowed. */
  readonly devices?: Partial<DeviceAccess> | undefined;
}

/** Parameters that every grant understands, beside its own. */
export const COMMON_PARAMETERS = ['scope', 'resource', 'authorization_details', 'permissions'] as const;

const MAX_SCOPES = 500;

/** RFC 6749 section 3.3. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

function parseScopes(scope: string | undefined): string[] | undefined {
  if (scope === undefined) return undefined;
  const scopes = scope.split(' ');
  if (scopes.length > MAX_SCOPES)
    throw new ScopeNotAllowed({ description: `A request may name at most ${MAX_SCOPES} scopes.` });
  if (!scopes.every((each) => SCOPE_TOKEN.test(each)) || new Set(scopes).size !== scopes.length) {
    throw new ScopeNotAllowed({ description: 'The scope holds empty, malformed or repeated values.' });
  }
  return scopes;
}

/** @throws UnknownResource if there are several */
export function singleResource(resource: unknown): string | undefined {
  if (!Array.isArray(resource)) return typeof resource === 'string' ? resource : undefined;
  if (resource.length > 1)
    throw new UnknownResource({ description: 'The request names several resources. Name one.' });
  return resource[0];
}

/** Errors of the permission parsers in OAuth's terms. */
export function rethrowPermissionsError(error: unknown): never {
  if (!(error instanceof PermissionsError)) throw error;
  const options = { description: error.message, cause: error };
  if (error.code === 'wrong_location') throw new UnknownResource(options);
  throw new PermissionsNotAllowed(options);
}

/** @throws ScopeNotAllowed for a malformed table scope */
function split(scopes: readonly string[], splitScopes: (scopes: readonly string[]) => SplitScopes) {
  try {
    return splitScopes(scopes);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new ScopeNotAllowed({ description: error.message, cause: error });
  }
}

/**
 * @param parameters of the token endpoint, or of an authorization request
 * @param splitScopes separates the table scopes from the other scopes of the request
 * @param own the resource that details are for where the request names none
 * @throws MalformedRequest when permissions are spelled in more than one way; PermissionsNotAllowed, ScopeNotAllowed,
 *   UnknownResource when one makes no sense
 */
export function parseAsked(
  parameters: Form,
  splitScopes: (scopes: readonly string[]) => SplitScopes,
  own?: string,
): Asked {
  const resource = singleResource(parameters.resource) || undefined;
  const details = findText(parameters, 'authorization_details');
  const permissionsJson = findText(parameters, 'permissions');
  try {
    const requested = parseScopes(findText(parameters, 'scope'));
    const spelled = details === undefined ? undefined : parseDetailsText(details, resource ?? own);
    const scopes = requested && split(requested, splitScopes);
    const spellings = [details, permissionsJson, scopes?.permissions].filter(
      (spelling) => spelling !== undefined,
    );
    if (spellings.length > 1) {
      throw new MalformedRequest({
        description: 'Ask for permissions in one way: authorization_details, permissions or table scopes.',
      });
    }
    return {
      resource: resource ?? spelled?.resource,
      // Asking for tables by scope says nothing about other scopes, nor the reverse.
      scopes: scopes && (scopes.rest.length > 0 || !scopes.permissions) ? scopes.rest : undefined,
      permissions:
        spelled?.permissions ??
        (permissionsJson === undefined
          ? scopes?.permissions
          : parsePermissionsText(permissionsJson, { unknownFlags: 'refuse' })),
      ...defined({ asScopes: scopes?.permissions && true }),
      devices: devicesAsked(spelled),
    };
  } catch (error) {
    return rethrowPermissionsError(error);
  }
}
