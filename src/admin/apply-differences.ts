/** Nouns spelled as in an apply file, field by field, and what differs between two of them. */
import type { CollectionName, Nouns, StoredPermissions } from '../storage/nouns.ts';

export interface FieldDifference {
  /** As in the file: `permissions`, `token.ttl`. */
  readonly field: string;
  /** Absent for secrets, and where there was nothing. */
  readonly from?: string;
  /** Absent for secrets, and where nothing is left. */
  readonly to?: string;
}

/** Names of the roles, organizations and applications that others list by id. */
export type NameOfId = (id: string) => string;

type Spelled = Map<string, unknown>;
type Spellers = {
  readonly [C in CollectionName]: (noun: Nouns[C], nameOfId: NameOfId) => Record<string, unknown>;
};

const ACTIONS: Readonly<Record<string, string>> = { c: 'create', r: 'read', u: 'update', d: 'delete' };

/** `orders: create read, products: read` */
export function spellPermissions({ isAdmin, tables }: StoredPermissions): string {
  if (isAdmin) return 'admin';
  if (tables.length === 0) return 'nothing';
  return tables
    .map(({ table, actions }) => `${table}: ${[...actions].map((each) => ACTIONS[each]).join(' ')}`)
    .join(', ');
}

/** What was named before an algorithm follows from it. */
function spellToken({ algsBefore: _before, ...token }: Nouns['resources']['token']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ typ: 'at+jwt', ...token }).map(([field, value]) => [`token.${field}`, value]),
  );
}

const spellers: Spellers = {
  organizations: ({ name, enabled, default: isDefault, hosts, faces = {} }, nameOfId) => ({
    name,
    enabled,
    default: isDefault,
    hosts,
    ...Object.fromEntries(
      Object.entries(faces).flatMap(([face, settings]) =>
        Object.entries(settings).map(([field, value]) => [
          `faces.${face}.${field}`,
          field === 'application' ? nameOfId(String(value)) : value,
        ]),
      ),
    ),
  }),
  resources: ({ identifier, name, enabled, catalogue, tables, scopes, token, channel }) => ({
    identifier,
    name,
    enabled,
    catalogue,
    tables: tables.map((table) => (table.name === table.id ? table.id : `${table.id} (${table.name})`)),
    scopes,
    channel,
    ...spellToken(token),
  }),
  roles: ({ name, enabled, default: isDefault, resource, scopes, permissions }) => ({
    name,
    enabled,
    default: isDefault,
    resource,
    scopes,
    permissions: spellPermissions(permissions),
  }),
  applications: (
    {
      id,
      realm,
      ceilings,
      registeredCeiling,
      mayExchange,
      jwks,
      secretHash,
      secretSeed: _seed,
      firstParty,
      pkce,
      assertionAudience,
      idTokenAlgsBefore: _algsBefore,
      organization,
      number,
      version,
      createdAt,
      ...others
    },
    nameOfId,
  ) => ({
    ...others,
    firstParty: firstParty === true,
    pkce: pkce ?? 'required',
    assertionAudience: assertionAudience ?? 'issuer',
    mayExchange: mayExchange.map(nameOfId),
    ...(registeredCeiling && { permissions: spellPermissions(registeredCeiling) }),
    realm: realm === `application:${id}` ? 'application' : 'organization',
    ...(jwks && { jwks: jwks.keys }),
    ...Object.fromEntries(
      ceilings.map(({ resource, permissions }) => [
        `permissions for ${resource}`,
        spellPermissions(permissions),
      ]),
    ),
  }),
  users: (
    { username, enabled, email, emailVerified, displayName, roles, administers, secondFactor },
    nameOfId,
  ) => ({
    username,
    enabled,
    email,
    emailVerified,
    displayName,
    roles: roles.map(nameOfId),
    organizations: administers.map(nameOfId),
    secondFactor,
  }),
  datasources: ({ name, enabled, kind, file, server, insecurePasswords, userTables }, nameOfId) => ({
    name,
    enabled,
    kind,
    file,
    insecurePasswords,
    ...server,
    ...(server?.ca !== undefined && { ca: 'given' }),
    ...Object.fromEntries(
      userTables.map(({ id, sealedSecret, roles, roleMap, ...table }) => [
        `userTables.${table.collection}`,
        {
          ...table,
          roles: roles.map(nameOfId),
          roleMap: Object.fromEntries(roleMap.map(({ value, role }) => [value, nameOfId(role)])),
        },
      ]),
    ),
  }),
  connections: ({ name, enabled, scopes, permissions, networks, maxTokenTtl, createdAt, expiresAt }) => ({
    name,
    enabled,
    scopes,
    permissions: spellPermissions(permissions),
    networks,
    maxTokenTtl,
    lifetime: expiresAt === undefined ? undefined : Math.round((expiresAt - createdAt) / 1000),
  }),
};

/** That they changed is said, and no more. */
const secrets: Readonly<Record<string, string>> = {
  secretHash: 'clientSecret',
  passwordHash: 'password',
  sealedPassword: 'password',
};

function spell<C extends CollectionName>(collection: C, noun: Nouns[C], nameOfId: NameOfId): Spelled {
  return new Map(Object.entries(spellers[collection](noun, nameOfId)));
}

/** @param newSecret the field of a hash that is still to be made */
export function findDifferences<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
  { nameOfId, newSecret }: { nameOfId: NameOfId; newSecret?: string },
): FieldDifference[] {
  const [old, current] = [spell(collection, before, nameOfId), spell(collection, after, nameOfId)];
  const differences: FieldDifference[] = [];
  for (const field of new Set([...old.keys(), ...current.keys()])) {
    const [from, to] = [toText(old.get(field)), toText(current.get(field))];
    if (from !== to)
      differences.push({ field, ...(from !== undefined && { from }), ...(to !== undefined && { to }) });
  }
  const [hidden, shown] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  for (const [hash, field] of Object.entries(secrets)) {
    if (hidden.get(hash) !== shown.get(hash) || hash === newSecret) differences.push({ field });
  }
  return differences;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
