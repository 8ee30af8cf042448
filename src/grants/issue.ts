/**
 * Makes what was decided: the token, its registry row, the refresh token, the ID token, the answer. Both formats, all
 * grants. The row is written before the answer leaves; a row that cannot be written means no answer.
 */
import { PermissionsNotAllowed, ProofRejected } from '../errors/domain.ts';
import { toAuthorizationDetails } from '../permissions/authorization-details.ts';
import { toPermissionsJson } from '../permissions/seed-shape.ts';
import { fitsIntoHeader, fitsIntoToken } from '../permissions/size.ts';
import { toStored } from '../permissions/stored.ts';
import type { Registry } from '../registry/registry.ts';
import { createNodeId, createOpaqueAccessToken, type RefreshTokens } from '../registry/secrets.ts';
import type { LoginRow, LoginStore, TokenRow } from '../storage/contract.ts';
import type { Resource } from '../storage/nouns.ts';
import type { Decision, GrantRequest, Issue, OpenIdFacts } from './contract.ts';
import { expiryOf } from './expiry.ts';
import { issueIdToken } from './id-token.ts';

export interface IssueDeps {
  readonly issuer: string;
  readonly registry: Registry;
  readonly logins: LoginStore;
  readonly refreshTokens: RefreshTokens;
  /** A JWT of exactly these claims, which are given as JSON. */
  readonly sign: (claims: string, alg: Resource['token']['alg']) => Promise<string>;
  /** Seconds. */
  readonly lifetimes: { readonly login: number; readonly userinfoToken: number };
  readonly now: () => number;
}

/** A JWT that large would not fit into a header; a resource may ask for a reference to it instead. */
function formatFor(
  { through }: GrantRequest,
  resource: Resource | undefined,
  { permissions }: Decision,
): 'jwt' | 'opaque' {
  if (!resource) return 'opaque';
  if (fitsIntoToken(permissions, resource.identifier)) return through?.token?.format ?? resource.token.format;
  if (resource.token.overflow === 'reference') return 'opaque';
  throw new PermissionsNotAllowed({
    description:
      'the permissions would make the token larger than 6 KB: ask for fewer tables, or have the resource set to ' +
      'overflow: reference',
  });
}

function rowFor(
  { client, asOf, address, ctx }: GrantRequest,
  { grant, proof, resource, rights, permissions, scopes }: Decision,
  {
    format,
    login,
    now,
    expiresAt,
  }: { format: 'jwt' | 'opaque'; login: string | undefined; now: number; expiresAt: number },
): TokenRow {
  const { application, organization } = client;
  const ancestors = new Set([organization.id, application.id]);
  const holder = proof.user ?? proof.account?.holder;
  if (holder) ancestors.add(holder.id);
  for (const id of rights?.roleIds ?? []) ancestors.add(id);
  if (resource) ancestors.add(resource.id);
  for (const id of proof.ancestors ?? []) ancestors.add(id);
  if (login) ancestors.add(login);
  const issuedAt = Math.floor(now / 1000);
  return {
    id: createNodeId(),
    format,
    grantType: grant.name,
    subject: proof.subject,
    organization: organization.id,
    application: application.id,
    clientId: application.clientId,
    scope: scopes.join(' '),
    permissions: toStored(permissions),
    ancestors: [...ancestors],
    asOf,
    issuedAt,
    expiresAt,
    address,
    ...(holder && { username: holder.username, roles: rights?.roles ?? [] }),
    ...(proof.user && { user: proof.user.id }),
    ...(proof.account && { account: proof.account.facts, claims: proof.account.claims }),
    ...(resource && { resource: resource.identifier }),
    ...(proof.authTime !== undefined && { authTime: proof.authTime }),
    ...(typeof ctx.state.requestId === 'string' && { requestId: ctx.state.requestId }),
    ...(proof.openid && { engine: { ...proof.openid } }),
    ...proof.exchange?.facts,
  };
}

/** Roles, ancestors and copied columns add to what the permissions take. */
function fittingRow(row: TokenRow, claims: string, resource: Resource | undefined): TokenRow {
  if (row.format === 'opaque' || fitsIntoHeader(claims)) return row;
  if (resource?.token.overflow === 'reference') return { ...row, format: 'opaque' };
  throw new PermissionsNotAllowed({
    description:
      'the token would be larger than 8 KB: ask for fewer tables, have fewer roles, or have the resource set to ' +
      'overflow: reference',
  });
}

