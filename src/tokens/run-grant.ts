/**
 * Grants: how a proof of who is asking becomes a token. `runGrant` is the path that every grant takes: parse, prove,
 * downscope, mint; `decision-cache.ts` may have the first three from an earlier request. A grant's own file only proves who is
 * asking, so it cannot forget a check that they share. `clients` has authenticated the client before, and `endpoints` and
 * `faces` read the request. It serves no routes.
 */
import type { ActiveApplication } from '../directory/directory.ts';
import { mayHaveOfFace } from '../directory/registered-applications.ts';
import { applicationSubject } from '../directory/subjects.ts';
import { findRegistrant, type Users } from '../directory/users.ts';
import { ProofRejected, UnknownResource } from '../errors/domain.ts';
import { isBuiltIn } from '../nouns/built-in.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { splitTableScopes } from '../permissions/table-scopes.ts';
import { findRights } from '../rights/rights.ts';
import { findStoreUnavailable } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { requireAdministrable } from './administration.ts';
import { type Asked, parseAsked } from './asked.ts';
import type { DecisionCache } from './decision-cache.ts';
import { downscope, knownScopes } from './downscope.ts';
import type { Decision, Grant, GrantRequest, Issued, Mint } from './grant.ts';
import { requireSameKey } from './proven-key.ts';
import { findTarget } from './target.ts';
import type { Through } from './through.ts';

export interface RunGrantDeps {
  readonly users: Pick<Users, 'find'>;
  readonly mint: Mint;
  readonly decisionCache: DecisionCache;
}

/** Runs one grant. @throws domain errors */
export async function runGrant(grant: Grant, request: GrantRequest, deps: RunGrantDeps): Promise<Issued> {
  const decision = await deps.decisionCache(grant, request, () => decide(grant, request, deps));
  const mint = grant.mint ?? deps.mint;
  try {
    return await mint(request, decision);
  } catch (error) {
    if (findStoreUnavailable(error)) decision.proof.onAnswerLost?.();
    throw error;
  }
}

async function decide(grant: Grant, request: GrantRequest, deps: RunGrantDeps): Promise<Decision> {
  const { client, view, through } = request;
  // Malformed requests are refused before a password is looked at or a code is used up.
  const isKnownScope = await knownScopes(view, client.application);
  const faceScopes = faceScopesOf(client, through);
  const named =
    request.asked ??
    parseAsked(
      request.parameters,
      (scopes) => splitTableScopes(scopes, (scope) => faceScopes.includes(scope) || isKnownScope(scope)),
      grant.goesOn ? undefined : client.application.resource,
    );
  const asked = grant.ignoresOpenId ? withoutOpenId(named, request) : named;

  const proof = await grant.prove(request);
  requireSameKey(proof.sender, request.sender);
  const wanted = proof.asked ? { ...proof.asked, ...defined(asked) } : asked;
  const resource = await findTarget(view, client.application, proof, wanted);
  if (resource && isBuiltIn(resource)) requireAdministrable(grant, request, proof, wanted);
  if (resource?.registeredBy !== undefined && !through) {
    throw new UnknownResource({
      description: 'The resource is unknown.',
      reason: 'served by the face it was registered through',
    });
  }
  const registered = await findRegistrant(client.application, deps.users);
  if (!registered) throw new ProofRejected({ reason: 'who registered the application is gone or disabled' });
  const { registrant } = registered;
  // It may, for itself, no more than they.
  const isItself = proof.subject === applicationSubject(client.application);
  const holder = proof.user ?? proof.account?.holder ?? (isItself ? registrant : undefined);
  const rights = resource && (await findRights(view, client.application, resource, holder));
  if (resource && !rights) {
    throw new UnknownResource({ description: 'The application may not have tokens for this resource.' });
  }
  const speaksOfDevices = through?.devices === true || proof.parent?.devices !== undefined;
  const { user } = proof;
  const { permissions, asScopes, scopes, devices } = downscope({
    asked: wanted,
    proof,
    resource,
    rights,
    devices:
      speaksOfDevices && user && resource
        ? await view.findDeviceRights(user, resource.organization)
        : undefined,
    faceScopes,
    pickScopes: through?.pickScopes,
    // Clients of older APIs read names. What a grant makes instead of a token is read by Grantable only.
    byName: through !== undefined && !grant.mint,
  });
  return { grant, proof, resource, rights, permissions, asScopes, scopes, ...defined({ devices }) };
}

/** A registered application has those that it was registered with. */
function faceScopesOf({ application }: ActiveApplication, through: Through | undefined): readonly string[] {
  const { scopes = [] } = through ?? {};
  return scopes.filter((scope) => mayHaveOfFace(application, scope));
}

/** Ignoring them never widens the request: if there was no other scope, the answer has none. */
function withoutOpenId(asked: Asked, { remark }: GrantRequest): Asked {
  const ignored = asked.scopes?.filter(isOpenIdScope) ?? [];
  if (ignored.length === 0) return asked;
  remark?.(`ignored scopes of OpenID Connect, which this grant does not give: ${ignored.join(' ')}`);
  return { ...asked, scopes: asked.scopes?.filter((scope) => !isOpenIdScope(scope)) };
}
