/**
 * Grants: how a proof of who is asking becomes a token. `runGrant` is the path that every grant takes: parse, prove,
 * downscope, mint; `decision-cache.ts` may have the first three from an earlier request. A grant's own file only proves who is
 * asking, so it cannot forget a check that they share. `clients` has authenticated the client before, and `endpoints` and
 * `faces` read the request. It serves no routes.
 */
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import { mayHaveOfFace } from '../directory/registered-applications.ts';
import { applicationSubject } from '../directory/subjects.ts';
import { findRegistrant, type Users } from '../directory/users.ts';
import { ProofRejected, UnknownResource } from '../errors/domain.ts';
import { isBuiltIn } from '../nouns/built-in.ts';
import type { Application, Resource } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { splitTableScopes } from '../permissions/table-scopes.ts';
import { findRights, type Holder, type ResourceRights } from '../rights/rights.ts';
import { findStoreUnavailable } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { requireAdministrable } from './administration.ts';
import { type Asked, parseAsked } from './asked.ts';
import type { DecisionCache } from './decision-cache.ts';
import { downscope, knownScopes } from './downscope.ts';
import type { Decision, Grant, GrantRequest, Issued, Mint, Proof } from './grant.ts';
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

async function decide(grant: Grant, request: GrantRequest, { users }: RunGrantDeps): Promise<Decision> {
  const { client, view, through } = request;
  const { application } = client;
  const faceScopes = faceScopesOf(client, through);
  // Malformed requests are refused before a password is looked at or a code is used up.
  const named = await readAsked(grant, request, faceScopes);
  const proof = await grant.prove(request);
  requireSameKey(proof.sender, request.sender);
  const asked = proof.asked ? { ...proof.asked, ...defined(named) } : named;
  const resource = await findTarget(view, application, proof, asked);
  if (resource) requireOpenTo(resource, grant, request, proof, asked);
  const holder = await requireHolder(application, proof, users);
  const rights = resource && (await requireRights(view, application, resource, holder));
  const speaksOfDevices = through?.devices === true || proof.parent?.devices !== undefined;
  const { user } = proof;
  const { permissions, asScopes, scopes, devices } = downscope({
    asked,
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

/** @throws MalformedRequest, PermissionsNotAllowed, ScopeNotAllowed, UnknownResource as `parseAsked` does */
async function readAsked(grant: Grant, request: GrantRequest, faceScopes: readonly string[]): Promise<Asked> {
  const { view, parameters } = request;
  const { application } = request.client;
  const isKnownScope = await knownScopes(view, application);
  const asked =
    request.asked ??
    parseAsked(
      parameters,
      (scopes) => splitTableScopes(scopes, (scope) => faceScopes.includes(scope) || isKnownScope(scope)),
      grant.goesOn ? undefined : application.resource,
    );
  return grant.ignoresOpenId ? withoutOpenId(asked, request) : asked;
}

/** Some resources are for some requests only. @throws UnknownResource, PermissionsNotAllowed */
function requireOpenTo(
  resource: Resource,
  grant: Grant,
  request: GrantRequest,
  proof: Proof,
  asked: Asked,
): void {
  if (isBuiltIn(resource)) requireAdministrable(grant, request, proof, asked);
  if (resource.registeredBy !== undefined && !request.through) {
    throw new UnknownResource({
      description: 'The resource is unknown.',
      reason: 'served by the face it was registered through',
    });
  }
}

/**
 * Whose roles count: the user's or account's. An application that a person registered may do, for itself, no more than
 * that person.
 * @returns undefined for an application that an operator made, for itself
 * @throws ProofRejected
 */
async function requireHolder(
  application: Application,
  { subject, user, account }: Proof,
  users: RunGrantDeps['users'],
): Promise<Holder | undefined> {
  const registered = await findRegistrant(application, users);
  if (!registered) throw new ProofRejected({ reason: 'who registered the application is gone or disabled' });
  const isItself = subject === applicationSubject(application);
  return user ?? account?.holder ?? (isItself ? registered.registrant : undefined);
}

/** @throws UnknownResource */
async function requireRights(
  view: DirectoryView,
  application: Application,
  resource: Resource,
  holder: Holder | undefined,
): Promise<ResourceRights> {
  const rights = await findRights(view, application, resource, holder);
  if (rights) return rights;
  throw new UnknownResource({ description: 'The application may not have tokens for this resource.' });
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
