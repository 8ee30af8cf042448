/**
 * Makes what was decided: the token, its registry row, the refresh token, the ID token, the answer. Both formats, all
 * grants. The row is written before the answer leaves; a row that cannot be written means no answer.
 */

import { applicationSubject } from '../directory/subjects.ts';
import { PermissionsNotAllowed, ProofRejected } from '../errors/domain.ts';
import type { SignJwt } from '../keys/sign-jwt.ts';
import { ADMIN_TOKEN_TTL, isBuiltIn } from '../nouns/built-in.ts';
import type { Resource, User } from '../nouns/index.ts';
import { accessTokenAlgs } from '../nouns/signing-algs.ts';
import { toStoredAccess } from '../permissions/device-access.ts';
import { claimsSize, fitsIntoHeader } from '../permissions/token-claims.ts';
import { agentNode, consentNode, earlierTokensNode, registrantNode } from '../registry/nodes.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import { scopeMember } from '../registry/scope.ts';
import { createNodeId, createOpaqueAccessToken } from '../registry/token-values.ts';
import { type MappedClaims, mapClaims, withoutMapped } from '../rights/mapped-claims.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { beginLogin, type OpenIdFacts, toSeconds } from '../storage/rows.ts';
import { expiryOf } from './expiry.ts';
import type { Decision, GrantRequest, Mint } from './grant.ts';
import type { GrantParts } from './grants/parts.ts';
import { fromTemplate, type MintTemplate, type Planned, toTemplate } from './mint-template.ts';
import { tokenTypeOf } from './proven-key.ts';
import { spellRights } from './spelled-rights.ts';

export interface MintDeps
  extends Pick<GrantParts, 'registry' | 'logins' | 'refreshTokens' | 'engine' | 'now'> {
  readonly issuer: string;
  readonly refreshJwts: Pick<RefreshJwts, 'sign'>;
  readonly sign: SignJwt;
  /** Seconds. */
  readonly lifetimes: { readonly login: number; readonly userinfoToken: number };
}

/** When a token is made, and the login that begins with it. */
interface Beginning extends Pick<TokenRow, 'issuedAt' | 'expiresAt'> {
  readonly login: string | undefined;
}

const NOTHING_MAPPED: MappedClaims = {};
/** The client is told of all its scopes. */
const NOTHING_HIDDEN: readonly string[] = [];

/** Tokens of older APIs say what those said. */
function mappedFor({ client, through }: GrantRequest, { resource, proof, rights }: Decision): MappedClaims {
  if (!resource?.token.claimMap || through) return NOTHING_MAPPED;
  const person = proof.user ?? proof.account?.holder;
  return mapClaims(resource, { ...client, person, roles: person && rights?.roles });
}

/** A JWT that large would not fit into a header; a resource may ask for a reference to it instead. */
function formatFor({ through }: GrantRequest, decision: Decision, mapped: MappedClaims): 'jwt' | 'opaque' {
  const { resource } = decision;
  const format = resource && (through?.token?.format ?? resource.token.format);
  const besides = mapped === NOTHING_MAPPED ? 0 : claimsSize(mapped);
  if (!resource || format !== 'jwt' || spellRights(decision).fitIntoToken(besides)) return format ?? 'opaque';
  const what = besides > 0 ? 'The permissions and the mapped claims' : 'The permissions';
  return orOpaque(resource, `${what} would make the token larger than 6 KB`);
}

/** @throws PermissionsNotAllowed where the resource does not want a reference */
function orOpaque({ token }: Resource, what: string): 'opaque' {
  if (token.overflow === 'reference') return 'opaque';
  throw new PermissionsNotAllowed({
    description: `${what}. Ask for fewer tables by name, or for * if you may have every table.`,
    reason:
      'the resource has token.overflow refuse; token.claims with authorization_details only takes less room',
  });
}

/** What the face adds to the scopes of an application is good on its own routes only. */
function faceFacts(
  { through }: GrantRequest,
  { scopes, rights }: Decision,
): Pick<TokenRow, 'face' | 'faceScopes'> {
  if (!through) return {};
  const added = scopes.filter((scope) => through.scopes?.includes(scope) && !rights?.scopes.has(scope));
  return defined({ face: through.face, faceScopes: added.length > 0 ? added : undefined });
}

