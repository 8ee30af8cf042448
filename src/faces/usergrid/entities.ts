/** People, applications and organizations as Usergrid writes them, and the envelope around them. */
import { displayNameOf } from '../../changes/applications.ts';
import type { NamedApplication } from '../../directory/directory.ts';
import type { Application, Organization, User } from '../../nouns/index.ts';
import { defined } from '../../storage/defined.ts';
import type { FaceRequest } from '../face.ts';

/** The application that all administrators of the original belong to. */
const MANAGEMENT_APPLICATION = '00000000-0000-0000-0000-000000000001';

const SECRETS = new Set(['access_token', 'client_secret', 'password', 'oldpassword', 'newpassword', 'token']);

const isActivated = ({ pending }: User): boolean => pending !== true;

/** As an answer with a token has it. @param named between what it is and what it says of itself */
export function describeUser(user: User, named: object = {}): Record<string, unknown> {
  return {
    uuid: user.id,
    type: 'user',
    ...named,
    username: user.username,
    ...defined({ email: user.email }),
    activated: isActivated(user),
    created: user.createdAt,
    modified: Math.max(user.createdAt, user.passwordChangedAt ?? 0),
  };
}

export const toUserEntity = (user: User) => describeUser(user, defined({ name: user.displayName }));

/** @param modified milliseconds */
export function toApplicationEntity(application: Application, organization: Organization, modified: number) {
  const { id, createdAt, userTokenTtl } = application;
  return {
    uuid: id,
    type: 'application',
    name: `${organization.name}/${displayNameOf(application)}`,
    created: createdAt,
    modified,
    ...defined({ accesstokenttl: userTokenTtl === undefined ? undefined : userTokenTtl * 1000 }),
  };
}

/** Those that the operator made, by their names. */
const listApplications = (applications: readonly NamedApplication[], prefix = '') =>
  Object.fromEntries(applications.map(({ name, id }) => [prefix + name, id]));

/** As an organization lists an administrator. */
function toAdministrator(user: User) {
  const { id: uuid, username, displayName: name = username, email } = user;
  return {
    name,
    disabled: !user.enabled,
    uuid,
    activated: isActivated(user),
    username,
    applicationId: MANAGEMENT_APPLICATION,
    ...defined({ email }),
    adminUser: true,
    mailTo: email === undefined ? name : `${name} <${email}>`,
  };
}

/** Administrators within an organization, by their names. */
const listAdministrators = (administrators: readonly User[]) =>
  Object.fromEntries(administrators.map((user) => [user.username, toAdministrator(user)]));

/** @param applications of the organization */
export function describeOrganization(
  { id, name }: Organization,
  applications: readonly NamedApplication[],
  administrators: readonly User[],
): Record<string, unknown> {
  return {
    uuid: id,
    name,
    properties: {},
    applications: listApplications(applications, `${name}/`),
    users: listAdministrators(administrators),
  };
}

/** Of the organizations that they administer only the one that was asked, and in it only themselves. */
export function describeAdministrator(
  user: User,
  { id, name }: Organization,
  applications: readonly NamedApplication[],
): Record<string, unknown> {
  const users = listAdministrators([user]);
  const { adminUser, activated, mailTo, applicationId, uuid, disabled, ...said } = toAdministrator(user);
  return {
    username: user.username,
    ...defined({ email: user.email }),
    organizations: { [name]: { users, name, applications: listApplications(applications), uuid: id } },
    adminUser,
    activated,
    name: said.name,
    mailTo,
    applicationId,
    uuid,
    disabled,
  };
}

/** What is told of a request for entities. */
export interface Envelope {
  readonly action: 'get' | 'post' | 'put' | 'delete';
  /** Below the application. */
  readonly path: string;
  readonly entities: readonly unknown[];
  readonly data?: unknown;
}

/** @param base the URL below which the face is served */
export function toEnvelope(
  { action, path, entities, data }: Envelope,
  times: { readonly timestamp: number; readonly duration: number },
  { client, query }: FaceRequest,
  base: string,
): Record<string, unknown> {
  const { application, organization } = client;
  const params: Record<string, string[]> = Object.create(null);
  for (const name of query.keys()) if (!SECRETS.has(name)) params[name] = query.getAll(name);
  return {
    action,
    application: application.id,
    params,
    path,
    uri: `${base}/${organization.name}/${encodeURIComponent(application.name)}${path}`,
    entities,
    ...defined({ data }),
    ...times,
    organization: organization.name,
    applicationName: application.name,
  };
}
