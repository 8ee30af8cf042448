/** Users: people who log in, and administrators. */
import { z } from 'zod';
import { identities, identityKey } from './identities.ts';
import type { NameOf } from './in-file.ts';
import { defineNoun, field, type NounOf } from './noun.ts';
import {
  applicationOf,
  attributes,
  email,
  line,
  listOf,
  moment,
  password,
  realm,
  slug,
  username,
} from './values.ts';

export const user = defineNoun({
  singular: 'user',
  describe: 'A person who logs in.',
  fields: {
    organization: field(z.string().exactOptional(), {
      effect: 'none',
      fixed: true,
      refersTo: 'organization',
      inFile: false,
      describe: 'Id of the organization that owns the realm; administrators have none.',
    }),
    realm: field(realm, {
      effect: 'none',
      fixed: true,
      names: (to: string) => [{ kind: 'realm', to }],
      inFile: {
        key: 'application',
        schema: slug.exactOptional(),
        toFile: (value: string, _user: unknown, nameOf: NameOf) => {
          const application = applicationOf(value);
          return application === undefined ? undefined : nameOf(application);
        },
      },
      describe: 'Name of the application that the user belongs to; the organization itself if left out.',
    }),
    username: field(username, {
      effect: 'none',
      describe: 'Unique in its realm, without regard to case.',
    }),
    canonicalUsername: field(z.string(), {
      effect: 'none',
      derived: true,
      describe: 'The form of the user name that is compared: see usernames.ts.',
    }),
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: no login, and the tokens of the user end.',
    }),
    passwordHash: field(z.string().exactOptional(), {
      effect: 'restarts',
      secret: true,
      inFile: {
        key: 'password',
        members: {
          password: password
            .exactOptional()
            .describe(
              'Used when the user is created; generated then if both this and `passwordHash` are left out. A different one later is reported and not applied (`--reset-passwords` applies it).',
            ),
        },
      },
      describe: 'Self-describing, see accounts/passwords.ts. Absent: no password login.',
    }),
    passwordChangedAt: field(moment.exactOptional(), {
      effect: 'none',
      derived: true,
      describe: 'Milliseconds since the epoch.',
    }),
    // Address, verification and attributes are values of variables in roles and ceilings. Finding out whether one names them
    // would read all roles and applications at each change.
    email: field(email.exactOptional(), {
      effect: 'narrows',
      describe: 'Unique in its realm. The user can log in with it.',
    }),
    canonicalEmail: field(z.string().exactOptional(), {
      effect: 'none',
      derived: true,
      describe: 'The form of the address that is compared: see usernames.ts.',
    }),
    emailVerified: field(z.boolean(), {
      effect: 'narrows',
      initially: false,
      describe: '`true`: it was verified that the address belongs to the user.',
    }),
    displayName: field(line.exactOptional(), { effect: 'none', describe: 'For people.' }),
    attributes: field(attributes.exactOptional(), {
      effect: 'narrows',
      describe:
        'Up to 20 texts about the user, of at most 256 characters each, by name: lower-case letters, digits and underscores. Only administrators and this file write them, never the user.',
    }),
    roles: field(listOf(z.string()), {
      effect: 'narrows',
      initially: [],
      refersTo: 'role',
      inFile: { schema: listOf(line).exactOptional() },
      describe: 'Names of all roles of the user.',
    }),
    administers: field(listOf(z.string()), {
      effect: 'narrows',
      initially: [],
      refersTo: 'organization',
      inFile: { key: 'organizations', schema: listOf(slug).exactOptional() },
      describe: 'Names of all organizations that this person administers.',
    }),
    faces: field(z.record(z.string(), z.record(z.string(), z.unknown())).exactOptional(), {
      effect: 'narrows',
      inFile: { members: {}, toFile: (faces: object | undefined) => faces },
      describe: 'What faces keep on them, as each declares it.',
    }),
    // Ends of what came through an identity are marks of its own node.
    identities: field(identities.exactOptional(), {
      effect: 'none',
      describe:
        'Who the user is at issuers that the organization trusts (`identityIssuers`): they can ask for tokens for the user. Each identity belongs to one user of the realm. Only administrators and this file write them. Tokens made through an identity end when it is removed.',
    }),
    pending: field(z.boolean().exactOptional(), {
      effect: 'narrows',
      inFile: false,
      describe: 'Registered, but the email address is not confirmed yet: the user cannot log in.',
    }),
    secondFactor: field(z.boolean(), {
      effect: 'none',
      initially: false,
      inFile: false,
      describe: 'A second factor is set up: the password grant is refused.',
    }),
  },
  unique: {
    username: (noun) => `${noun.realm}/${noun.canonicalUsername}`,
    email: (noun) => (noun.canonicalEmail === undefined ? undefined : `${noun.realm}/${noun.canonicalEmail}`),
    identity: ({ realm: within, identities: linked = [] }) => linked.map((each) => identityKey(within, each)),
  },
  uniqueLists: ['identity'],
  listed: {
    administers: ({ administers }) => administers,
    /** Whose own users they are among. */
    application: ({ realm }) => applicationOf(realm),
    /** That of an organization itself, or of the administrators. */
    realm: ({ realm }) => (applicationOf(realm) === undefined ? realm : undefined),
    role: ({ roles }) => roles,
    /** By each of their names, in whatever realm of their organization. */
    login: ({ organization, canonicalUsername, canonicalEmail = canonicalUsername }) =>
      [canonicalUsername, canonicalEmail].map((name) => loginKey(organization, name)),
  },
  isReadEachTime: true,
});

export interface User extends NounOf<typeof user> {}

/**
 * The value under which `login` lists a user.
 * @param organization id; undefined: of administrators
 * @param name canonical user name or canonical email address
 */
export function loginKey(organization: string | undefined, name: string): string {
  return `${organization ?? 'management'}/${name}`;
}