function rowFor(
  request: GrantRequest,
  decision: Decision,
  format: TokenRow['format'],
  { login, issuedAt, expiresAt }: Beginning,
): TokenRow {
  const { client, asOf, address, requestId } = request;
  const { grant, proof, resource, rights, asScopes, devices, scopes } = decision;
  const { application, organization } = client;
  const ancestors = new Set([organization.id, application.id]);
  if (application.registeredThrough !== undefined) ancestors.add(application.registeredThrough);
  if (application.agent) ancestors.add(agentNode(application.agent.id));
  const holder = proof.user ?? proof.account?.holder;
  if (holder) ancestors.add(holder.id);
  if (proof.user) ancestors.add(consentNode(proof.subject, application.id));
  if (application.owner !== undefined) {
    const isItself = proof.subject === applicationSubject(application);
    ancestors.add(isItself ? application.owner : registrantNode(application.owner));
  }
  for (const id of rights?.roleIds ?? []) ancestors.add(id);
  if (resource) ancestors.add(resource.id);
  for (const id of proof.ancestors ?? []) ancestors.add(id);
  if (login) ancestors.add(login);
  const belongsTo = login ?? proof.login;
  if (belongsTo && request.through?.token?.endsEarlier) ancestors.add(earlierTokensNode(belongsTo));
  const openid = proof.openid ?? (scopes.includes('openid') ? proof.parent?.openid : undefined);
  return defined({
    id: createNodeId(),
    format,
    grantType: grant.name,
    subject: proof.subject,
    organization: organization.id,
    application: application.id,
    clientId: application.clientId,
    scope: scopes.join(' '),
    permissions: spellRights(decision).stored,
    asScopes: asScopes || undefined,
    devices: devices && toStoredAccess(devices),
    ancestors: [...ancestors],
    asOf,
    issuedAt,
    expiresAt,
    address,
    parent: login ?? proof.parentId,
    ...faceFacts(request, decision),
    login: belongsTo,
    username: holder?.username,
    roles: holder && (rights?.roles ?? []),
    user: proof.user?.id,
    account: proof.account?.facts,
    claims: proof.account?.claims,
    resource: resource?.identifier,
    authenticatedAt: proof.authenticatedAt,
    requestId,
    openid,
    sender: request.sender,
    ...proof.chain,
  });
}

/** Roles, ancestors, mapped claims and copied columns add to what the permissions take. */
function fittingRow(row: TokenRow, claims: string, resource: Resource | undefined): TokenRow {
  if (row.format === 'opaque' || !resource || fitsIntoHeader(claims)) return row;
  return { ...row, format: orOpaque(resource, 'The token would be larger than 8 KB') };
}

/** As JSON, which leaves out members that are undefined. */
function claimsFor(
  row: TokenRow,
  issuer: string,
  request: GrantRequest,
  decision: Decision,
  mapped: MappedClaims,
) {
  const { organization, application } = request.client;
  return {
    ...withoutMapped(row.claims, decision.resource),
    ...mapped,
    ...request.through?.token?.claims?.(row, decision.proof.user),
    iss: issuer,
    sub: row.subject,
    aud: row.resource,
    exp: toSeconds(row.expiresAt),
    iat: toSeconds(row.issuedAt),
    jti: row.id,
    client_id: row.clientId,
    ...scopeMember(row),
    ...spellRights(decision).claims,
    org: organization.name,
    app: application.name,
    roles: row.roles,
    username: row.username,
    auth_time: row.authenticatedAt === undefined ? undefined : toSeconds(row.authenticatedAt),
    act: row.act,
    cnf: row.sender,
    anc: row.ancestors,
    as_of: row.asOf,
  };
}

/** Signs or draws the token and writes its row, side by side. */
async function signAndStore(
  { sign, registry }: MintDeps,
  row: TokenRow,
  claims: string,
  resource: Resource | undefined,
): Promise<string> {
  if (row.format === 'jwt' && resource) {
    const [value] = await Promise.all([
      sign(claims, accessTokenAlgs(resource.token), resource.token.typ ?? 'at+jwt'),
      registry.record(row.id, row),
    ]);
    return value;
  }
  const value = createOpaqueAccessToken();
  await registry.record(value, row);
  return value;
}

/** The login that a first refresh token starts; undefined when the application may not refresh. */
function startLogin(
  row: TokenRow,
  decision: Decision,
  request: GrantRequest,
  id: string,
  deps: MintDeps,
): { login: LoginRow; refreshToken: string } {
  const refreshToken = deps.refreshTokens.create(id);
  const createdAt = deps.now();
  const { proof } = decision;
  const { loginTtl = deps.lifetimes.login } = request.through?.token ?? {};
  const end = createdAt + (proof.loginTtl ?? loginTtl) * 1000;
  // A client that authenticates proves itself at each refresh, and may change its key (RFC 9449 section 5).
  const { sender: _, ...unbound } = row;
  return {
    refreshToken,
    login: beginLogin(request.client.method === 'none' ? row : unbound, {
      ...defined({ parent: proof.parentId, origin: proof.origin, openid: proof.openid }),
      id,
      ancestors: row.ancestors.filter((ancestor) => ancestor !== id && ancestor !== earlierTokensNode(id)),
      createdAt,
      expiresAt: Math.min(end, proof.parent?.expiresAt ?? end),
      current: deps.refreshTokens.hash(refreshToken),
    }),
  };
}

