/**
 * Issues what a client asks for: finds the grant, checks that the client may use it, and runs it. Callers translate: the
 * token endpoint, the faces and embedding programs all come here with values that are already parsed, and with a client
 * that has authenticated.
 */
import { refuseRepeated } from '../clients/form.ts';
import { spelledAsStored } from '../directory/resource-spelling.ts';
import { GrantNotAllowed, UnsupportedGrant } from '../errors/domain.ts';
import { quoteName } from '../permissions/errors.ts';
import { COMMON_PARAMETERS } from './asked.ts';
import type { Grant, GrantRequest, Issued } from './grant.ts';
import { type RunGrantDeps, runGrant } from './run-grant.ts';

export interface TokenRequest extends GrantRequest {
  /** On the wire: `grant_type` (RFC 6749 section 4). */
  readonly grantType: string;
}

/** With the name of the grant, as applications list it. */
export type IssuedToken = Issued & { readonly grant: string };

/** Several resources have an error of their own (RFC 8707 section 2.2). */
const ALWAYS_REPEATABLE = ['resource'];

function onceOnly({ parameters, repeatable = [] }: Grant): readonly string[] {
  const mayRepeat = new Set([...repeatable, ...ALWAYS_REPEATABLE]);
  return [...COMMON_PARAMETERS, ...parameters].filter((name) => !mayRepeat.has(name));
}

export function createIssueToken(grants: readonly Grant[], deps: RunGrantDeps) {
  const byType = new Map(grants.map((grant) => [grant.type, { grant, once: onceOnly(grant) }]));

  /**
   * @throws UnsupportedGrant, GrantNotAllowed, MalformedRequest before anything is looked at; any other domain error
   *   before anything is made
   */
  return async (request: TokenRequest): Promise<IssuedToken> => {
    const { grantType, view, client, parameters } = request;
    const { grant, once } = byType.get(grantType) ?? {};
    if (!grant || !once)
      throw new UnsupportedGrant({ description: `The grant_type ${quoteName(grantType)} is not supported.` });
    if (!client.application.grants.includes(grant.name)) {
      throw new GrantNotAllowed({ description: 'The application may not use this grant.' });
    }
    refuseRepeated(parameters, once);
    const { resource: named } = parameters;
    const resource = named && (await spelledAsStored(view, named));
    const asStored = resource === named ? request : { ...request, parameters: { ...parameters, resource } };
    return { ...(await runGrant(grant, asStored, deps)), grant: grant.name };
  };
}
