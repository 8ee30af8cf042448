/** Roles. */
import { z } from 'zod';
import { NOTHING, type Permissions } from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { FileValue } from './in-file.ts';
import { defineNoun, field, type NounOf, ofOrganization } from './noun.ts';
import { identifier, line, listOf, NOTHING_STORED, scope, storedPermissions } from './values.ts';
import { permissionsOfCeiling, permissionsOfRole } from './written-permissions.ts';

const granting = z.strictObject({
  resource: identifier,
  permissions: storedPermissions,
  scopes: listOf(scope),
});

type Granting = z.output<typeof granting>;

const grantingInFile = z.strictObject({
  permissions: permissionsOfCeiling.exactOptional().describe('The permissions that may be given.'),
  scopes: listOf(scope).exactOptional().describe('The scopes that may be given.'),
});

type GrantingInFile = Readonly<
  Record<string, { readonly permissions?: Permissions; readonly scopes?: readonly string[] }>
>;

function grantingFromFile({ said }: FileValue<GrantingInFile>): Granting[] | undefined {
  const granted = Object.entries(said).map(
    ([resource, { permissions, scopes = [] }]): Granting => ({
      resource,
      permissions: toStored(permissions ?? NOTHING) as Granting['permissions'],
      scopes: [...scopes],
    }),
  );
  return granted.length > 0 ? granted : undefined;
}

function grantingToFile(granted: readonly Granting[] = []): GrantingInFile {
  return Object.fromEntries(
    granted.map(({ resource, permissions, scopes }) => [
      resource,
      { permissions: fromStored(permissions), ...(scopes.length > 0 && { scopes }) },
    ]),
  );
}

export const role = defineNoun({
  singular: 'role',
  describe: 'Scopes and permissions for one resource, given to users.',
  fields: {
    organization: ofOrganization,
    name: field(line, { effect: 'none', describe: 'Unique in the organization.' }),
    enabled: field(z.boolean(), {
      // The rights that came through other roles are left.
      effect: 'narrows',
      initially: true,
      describe: '`false`: it gives no rights.',
    }),
    default: field(z.boolean(), {
      effect: 'none',
      initially: false,
      describe: '`true`: every user who registers gets it. One role at most.',
    }),
    resource: field(identifier, {
      effect: 'narrows',
      refersTo: 'resource',
      inFile: { schema: identifier.exactOptional() },
      describe:
        "Identifier of the resource of its permissions; the organization's first resource if left out.",
    }),
    scopes: field(listOf(scope), {
      effect: 'narrows',
      initially: [],
      describe: 'The scopes of that resource that it gives.',
    }),
    permissions: field(storedPermissions, {
      effect: 'narrows',
      initially: NOTHING_STORED,
      inFile: permissionsOfRole,
      describe: 'What it allows. A new role allows nothing.',
    }),
    mayGrant: field(listOf(granting, ({ resource }) => resource).exactOptional(), {
      effect: 'none',
      names: (granted: readonly { readonly resource: string }[]) =>
        granted.map(({ resource: to }) => ({ kind: 'resource', to })),
      inFile: {
        schema: z.record(identifier, grantingInFile).exactOptional(),
        fromFile: grantingFromFile,
        toFile: grantingToFile,
      },
      describe:
        'By identifier of a resource: what administrators with this role may give to roles, applications, connections and users, without having it in a token. A new role has nothing of it.',
    }),
  },
  unique: { name: (noun) => `${noun.organization}/${noun.name}` },
  listed: {
    default: (noun) => (noun.default ? noun.organization : undefined),
    resource: ({ resource, mayGrant = [] }) => [resource, ...mayGrant.map((each) => each.resource)],
  },
});

export interface Role extends NounOf<typeof role> {}
