/**
 * The objects of the administration API: the entries of an apply file, with what the server gives and what only the server
 * writes.
 */
import { z } from 'zod';
import {
  administrator,
  application,
  connection,
  datasource,
  organization,
  resource,
  role,
  user,
  webhook,
} from '../../../apply/schema.ts';
import { nouns } from '../../../nouns/index.ts';

/** Of every object; the server gives them. */
export const given = {
  id: z.uuid().describe('Never used again, also after the object is removed.'),
  number: z.int().describe('Unique among objects of its kind on this server.'),
  version: z.int().describe('Grows with each change. `If-Match` names it.'),
  createdAt: z.iso.datetime().describe('When it was made.'),
  managedBy: nouns.roles.fields.managedBy.value.describe(nouns.roles.fields.managedBy.describe),
  organization: z.string().exactOptional().describe('Name of its organization.'),
};

const { organizations } = administrator.shape;

const {
  clientId: _clientId,
  clientSecret: _clientSecret,
  roles: _roles,
  resources: _resources,
  applications: _applications,
  users: _users,
  connections: _connections,
  datasources: _datasources,
  webhooks: _webhooks,
  ...ofOrganization
} = organization.shape;

/** What a creation sends, and what a change changes. */
export const entries = {
  organizations: z.strictObject(ofOrganization).describe(nouns.organizations.describe),
  resources: resource,
  roles: role,
  applications: application,
  users: z.strictObject({ ...user.shape, organizations }).describe(nouns.users.describe),
  connections: connection,
  datasources: datasource,
  webhooks: webhook,
};

/** Members of an entry that are written and never read. */
const { clientSecret: _secret, ...ofApplication } = application.shape;
const { password: _password, passwordHash: _hash, ...ofUser } = user.shape;
const { password: _datasourcePassword, ...ofDatasource } = datasource.shape;
const { secret: _webhookSecret, ...ofWebhook } = webhook.shape;

const { fields: applicationFields } = nouns.applications;
const { fields: userFields } = nouns.users;

export const objects = {
  organizations: z.strictObject({ ...given, ...ofOrganization }).describe(nouns.organizations.describe),
  resources: z.strictObject({ ...given, ...resource.shape }).describe(nouns.resources.describe),
  roles: z.strictObject({ ...given, ...role.shape }).describe(nouns.roles.describe),
  applications: z
    .strictObject({
      ...given,
      ...ofApplication,
      owner: applicationFields.owner.value.describe(applicationFields.owner.describe),
      agent: applicationFields.agent.value.describe(applicationFields.agent.describe),
      homepage: applicationFields.homepage.value.describe(applicationFields.homepage.describe),
      isOrganization: applicationFields.isOrganization.value.describe(
        applicationFields.isOrganization.describe,
      ),
    })
    .describe(nouns.applications.describe),
  users: z
    .strictObject({
      ...given,
      ...ofUser,
      organizations,
      pending: userFields.pending.value.describe(userFields.pending.describe),
      secondFactor: userFields.secondFactor.value.describe(userFields.secondFactor.describe),
    })
    .describe(nouns.users.describe),
  connections: z
    .strictObject({
      ...given,
      ...connection.shape,
      expiresAt: z.iso.datetime().exactOptional().describe('When it ends. Absent: when it is ended.'),
    })
    .describe(nouns.connections.describe),
  datasources: z.strictObject({ ...given, ...ofDatasource }).describe(nouns.datasources.describe),
  webhooks: z.strictObject({ ...given, ...ofWebhook }).describe(nouns.webhooks.describe),
};

/** Those that have objects of their own here. */
export type ObjectCollection = keyof typeof entries;

export type ObjectOf<C extends ObjectCollection> = z.input<(typeof objects)[C]>;

const shownOnce = z
  .string()
  .exactOptional()
  .meta({ secret: true })
  .describe('Made with it if the request gives none, and shown once.');

/** The secret that a creation makes, beside the object: by the kind of object. */
export const createdSecrets = {
  applications: { clientSecret: shownOnce },
  users: { password: shownOnce },
  connections: { connectionToken: shownOnce },
  webhooks: { secret: shownOnce },
} as const;

/** A patch (RFC 7396) of an object: members are left out, replaced, or taken away by `null`. */
export type PatchOf<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: PatchOf<T[K]> | null }
    : T;

/** A patch is checked as the entry that it leads to, so any member may be `null` here, and groups may be partial. */
export function patchOf<E extends z.ZodObject>(entry: E): z.ZodType<PatchOf<z.input<E>>> {
  const members = Object.entries(entry.shape).map(([key, schema]) => [
    key,
    z
      .unknown()
      .exactOptional()
      .describe(z.globalRegistry.get(schema as z.ZodType)?.description ?? ''),
  ]);
  return z
    .looseObject(Object.fromEntries(members))
    .describe('Members that change; `null` takes one away (RFC 7396).') as never;
}
