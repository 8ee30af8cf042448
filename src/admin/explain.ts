/**
 * What operators ask of a store: explain a token, doctor, revoke, export, import, the demo. How it is called and shown is
 * `cli`'s.
 *
 * This file: what a token allows, where each right came from, what took others away, when it dies, and whether it is active.
 * Read from the store alone; the token itself is in nothing that comes out.
 */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Directory } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import { catalogueOf } from '../nouns/index.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { type DeviceAccess, type DeviceRight, fromStoredAccess } from '../permissions/device-access.ts';
import { explainAccess, explainIntersection, type Removable, type Step } from '../permissions/explain.ts';
import { equals, type Permissions } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import type { RefreshTokens } from '../registry/refresh-tokens.ts';
import type { Registry } from '../registry/registry.ts';
import type { BoundRights, CurrentRights } from '../rights/current-rights.ts';
import type { LoginRow, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { Presented, PresentedTokens } from '../tokens/presented-tokens.ts';
import { type Ancestor, describeAncestors } from './explain-ancestors.ts';
import { findSources, type Source } from './explain-sources.ts';
import { describeOtherIssuer } from './other-issuer.ts';

export interface ExplainDeps {
  readonly config: { readonly issuer: string };
  readonly storage: Pick<Storage, 'nodes' | 'logins' | 'tokens' | 'directory'>;
  readonly registry: Registry;
  readonly refreshTokens: RefreshTokens;
  readonly presentedTokens: Pick<PresentedTokens, 'identify'>;
  readonly directory: Directory;
  readonly users: Pick<Users, 'findBySubject'>;
  readonly currentRights: Pick<CurrentRights, 'findBoundRights'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The name of the step whose rights are those that the token was issued with. */
export const AS_ISSUED = 'this token when it was issued';

/** A right that others have, and who took it away. */
export type Removal = Removable & { readonly by: string };

export interface TokenExplanation {
  readonly kind: 'JWT access token' | 'opaque access token' | 'refresh token' | 'not a token of this server';
  readonly active: boolean;
  /** Why it is not active, most telling first. */
  readonly reasons: readonly string[];
  /** Absent if there is no row: never issued here, or expired and swept. */
  readonly row?: TokenRow | LoginRow;
  /** Milliseconds. */
  readonly expiresAt?: number;
  /** What it allows; nothing if it is not active. */
  readonly permissions?: Permissions;
  readonly scope?: string;
  /** What it allows of devices; absent if it does not speak of them. */
  readonly devices?: DeviceAccess;
  /** What it was issued with of devices and that is gone since. */
  readonly lostDevices: readonly (DeviceRight & { readonly by: string })[];
  /** Where the rights come from today: each step allows this much. */
  readonly steps: readonly Step<Permissions>[];
  /** What operators wrote that the steps come from: ceilings, roles, a connection. */
  readonly sources: readonly Source[];
  /** Rights that it was issued with and that are gone since. */
  readonly lost: readonly Removal[];
  /** Rights within the application's ceiling that it does not have. */
  readonly withheld: readonly Removal[];
  /** What an exchange of its parent, or a new token of its application or user, could have. */
  readonly obtainable?: Permissions;
  readonly ancestors: readonly Ancestor[];
}

interface Found extends Pick<TokenExplanation, 'kind' | 'row' | 'reasons' | 'expiresAt'> {
  /** As introspection would see it. */
  readonly current?: TokenRow | LoginRow;
}

export async function explainToken(value: string, deps: ExplainDeps): Promise<TokenExplanation> {
  const { kind, row, current, reasons, expiresAt } = await find(value, deps);
  if (!row) return { kind, active: false, reasons, ...defined({ expiresAt }), ...NOTHING_KNOWN };
  const ancestors = await describeAncestors(row, deps.storage, deps.now());
  const parents = await findParents(row, deps.registry);
  const view = await deps.directory.view();
  const client = await view.findApplicationById(row.application);
  const user = row.user === undefined ? undefined : await deps.users.findBySubject(row.subject);
  const resource = row.resource === undefined ? undefined : await view.findResource(row.resource);
  const held = resource && (await deps.currentRights.findBoundRights(row));
  const granted = { name: AS_ISSUED, permissions: fromStored(row.permissions) };
  const steps = toSteps(held ?? [], parents);
  const listed = resource && {
    name: `catalogue of resource ${resource.name}`,
    permissions: withinCatalogue(granted.permissions, catalogueOf(resource)),
  };
  const active = current !== undefined && client !== undefined && reasons.length === 0;
  const why = active ? [] : [...reasons, ...findEndReasons(row, ancestors, { client, user, resource, held })];
  return {
    kind,
    active,
    reasons: why.length > 0 || active ? why : ['nothing is left of its rights'],
    row,
    expiresAt: row.expiresAt,
    ...(active && { permissions: fromStored(current.permissions), scope: current.scope }),
    ...(active && current.devices && { devices: fromStoredAccess(current.devices) }),
    lostDevices: row.devices ? explainAccess(toDeviceSteps(row.devices, held ?? [])).removed : [],
    steps: [...steps, granted],
    sources: resource && held ? await findSources(view, held, resource) : [],
    lost: explainIntersection([granted, ...(listed ? [listed] : []), ...steps]).removed,
    withheld: explainIntersection([...steps, granted]).removed,
    ...(held && held.length > 0 && { obtainable: explainIntersection(steps).effective }),
    ancestors,
  };
}

/** The tokens it was exchanged from, first one first; opaque ones cannot be found by what is known of them here. */
async function findParents(row: TokenRow | LoginRow, registry: Registry): Promise<TokenRow[]> {
  if (!('depth' in row)) return [];
  const found = await Promise.all(row.ancestors.map((id) => registry.findRow('jwt', id)));
  return found.filter((parent) => parent !== undefined);
}

/**
 * Each authority's own steps, where one that stands twice counts once; then what was asked for at each exchange. A ceiling
 * with variables is another step for another person.
 */
function toSteps(held: readonly BoundRights[], parents: readonly TokenRow[]): Step<Permissions>[] {
  const steps: Step<Permissions>[] = [];
  for (const step of held.flatMap((each) => each.steps)) {
    const isThere = steps.some(
      ({ name, permissions }) => name === step.name && equals(permissions, step.permissions),
    );
    if (!isThere) steps.push(step);
  }
  const asked = parents.map(({ id, permissions }) => ({
    name: `token ${id} that it was exchanged from`,
    permissions: fromStored(permissions),
  }));
  return [...steps, ...asked];
}

function toDeviceSteps(
  issued: NonNullable<TokenRow['devices']>,
  held: readonly BoundRights[],
): Step<DeviceAccess>[] {
  const bounds = held.flatMap(({ devices, steps }) =>
    devices ? [{ name: steps.at(-1)?.name ?? 'its user', permissions: devices }] : [],
  );
  return [{ name: AS_ISSUED, permissions: fromStoredAccess(issued) }, ...bounds];
}

const NOTHING_KNOWN = { steps: [], sources: [], lost: [], withheld: [], lostDevices: [], ancestors: [] };
const NO_TOKEN = 'not a token of this server';

async function find(value: string, deps: ExplainDeps): Promise<Found> {
  const presented = await deps.presentedTokens.identify(value);
  switch (presented.kind) {
    case 'access token':
      return findAccessToken(presented, value, deps);
    case 'refresh token':
      return findLogin(presented, deps);
    case 'connection token':
      return { kind: NO_TOKEN, reasons: [await describeConnection(presented.connection, deps)] };
    case 'expired':
      return { kind: 'JWT access token', reasons: ['it has expired'], ...expiryOf(decode(value)) };
    case 'unknown':
      return describeUnknown(presented, value, deps);
  }
}

async function findAccessToken(
  { format, handle }: Extract<Presented, { kind: 'access token' }>,
  value: string,
  { registry }: ExplainDeps,
): Promise<Found> {
  const kind = format === 'jwt' ? 'JWT access token' : 'opaque access token';
  const expiresAt = format === 'jwt' ? expiryOf(decode(value)) : {};
  const row = await registry.findRow(format, handle);
  if (row) {
    const current = await registry.find(format, handle);
    return { kind, row, reasons: [], ...defined({ current }), ...expiresAt };
  }
  const why =
    format === 'jwt'
      ? 'its row is gone: it was issued before the store was restored, or never given out'
      : 'it was not issued here, or it has expired';
  return { kind, reasons: [why], ...expiresAt };
}

async function findLogin(
  { login: id, token }: Extract<Presented, { kind: 'refresh token' }>,
  { refreshTokens, registry, storage, now }: ExplainDeps,
): Promise<Found> {
  const kind = 'refresh token';
  const row = await storage.logins.find(id, now());
  if (!row) return { kind, reasons: ['its login has expired'] };
  const current = await registry.findLogin(id);
  const isCurrent = row.current.equals(refreshTokens.hash(token));
  const reasons = isCurrent ? [] : ['it was used before: another refresh token took its place'];
  return { kind, row, reasons, ...defined({ current }) };
}

async function describeConnection(id: string, { storage }: ExplainDeps): Promise<string> {
  return (await storage.directory.connections.get(id))
    ? `it is a connection token: grantable connection show ${id}`
    : 'it looks like a connection token, but there is no such connection';
}

/** A value that this server did not sign, or that does not look like one of its tokens. */
function describeUnknown(
  { resembles }: Extract<Presented, { kind: 'unknown' }>,
  value: string,
  { config, now }: ExplainDeps,
): Found {
  if (resembles === 'refresh token') {
    return { kind: NO_TOKEN, reasons: ['it looks like a refresh token, but this server did not make it'] };
  }
  if (resembles === undefined) {
    return { kind: NO_TOKEN, reasons: ['it looks like no access token and no refresh token of Grantable'] };
  }
  const claims = decode(value);
  if (!claims) return { kind: NO_TOKEN, reasons: ['it is not a readable JWT'] };
  const wrong =
    describeOtherIssuer(value, config.issuer) ??
    `it is not an access token signed by this server's keys (its key is ${claims.kid ?? 'not named'})`;
  const isOver = claims.exp !== undefined && claims.exp * 1000 <= now();
  const reasons = isOver ? [wrong, 'it says that it has expired'] : [wrong];
  return { kind: 'JWT access token', reasons, ...expiryOf(claims) };
}

function expiryOf(claims: { readonly exp?: number } | undefined): { expiresAt?: number } {
  return claims?.exp === undefined ? {} : { expiresAt: claims.exp * 1000 };
}

function decode(value: string): { exp?: number; kid?: string } | undefined {
  try {
    const { exp } = decodeJwt(value);
    const { kid } = decodeProtectedHeader(value);
    return defined({
      exp: typeof exp === 'number' ? exp : undefined,
      kid: typeof kid === 'string' ? kid : undefined,
    });
  } catch {
    return undefined;
  }
}

function findEndReasons(
  row: TokenRow | LoginRow,
  ancestors: readonly Ancestor[],
  standing: Readonly<Record<'client' | 'user' | 'resource' | 'held', unknown>>,
): string[] {
  return [
    ...ancestors.flatMap(({ what, state, kills }) => (kills ? [`${what}: ${state}`] : [])),
    ...(standing.client ? [] : ['its application or organization is disabled or gone']),
    ...(row.user === undefined || standing.user ? [] : ['its user is disabled or gone']),
    ...(row.resource === undefined || standing.resource ? [] : ['its resource is disabled or gone']),
    ...(standing.resource && standing.client && !standing.held
      ? ['a party that it came through is disabled, gone, or has lost its rights there']
      : []),
  ];
}