function wantsLogin({ client, through }: GrantRequest, { proof }: Decision): boolean {
  const starts = proof.startsLogin ?? through?.startsLogin;
  return starts === true && client.application.grants.includes('refresh_token');
}

function plan(request: GrantRequest, decision: Decision, issuer: string, beginning: Beginning): Planned {
  const mapped = mappedFor(request, decision);
  const format = formatFor(request, decision, mapped);
  const planned = rowFor(request, decision, format, beginning);
  const json = format === 'jwt' ? JSON.stringify(claimsFor(planned, issuer, request, decision, mapped)) : '';
  const row = fittingRow(planned, json, decision.resource);
  return { row, rights: spellRights(decision).full, json: row.format === 'jwt' ? json : '' };
}

export function createMint(deps: MintDeps): Mint {
  const templates = new WeakMap<Decision, MintTemplate>();

  function planAlike(request: GrantRequest, decision: Decision, beginning: Beginning): Planned {
    const template = templates.get(decision);
    if (template) return fromTemplate(template, request, beginning);
    const planned = plan(request, decision, deps.issuer, beginning);
    const made = toTemplate(planned);
    if (made) templates.set(decision, made);
    return planned;
  }

  /** Seconds. The time of tokens for the administration holds whatever they are made from. */
  const ttlOf = (resource: Resource | undefined, usual: number): number =>
    resource && isBuiltIn(resource) ? Math.min(usual, ADMIN_TOKEN_TTL) : usual;

  return async (request, decision) => {
    const { isCached, proof, resource } = decision;
    const newLogin = wantsLogin(request, decision) ? createNodeId() : undefined;
    const issuedAt = deps.now();
    const usual = request.through?.token?.ttl ?? resource?.token.ttl ?? deps.lifetimes.userinfoToken;
    const expiresAt = expiryOf(ttlOf(resource, proof.ttl ?? usual), proof.parent?.expiresAt, issuedAt);
    if (expiresAt <= issuedAt)
      throw new ProofRejected({ reason: 'what it is made from has expired meanwhile' });
    // A key that the client proved is in the claims.
    const isAlike = isCached && !request.sender;
    const beginning = { login: newLogin, issuedAt, expiresAt };
    const { row, rights, json } = isAlike
      ? planAlike(request, decision, beginning)
      : plan(request, decision, deps.issuer, beginning);
    const started = newLogin === undefined ? undefined : startLogin(row, decision, request, newLogin, deps);
    // Begun together, so that a store can commit them together: a crash leaves all or nothing of them.
    const [accessToken, continued] = await Promise.all([
      signAndStore(deps, row, json, resource),
      proof.spend?.(),
      started && deps.logins.insert(started.login),
    ]);
    const end = started?.login.expiresAt ?? proof.parent?.expiresAt ?? row.expiresAt;
    const bare = started?.refreshToken ?? continued;
    const refreshToken =
      bare && (await spellRefreshToken(bare, { row, user: proof.user, expiresAt: end }, request, deps));
    const idToken = proof.openid && (await issueIdToken(request, decision, accessToken, proof.openid, deps));
    const answer = defined({
      access_token: accessToken,
      token_type: tokenTypeOf(row),
      expires_in: toSeconds(row.expiresAt) - toSeconds(row.issuedAt),
      refresh_token: refreshToken,
      id_token: idToken,
      ...scopeMember(row, NOTHING_HIDDEN),
      ...rights,
      ...proof.answer,
    });
    return { answer, row };
  };
}

/** A JWT where the clients of the face expect one. */
async function spellRefreshToken(
  refreshToken: string,
  { row, user, expiresAt }: { row: TokenRow; user: User | undefined; expiresAt: number },
  { through }: GrantRequest,
  { refreshJwts }: MintDeps,
): Promise<string> {
  const toClaims = through?.token?.refreshClaims;
  return toClaims ? refreshJwts.sign(refreshToken, toClaims(row, user, { expiresAt })) : refreshToken;
}

/** @returns undefined unless `openid` is among the scopes */
async function issueIdToken(
  { client }: GrantRequest,
  { proof: { user, authenticatedAt }, scopes }: Decision,
  accessToken: string,
  openid: OpenIdFacts,
  { engine }: MintDeps,
): Promise<string | undefined> {
  if (!scopes.includes('openid')) return undefined;
  if (!user) throw new Error('an ID token speaks of a person');
  const authTime = authenticatedAt === undefined ? undefined : toSeconds(authenticatedAt);
  return engine.issueIdToken({ client, user, openid, authTime, scopes, accessToken });
}
