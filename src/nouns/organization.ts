/** Organizations: the tenants of a server. */
import { z } from 'zod';
import { identityIssuers } from './identities.ts';
import type { NameOf } from './in-file.ts';
import { defineNoun, type FaceRights, type Frozen, field, forPeople, type NounOf } from './noun.ts';
import { host, listOf, organizationName } from './values.ts';

/** As the list of faces has it. */
export type FaceName = string;

const plugin = z.strictObject({
  topic: z.string(),
  creator: z.string().describe('Id of a user; a file has the user name.'),
});

const faceSettings = z.looseObject({
  enabled: z.boolean(),
  application: z
    .string()
    .exactOptional()
    .describe(
      'Id of the application whose users, grants and ceiling it uses; absent where the path names one.',
    ),
  registration: z.boolean().describe('Whether strangers may register.'),
  ttl: z.number().exactOptional().describe("Seconds that its tokens live; absent: as the original's."),
  refreshTtl: z.number().exactOptional().describe("Seconds that a login lasts; absent: as the original's."),
  administrators: z
    .boolean()
    .exactOptional()
    .describe('Whether administrators of the organization log in through it.'),
  plugins: z.array(plugin).exactOptional().describe('Plugins, each of a user who makes tokens for it.'),
});

/** How one of the older token APIs is answered for an organization; the face declares what else it has. */
export interface FaceSettings extends Frozen<z.output<typeof faceSettings>> {}

/** Which agents may ask. */
const AGENT_POLICIES = ['off', 'hosts', 'any'] as const;
const REGISTRATION_POLICIES = ['off', 'token', 'open'] as const;

const agents = z.strictObject({
  policy: z
    .enum(AGENT_POLICIES)
    .describe(
      'Agents whose `client_id` is the URL of a document: `off`, `any`, or those whose URL has one of `hosts`. Approved ones may ask unless it is `off`.',
    ),
  hosts: listOf(host).exactOptional().describe('For the policy `hosts`.'),
  registration: z
    .enum(REGISTRATION_POLICIES)
    .exactOptional()
    .describe(
      'Whether agents may register at the registration endpoint: `off`, with an initial access token of an administrator (`token`), or `open` to all. `off` if left out.',
    ),
  application: z
    .string()
    .describe(
      'The application whose users log in, and whose ceiling, grants and scopes bound those of each agent. With another one, what agents have ends until people allow them again. A file has its name.',
    ),
});

type Agents = Frozen<z.output<typeof agents>>;

/** As a listed value: that an organization is the default one. No host is called so. */
export const DEFAULT_HOST = '';

/** As a listed value: that an organization trusts an issuer of identity assertions. */
export const TRUSTING = 'issuers';

/** The settings of faces that rights are read from. */
function rightsOfFaces(
  faces: Readonly<Record<FaceName, FaceSettings>> | undefined,
  declared: readonly FaceRights[],
): readonly unknown[] {
  return declared.flatMap(({ name, narrowing = [] }) =>
    ['administrators', ...narrowing].map((setting) => faces?.[name]?.[setting]),
  );
}

export const organization = defineNoun({
  singular: 'organization',
  describe: 'A tenant of the server, with its own resources, applications and users.',
  fields: {
    name: field(organizationName, { effect: 'none', fixed: true, describe: 'Unique on the server.' }),
    ...forPeople,
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: everything of it is switched off, and its tokens end.',
    }),
    default: field(z.boolean(), {
      effect: 'none',
      initially: false,
      describe:
        '`true`: it answers requests to faces whose path and host do not name an organization. One organization at most.',
    }),
    hosts: field(listOf(host), {
      effect: 'none',
      initially: [],
      describe: 'Which of `GRANTABLE_HOSTS` select this organization, at faces whose paths do not name one.',
    }),
    faces: field(z.record(z.string(), faceSettings).exactOptional(), {
      effect: rightsOfFaces,
      // The organization is written before its applications are.
      mayComeLater: true,
      names: (faces: Readonly<Record<FaceName, FaceSettings>>) =>
        Object.values(faces).flatMap(({ application: to }) =>
          to === undefined ? [] : [{ kind: 'application', to } as const],
        ),
      inFile: {
        toFile: (
          faces: Readonly<Record<FaceName, FaceSettings>> = {},
          _organization: unknown,
          nameOf: NameOf,
        ) =>
          Object.fromEntries(
            Object.entries(faces).map(([face, { application, plugins, ...settings }]) => [
              face,
              {
                ...settings,
                ...(application !== undefined && { application: nameOf(application) }),
                ...(plugins && {
                  plugins: plugins.map((each) => ({ ...each, creator: nameOf(each.creator) })),
                }),
              },
            ]),
          ),
      },
      describe: 'Faces: older token APIs that Grantable answers in their own format.',
    }),
    agents: field(agents.exactOptional(), {
      effect: 'narrows',
      // The organization is written before its applications are.
      mayComeLater: true,
      names: ({ application: to }: Agents) => [{ kind: 'application', to }],
      inFile: {
        toFile: (value: Agents | undefined, _organization: unknown, nameOf: NameOf) =>
          value && { ...value, application: nameOf(value.application) },
      },
      describe: 'Agents: applications that register themselves and ask people for rights.',
    }),
    // Ends of what an issuer vouched for are marks of the issuer's own node.
    identityIssuers: field(identityIssuers.exactOptional(), {
      effect: 'none',
      describe:
        'Issuers whose identity assertions (ID-JAG) are accepted for users with `identities`. Tokens made by the word of an issuer end when it is removed, when a key is taken from its `jwks`, and when its `jwksUri` changes.',
    }),
  },
  unique: { name: (noun) => noun.name },
  listed: {
    host: ({ enabled, hosts, default: isDefault }) =>
      enabled ? [...hosts, ...(isDefault ? [DEFAULT_HOST] : [])] : [],
    /** The ways by which agents come in. */
    agents: ({ enabled, agents: of }) =>
      !enabled || !of
        ? []
        : [
            ...(of.policy === 'off' ? [] : ['document']),
            ...((of.registration ?? 'off') === 'off' ? [] : ['registered']),
          ],
    face: ({ enabled, faces = {} }) =>
      enabled ? Object.keys(faces).filter((name) => faces[name]?.enabled) : [],
    /** All that trust an issuer, under one value. */
    trusting: ({ enabled, identityIssuers: trusted = [] }) =>
      enabled && trusted.length > 0 ? TRUSTING : undefined,
  },
});

export interface Organization extends NounOf<typeof organization> {}
