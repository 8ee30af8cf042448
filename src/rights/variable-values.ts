/**
 * What variables in ceilings, roles and connections are worth (`{"$user": "attributes.customer"}`) for the party whose
 * rights are computed. One without a value gives nothing.
 */
import { canonicalOf } from '../permissions/column-types.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { resolveVariables, type Variable } from '../permissions/variables.ts';
import type { ColumnValues } from '../storage/contract.ts';

/** A person, as far as variables speak of them. */
export interface Valued {
  readonly id: string;
  readonly email?: string;
  readonly emailVerified?: boolean;
  /** Texts that operators wrote, by name. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Of a database account only: the values in its row that its user table copies into claims, by column. */
  readonly claims?: ReadonlyMap<string, ColumnValues[string]>;
}

const ATTRIBUTE = 'attributes.';

/**
 * `$user` speaks of people with an account here, `$account` of those in a user table. The id of a user is the last part of
 * the `sub` of their tokens.
 */
function findValue({ source, name }: Variable, person: Valued | undefined, application: string | undefined) {
  switch (source) {
    case 'application':
      return application;
    case 'account':
      return canonicalOf(undefined, person?.claims?.get(name));
    case 'user':
      return person && !person.claims ? ofUser(name, person) : undefined;
  }
}

function ofUser(name: string, { id, email, emailVerified, attributes = {} }: Valued): string | undefined {
  if (name === 'id') return id;
  if (name === 'email') return emailVerified === true ? email : undefined;
  const attribute = name.slice(ATTRIBUTE.length);
  return Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
}

/** Control characters cannot be seen, and one of them marks variables among values. */
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/**
 * @param person whose rights are computed, if there is one
 * @param application id of the application in whose ceiling it stands; undefined for roles and connections
 * @returns undefined if it has no value, or none that a column can hold
 */
export function worthOf(
  variable: Variable,
  person: Valued | undefined,
  application?: string,
): string | undefined {
  const value = findValue(variable, person, application);
  return value === undefined || value === '' || UNFIT.test(value) ? undefined : value;
}

/** @param application as for `worthOf` @returns the same object if there are no variables */
export function withValues(
  permissions: Permissions,
  person: Valued | undefined,
  application?: string,
): Permissions {
  return resolveVariables(permissions, (variable) => worthOf(variable, person, application));
}