function claimsFor(row: TokenRow, issuer: string, request: GrantRequest, decision: Decision) {
  const { organization, application } = request.client;
  return {
    ...row.claims,
    iss: issuer,
    sub: row.subject,
    aud: row.resource,
    exp: row.expiresAt,
    iat: row.issuedAt,
    jti: row.id,
    client_id: row.clientId,
    ...(row.scope !== '' && { scope: row.scope }),
    permissions: toPermissionsJson(decision.permissions),
    authorization_details: toAuthorizationDetails(decision.permissions, row.resource ?? ''),
    org: organization.name,
    app: application.name,
    ...(row.roles && { roles: row.roles }),
    ...(row.username !== undefined && { username: row.username }),
    ...(row.authTime !== undefined && { auth_time: row.authTime }),
    ...(row.act && { act: row.act }),
    anc: row.ancestors,
    as_of: row.asOf,
  };
}

/** Signs or draws the token and writes its row, side by side. */
async function mint(
  { sign, registry }: IssueDeps,
  row: TokenRow,
  claims: string,
  resource: Resource | undefined,
): Promise<string> {
  if (row.format === 'jwt' && resource) {
    const [value] = await Promise.all([sign(claims, resource.token.alg), registry.record(row.id, row)]);
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
  deps: IssueDeps,
): { login: LoginRow; refreshToken: string } {
  const refreshToken = deps.refreshTokens.create(id);
  const createdAt = deps.now();
  const { proof } = decision;
  return {
    refreshToken,
    login: {
      id,
      grantType: row.grantType,
      subject: row.subject,
      organization: row.organization,
      application: row.application,
      clientId: row.clientId,
      scope: row.scope,
      permissions: row.permissions,
      ancestors: row.ancestors.filter((ancestor) => ancestor !== id),
      asOf: request.asOf,
      createdAt,
      expiresAt: createdAt + (request.through?.token?.loginTtl ?? deps.lifetimes.login) * 1000,
      current: deps.refreshTokens.hash(refreshToken),
      ...(row.user !== undefined && { user: row.user }),
      ...(row.resource !== undefined && { resource: row.resource }),
      ...(row.authTime !== undefined && { authTime: row.authTime }),
      ...(row.account && { account: row.account }),
      ...(proof.openid && { engine: { ...proof.openid } }),
    },
  };
}

function wantsLogin({ client }: GrantRequest, { proof, scopes }: Decision): boolean {
  if (!proof.startsLogin || !client.application.grants.includes('refresh_token')) return false;
  return proof.openid === undefined || scopes.includes('offline_access');
}

export function createIssue(deps: IssueDeps): Issue {
  return async (request, decision) => {
    const { ctx } = request;
    const { proof, resource } = decision;
    const newLogin = wantsLogin(request, decision) ? createNodeId() : undefined;
    const now = deps.now();
    const usual = request.through?.token?.ttl ?? resource?.token.ttl ?? deps.lifetimes.userinfoToken;
    const ttl = proof.exchange?.ttl ?? usual;
    const expiresAt = expiryOf(ttl, proof.parent?.expiresAt, now);
    if (expiresAt * 1000 <= now)
      throw new ProofRejected({ reason: 'what it is made from has expired meanwhile' });
    const format = formatFor(request, resource, decision);
    const planned = rowFor(request, decision, { format, login: newLogin, now, expiresAt });
    const claims = claimsFor(planned, deps.issuer, request, decision);
    const json = planned.format === 'jwt' ? JSON.stringify(claims) : '';
    const row = fittingRow(planned, json, resource);
    const started = newLogin === undefined ? undefined : startLogin(row, decision, request, newLogin, deps);
    // Begun together, so that a store can commit them together: a crash leaves all or nothing of them.
    const [accessToken, continued] = await Promise.all([
      mint(deps, row, json, resource),
      proof.spend?.(),
      started && deps.logins.insert(started.login),
    ]);
    const refreshToken = started?.refreshToken ?? continued;
    const idToken = proof.openid && (await issueIdToken(ctx, proof as Proofed, decision.scopes));
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: row.expiresAt - row.issuedAt,
      ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      ...(idToken !== undefined && { id_token: idToken }),
      ...(row.scope !== '' && { scope: row.scope }),
      permissions: claims.permissions,
      authorization_details: claims.authorization_details,
      ...proof.exchange?.answer,
    };
  };
}

type Proofed = Decision['proof'] & { readonly openid: OpenIdFacts };
