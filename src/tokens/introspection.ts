/**
 * What a token allows at this moment, for a client that asks (RFC 7662): access tokens of both formats and refresh
 * tokens.
 */
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import type { Application, StoredPermissions } from '../nouns/index.ts';
import { fromStoredAccess } from '../permissions/device-access.ts';
import { fromStored } from '../permissions/stored.ts';
import { scopeMember } from '../registry/scope.ts';
import { findAccountHolder } from '../rights/database-accounts.ts';
import { type MappedClaims, mapClaims, withoutMapped } from '../rights/mapped-claims.ts';
import { findHeld } from '../rights/rights.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { toSeconds } from '../storage/rows.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { Living, PresentedTokens } from './presented-tokens.ts';
import { tokenTypeOf } from './proven-key.ts';
import { type FullRights, spellInFull } from './spelled-rights.ts';

/** Who asks: a client that has authenticated, and the directory as it was when it asked. */
export interface IntrospectionCaller {
  readonly client: Application;
  readonly view: DirectoryView;
  /** What all requests of one turn share: they see the same marks. */
  readonly turn?: { marksVersion?: Promise<number> } | undefined;
  /** Takes a sentence for the log. */
  readonly remark?: (note: string) => void;
}

const INACTIVE = JSON.stringify({ active: false });

/** Whether a client serves the resource that a token is for, in its own organization (MT-02). */
export function servesResourceOf(
  { organization, resource }: TokenRow | LoginRow,
  client: Application,
): boolean {
  return (
    organization === client.organization && resource !== undefined && client.introspects.includes(resource)
  );
}

/** A resource server sees tokens meant for its resource, an application its own; other clients see nothing. */
function maySee(client: Application, { kind, row }: Living): boolean {
  return row.application === client.id || (kind === 'access token' && servesResourceOf(row, client));
}

/** Of a token: undefined if one of them is gone or disabled. */
export async function findParties({ organization, application }: TokenRow | LoginRow, view: DirectoryView) {
  const [found, client] = await Promise.all([
    view.findOrganization(organization),
    view.findApplicationById(application),
  ]);
  return found?.enabled && client ? { organization: found, client } : undefined;
}

export function remarkCut(
  { id, permissions }: TokenRow | LoginRow,
  { remark }: Pick<IntrospectionCaller, 'remark'>,
): void {
  if (permissions.isCut) remark?.(`token ${id} has too many alternatives for one table: some were dropped`);
}

function tokenFacts(token: TokenRow): Record<string, unknown> {
  return defined({
    token_type: tokenTypeOf(token),
    jti: token.id,
    iat: toSeconds(token.issuedAt),
    exp: toSeconds(token.expiresAt),
    username: token.username,
    roles: token.roles,
    act: token.act,
  });
}

function loginFacts(login: LoginRow): Record<string, unknown> {
  return { iat: toSeconds(login.createdAt), exp: toSeconds(login.expiresAt) };
}

/** By what the store gave: all rows of a client have the same object until its rights change, with one resource and devices. */
const spelled = new WeakMap<StoredPermissions, FullRights>();

function spell({ permissions: stored, devices, resource = '' }: TokenRow | LoginRow): FullRights {
  const known = spelled.get(stored);
  if (known) return known;
  const rights = spellInFull(fromStored(stored), devices && fromStoredAccess(devices), resource);
  spelled.set(stored, rights);
  return rights;
}

/** Further claims of an access token: copied columns as they were read, and mapped ones as they are at this moment. */
async function furtherClaims(
  row: TokenRow,
  client: ActiveApplication,
  view: DirectoryView,
  users: IntrospectionDeps['users'],
): Promise<MappedClaims> {
  const resource = row.resource === undefined ? undefined : await view.findResource(row.resource);
  const copied = withoutMapped(row.claims, resource) ?? {};
  if (!resource?.token.claimMap || row.face !== undefined) return copied;
  const person = row.account
    ? await findAccountHolder(view, row.subject, row.account)
    : row.user === undefined
      ? undefined
      : await users.find(row.user);
  const roles = person && (await findHeld(view, person, resource)).roles;
  return { ...copied, ...mapClaims(resource, { ...client, person, roles }) };
}

async function describe(
  living: Living,
  view: DirectoryView,
  { issuer, users }: IntrospectionDeps,
): Promise<string> {
  const { row } = living;
  const parties = await findParties(row, view);
  if (!parties) return INACTIVE;
  const { organization, client } = parties;
  return JSON.stringify({
    ...(living.kind === 'access token' && (await furtherClaims(living.row, client, view, users))),
    active: true,
    iss: issuer,
    sub: row.subject,
    ...defined({ aud: row.resource }),
    client_id: row.clientId,
    ...scopeMember(row),
    ...spell(row),
    org: organization.name,
    app: client.application.name,
    ...(living.kind === 'access token' ? tokenFacts(living.row) : loginFacts(living.row)),
    ...defined({
      auth_time: row.authenticatedAt === undefined ? undefined : toSeconds(row.authenticatedAt),
      cnf: row.sender,
    }),
    anc: row.ancestors,
  });
}

export interface IntrospectionDeps {
  readonly issuer: string;
  readonly users: Pick<Users, 'find'>;
  readonly presentedTokens: Pick<PresentedTokens, 'findLiving'>;
  readonly answerCache: Pick<AnswerCache, 'find'>;
}

export type Introspect = ReturnType<typeof createIntrospect>;

export function createIntrospect(deps: IntrospectionDeps) {
  const { presentedTokens, answerCache } = deps;
  /** @returns the answer (RFC 7662 section 2.2) as JSON */
  return async (presented: string, caller: IntrospectionCaller): Promise<string> => {
    const found = await answerCache.find(presented, caller);
    if (typeof found === 'string') return found;
    const living = await presentedTokens.findLiving(presented, found.marksVersion);
    // A used refresh token still ends its login when revoked, but is not active.
    const isUsed = living?.kind === 'refresh token' && !living.isCurrent;
    if (!living || isUsed || !maySee(caller.client, living)) return INACTIVE;
    remarkCut(living.row, caller);
    const answer = await describe(living, caller.view, deps);
    if (answer !== INACTIVE) found.keep(answer, living);
    return answer;
  };
}
