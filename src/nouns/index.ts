/**
 * The administered nouns: plain data, without behaviour. Each is declared once, in the file that has its name; this file
 * lists them, and says for all stores what must be unique and by what else nouns are found.
 */
import { type Application, application } from './application.ts';
import { type Connection, connection } from './connection.ts';
import { type Datasource, datasource } from './datasource.ts';
import type { Declaration, Field, Noun } from './noun.ts';
import { type Organization, organization } from './organization.ts';
import { type Resource, resource } from './resource.ts';
import { type Role, role } from './role.ts';
import { secretsIn, structureOf } from './structure.ts';
import { type User, user } from './user.ts';
import { type Webhook, webhook } from './webhook.ts';

export type { StoredDeviceAccess } from '../permissions/device-access.ts';
export type { StoredPermissions } from '../permissions/stored.ts';
export * from './application.ts';
export * from './connection.ts';
export * from './datasource.ts';
export * from './identities.ts';
export type { Noun } from './noun.ts';
export * from './organization.ts';
export * from './resource.ts';
export * from './role.ts';
export * from './user.ts';
export type { Realm } from './values.ts';
export * from './webhook.ts';

/** By the name of the collection that keeps them; each names only those before it. */
export const nouns = {
  organizations: organization,
  resources: resource,
  roles: role,
  applications: application,
  users: user,
  connections: connection,
  datasources: datasource,
  webhooks: webhook,
} satisfies Record<keyof Nouns, object>;

export interface Nouns {
  readonly organizations: Organization;
  readonly applications: Application;
  readonly roles: Role;
  readonly resources: Resource;
  readonly users: User;
  readonly connections: Connection;
  readonly datasources: Datasource;
  readonly webhooks: Webhook;
}

export type CollectionName = keyof Nouns;

export const COLLECTIONS = Object.keys(nouns) as readonly CollectionName[];

export type OfOrganization = Exclude<CollectionName, 'organizations'>;

/** Those whose nouns belong to an organization. */
export const OF_ORGANIZATION = COLLECTIONS.filter((name): name is OfOrganization => name !== 'organizations');

const NOUN_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether the text is written as ids of nouns are: an operator may name a noun by its id too. */
export function isNounId(text: string): boolean {
  return NOUN_ID.test(text);
}

/** A noun before its store gives it a number and a version. */
export type NewNoun<T> = Omit<T, 'number' | 'version'>;

/** The first version of a noun. */
export function toFirstVersion<T extends Noun>(given: NewNoun<T>, number: number): T {
  const noun: object = { ...given, number, version: 1 };
  return noun as T;
}

/** The name of a unique key of the collection. */
export type UniqueKey<C extends CollectionName> = keyof (typeof nouns)[C]['unique'] & string;

/** The name of a listed key of any collection. */
export type ListedKey = { [C in CollectionName]: keyof (typeof nouns)[C]['listed'] }[CollectionName];

const declarations: { readonly [C in CollectionName]: Declaration<Nouns[C]> } = nouns;

export function declarationOf<C extends CollectionName>(collection: C): Declaration<Nouns[C]> {
  return declarations[collection];
}

/** Names of fields that are never shown, at whatever depth. */
export const SECRET_FIELDS: ReadonlySet<string> = new Set(
  COLLECTIONS.flatMap((collection) =>
    Object.entries<Field>(nouns[collection].fields).flatMap(([name, { secret, value }]) =>
      secret ? [name] : secretsIn(structureOf(value)),
    ),
  ),
);

/** The values of a noun under each unique key that it has any for. */
export function uniqueValuesOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
): readonly (readonly [key: string, value: string])[] {
  return Object.entries(declarationOf(collection).unique).flatMap(([key, toValue]) => {
    return [toValue(noun) ?? []].flat().map((value) => [key, value] as const);
  });
}

/** The values of a noun under each listed key that it has values for, each value once. */
export function listedValuesOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
): readonly (readonly [key: string, values: readonly string[]])[] {
  return Object.entries(declarationOf(collection).listed)
    .map(([key, toValues]) => [key, [...new Set([toValues(noun) ?? []].flat())]] as const)
    .filter(([, values]) => values.length > 0);
}

/** The value of a field of its declaration; undefined: it is without one. */
export function fieldOf(noun: object, field: string): unknown {
  return (noun as Readonly<Record<string, unknown>>)[field];
}

/** How people know it. */
export function nameOf(noun: Nouns[CollectionName]): string {
  return (noun as User).username ?? (noun as Resource).identifier ?? (noun as Application).name;
}

/** What pages call it. */
export function titleOf({
  displayName,
  name,
}: Pick<Organization | Application, 'displayName' | 'name'>): string {
  return displayName ?? name;
}

/** The organization that a change of the noun concerns; an organization concerns itself. */
export function organizationOf<C extends CollectionName>(collection: C, noun: Nouns[C]): string | undefined {
  return collection === 'organizations' ? noun.id : (noun as { organization?: string }).organization;
}
