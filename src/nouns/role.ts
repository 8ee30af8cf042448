/** Roles. */
import { z } from 'zod';
import { defineNoun, field, type NounOf, ofOrganization } from './noun.ts';
import { identifier, line, listOf, NOTHING_STORED, scope, storedPermissions } from './values.ts';
import { permissionsOfRole } from './written-permissions.ts';

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
  },
  unique: { name: (noun) => `${noun.organization}/${noun.name}` },
  listed: {
    default: (noun) => (noun.default ? [noun.organization] : []),
    resource: ({ resource }) => [resource],
  },
});

export interface Role extends NounOf<typeof role> {}
