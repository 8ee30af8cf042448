/**
 * Nouns that no store keeps: the organization of the server itself, and of each organization the resource of its
 * administration with its usual roles. They are derived from an organization whenever they are asked for. Pure.
 */
import { ADMIN_TABLE_NAMES, ADMIN_TABLES, type AdminTable, adminColumns } from './admin-tables.ts';
import type { Organization, Resource, Role } from './index.ts';
import { withInitialValues } from './initial-values.ts';
import { MANAGEMENT_ID } from './names.ts';
import { ACCESS_TOKEN_ALG } from './signing-algs.ts';

/** The organization of the server itself: administrators are its people. */
export const MANAGEMENT: Organization = withInitialValues('organizations', {
  id: MANAGEMENT_ID,
  number: 0,
  version: 1,
  createdAt: 0,
  name: 'management',
});

const ALL = 'crud';

/** What each role allows, by table: the letters of the actions. */
const ROLES = {
  owner: { '*': ALL },
  maintainer: {
    ...Object.fromEntries(
      (
        [
          'resources',
          'roles',
          'applications',
          'users',
          'connections',
          'datasources',
          'webhooks',
          'tokens',
          'logins',
        ] satisfies AdminTable[]
      ).map((table) => [table, ALL]),
    ),
    audit: 'r',
    organizations: 'r',
    keys: 'r',
  },
  auditor: { '*': 'r' },
  developer: { applications: ALL, connections: ALL, webhooks: ALL, resources: 'r', roles: 'r' },
} satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type BuiltInRole = keyof typeof ROLES;

export const BUILT_IN_ROLES = Object.keys(ROLES) as readonly BuiltInRole[];

export function isBuiltInRoleName(name: string): name is BuiltInRole {
  return Object.hasOwn(ROLES, name);
}

/** An id is that of the organization with this in place of the version of the UUID. Ids that stores keep have version 4. */
const VERSIONS = { resource: '8', owner: '1', maintainer: '2', auditor: '3', developer: '5' } as const;

type BuiltInKind = keyof typeof VERSIONS;

const VERSION_AT = 14;

const withVersion = (id: string, version: string): string =>
  id.slice(0, VERSION_AT) + version + id.slice(VERSION_AT + 1);

const kinds: ReadonlyMap<string | undefined, BuiltInKind> = new Map(
  Object.entries(VERSIONS).map(([kind, version]) => [version, kind as BuiltInKind]),
);

/** What an id would be that of, and of which organization, if there is one with that id; undefined for ids of stored nouns. */
export function parseBuiltInId(
  id: string,
): { readonly kind: BuiltInKind; readonly organization: string } | undefined {
  const kind = kinds.get(id[VERSION_AT]);
  return kind && { kind, organization: withVersion(id, '4') };
}

/** @param organization id */
export function adminResourceId(organization: string): string {
  return withVersion(organization, VERSIONS.resource);
}

/** @param organization id */
export function builtInRoleId(organization: string, name: BuiltInRole): string {
  return withVersion(organization, VERSIONS[name]);
}

/** Whether it is derived, not stored: it cannot be changed or removed. */
export function isBuiltIn({ id, number }: { readonly id: string; readonly number: number }): boolean {
  return number === 0 && (id === MANAGEMENT_ID || parseBuiltInId(id) !== undefined);
}

/** Which of the usual roles it is; undefined for others, also for stored ones of such a name. */
export function builtInRoleOf(role: Pick<Role, 'id' | 'number'>): BuiltInRole | undefined {
  const kind = isBuiltIn(role) ? parseBuiltInId(role.id)?.kind : undefined;
  return kind === 'resource' ? undefined : kind;
}

const PATH = '/admin';

/** The `resource` of tokens that administer an organization; of `MANAGEMENT` the whole server. */
export function adminIdentifier({ id, name }: Pick<Organization, 'id' | 'name'>, issuer: string): string {
  return id === MANAGEMENT_ID ? issuer + PATH : `${issuer}${PATH}/${name}`;
}

/** Whether it is for administration alone: no other resource gets it, also if there is no such organization. */
export function isAdminIdentifier(identifier: string, issuer: string): boolean {
  return identifier === issuer + PATH || identifier.startsWith(`${issuer}${PATH}/`);
}

/** @returns the name of the organization whose administration has the identifier */
export function parseAdminIdentifier(identifier: string, issuer: string): string | undefined {
  if (!isAdminIdentifier(identifier, issuer)) return undefined;
  const name = identifier.slice(issuer.length + PATH.length + 1);
  if (name === '') return identifier.endsWith('/') ? undefined : MANAGEMENT.name;
  return name === MANAGEMENT.name ? undefined : name;
}

/** Of every such resource, and always the same object: what is derived from it is made once. */
const TABLES: Resource['tables'] = ADMIN_TABLES.map((id) => ({
  id,
  name: ADMIN_TABLE_NAMES[id],
  columns: adminColumns(id).map((name) => ({ name, type: 'text' as const })),
  rowColumns: ['organization'],
}));

/** Seconds that an access token for administration lives. */
export const ADMIN_TOKEN_TTL = 600;

export function adminResource(organization: Organization, issuer: string): Resource {
  const { id, name, createdAt } = organization;
  return withInitialValues('resources', {
    id: adminResourceId(id),
    number: 0,
    version: 1,
    createdAt,
    organization: id,
    identifier: adminIdentifier(organization, issuer),
    name: id === MANAGEMENT_ID ? 'Administration of the server' : `Administration of ${name}`,
    tables: TABLES,
    token: { format: 'opaque', ttl: ADMIN_TOKEN_TTL, alg: ACCESS_TOKEN_ALG, overflow: 'reference' },
  });
}

const permissions = Object.fromEntries(
  Object.entries(ROLES).map(([role, tables]) => [
    role,
    {
      isAdmin: false,
      tables: Object.entries(tables).map(([table, actions]) => ({ table, actions })),
    },
  ]),
) as unknown as Readonly<Record<BuiltInRole, Role['permissions']>>;

export function adminRole(organization: Organization, name: BuiltInRole, issuer: string): Role {
  const { id, createdAt } = organization;
  return withInitialValues('roles', {
    id: builtInRoleId(id, name),
    number: 0,
    version: 1,
    createdAt,
    organization: id,
    name,
    resource: adminIdentifier(organization, issuer),
    permissions: permissions[name],
  });
}
