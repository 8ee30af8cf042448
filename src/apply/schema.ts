/**
 * The apply file: the keys of the declared nouns, what faces add to them, and how nouns stand in each other.
 * `docs/configuration.md` and `docs/apply.schema.json` are written from it.
 */
import { z } from 'zod';
import { toImportedHash } from '../accounts/passwords.ts';
import { builtInFaces, titlesOf } from '../faces/index.ts';
import { nouns } from '../nouns/index.ts';
import { clientId, clientSecret, findRefusal, listOf, MIN_PASSWORD_LENGTH, text } from '../nouns/values.ts';
import { findDatasourceProblems } from './datasource-problems.ts';
import { shapeOf } from './noun-schema.ts';

/** No name twice. */
const listOfNamed = <T extends z.ZodType<{ readonly name: string }>>(item: T) =>
  listOf(item, ({ name }) => name).exactOptional();

const passwordHash = text('a bcrypt hash', (value) =>
  findRefusal(() => toImportedHash(value)),
).exactOptional();

export const resource = z.strictObject(shapeOf(nouns.resources)).describe(nouns.resources.describe);

export const role = z.strictObject(shapeOf(nouns.roles)).describe(nouns.roles.describe);

export const application = z.strictObject(shapeOf(nouns.applications)).describe(nouns.applications.describe);

export const connection = z.strictObject(shapeOf(nouns.connections)).describe(nouns.connections.describe);

export const datasource = z
  .strictObject(shapeOf(nouns.datasources))
  .superRefine((value, context) => {
    for (const { path, message } of findDatasourceProblems(value)) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  })
  .describe(nouns.datasources.describe);

export const webhook = z.strictObject(shapeOf(nouns.webhooks)).describe(nouns.webhooks.describe);

const settingsByFace = Object.fromEntries(
  builtInFaces.map(({ name, settings, description }) => [
    name,
    settings.exactOptional().describe(description),
  ]),
);

const ofUserByFace = Object.fromEntries(
  builtInFaces.flatMap(({ name, ofUser }) =>
    ofUser ? [[name, ofUser.schema.exactOptional().describe(ofUser.description)]] : [],
  ),
);

const { organizations, ...ofUser } = shapeOf(nouns.users);

export const user = z
  .strictObject({
    ...ofUser,
    passwordHash: passwordHash.describe(
      'Instead of `password`: a bcrypt hash made elsewhere (`$2a$`, `$2b$` or `$2y$`).',
    ),
    ...ofUserByFace,
  })
  .describe(nouns.users.describe);

export const organization = z
  .strictObject({
    ...shapeOf(nouns.organizations),
    clientId: clientId
      .exactOptional()
      .describe(
        `The client id of the organization itself, a client that may do everything with the resources of the organization (${titlesOf('organization clients')} has such clients). Unique on the server.`,
      ),
    clientSecret: clientSecret
      .exactOptional()
      .describe(
        'The secret of that client; generated if left out. Grantable stores a keyed hash of it only.',
      ),
    faces: z
      .strictObject(settingsByFace)
      .exactOptional()
      .describe('Faces: older token APIs that Grantable answers in their own format.'),
    roles: listOfNamed(role).describe('Its roles.'),
    resources: listOf(resource).exactOptional().describe('Its resources.'),
    applications: listOfNamed(application).describe('Its applications.'),
    users: listOf(user).exactOptional().describe('Its users, and those of its applications.'),
    connections: listOfNamed(connection).describe('Its connections.'),
    datasources: listOfNamed(datasource).describe('Its datasources.'),
    webhooks: listOfNamed(webhook).describe('Its webhooks.'),
  })
  .describe(nouns.organizations.describe);

const { username, password, email, displayName } = ofUser;

/** A user of the server. */
export const administrator = z
  .strictObject({
    username: username.describe('Unique among administrators, without regard to case.'),
    enabled: ofUser.enabled.describe('`false`: no login.'),
    password: password.describe(
      `At least ${MIN_PASSWORD_LENGTH.administrator} characters. ${password.description?.replace('the user is', 'the administrator is')}`,
    ),
    passwordHash: passwordHash.describe('Instead of `password`: a bcrypt hash made elsewhere.'),
    email: email.describe('Unique among administrators.'),
    displayName,
    organizations,
    roles: ofUser.roles.describe(
      'Names of roles of `management`: `owner`, `maintainer`, `auditor`, `developer`, or of the file.',
    ),
  })
  .describe(
    'A person who administers the server by roles, or organizations, also through faces that allow it.',
  );

const management = z
  .strictObject({
    roles: organization.shape.roles.describe('Its roles, for the administration of the server.'),
    applications: organization.shape.applications.describe(
      'Its applications. With `realm: organization`, administrators log in through them.',
    ),
  })
  .describe('What belongs to the server itself, whose people are the administrators.');

export const applyFile = z.strictObject({
  organizations: listOfNamed(organization).describe('Organizations, each with all that belongs to it.'),
  management: management.exactOptional(),
  administrators: listOf(administrator).exactOptional().describe('Administrators.'),
});

export type ApplyFile = z.output<typeof applyFile>;
export type ApplyOrganization = z.output<typeof organization>;
export type ApplyResource = z.output<typeof resource>;
export type ApplyRole = z.output<typeof role>;
export type ApplyApplication = z.output<typeof application>;
export type ApplyConnection = z.output<typeof connection>;
export type ApplyDatasource = z.output<typeof datasource>;
export type ApplyUserTable = NonNullable<ApplyDatasource['userTables']>[number];
export type ApplyWebhook = z.output<typeof webhook>;
export type ApplyUser = z.output<typeof user>;
export type ApplyAdministrator = z.output<typeof administrator>;
