/**
 * Values of row conditions that are known only when rights are computed: `{"$user": "attributes.customer"}`. Ceilings and
 * roles may hold them; tokens, logins and consents hold the values.
 */
import { PermissionsError, quoteName } from './errors.ts';
import { Alternative, VARIABLE_MARK } from './limits.ts';
import { mapLimits, mapRights, type Permissions } from './permissions.ts';

const VARIABLE_SOURCES = ['user', 'account', 'application'] as const;

export interface Variable {
  /** `account` is a row of a user table of the operator's. */
  readonly source: (typeof VARIABLE_SOURCES)[number];
  /** `id`, `email` or `attributes.<name>` of a user, a copied column of an account, `id` of an application. */
  readonly name: string;
}

const KNOWN = '$user (id, email, attributes.<name>), $account (a claim column) or $application (id)';

/** What `$user` may name. Never what people can write themselves, such as their user name. */
export const OF_USER = /^(?:id|email|attributes\.[a-z][a-z0-9_]{0,31})$/;

function isKnown({ source, name }: Variable): boolean {
  if (source === 'application') return name === 'id';
  if (source === 'user') return OF_USER.test(name);
  return name !== '';
}

/** The variable as a value among literal ones. */
export function toValue({ source, name }: Variable): string {
  return `${VARIABLE_MARK}${source}.${name}`;
}

/** @returns undefined for a literal value */
export function toVariable(value: string): Variable | undefined {
  if (!value.startsWith(VARIABLE_MARK)) return undefined;
  const dot = value.indexOf('.');
  return { source: value.slice(1, dot) as Variable['source'], name: value.slice(dot + 1) };
}

/** @throws PermissionsError malformed for one that does not exist */
export function requireVariable(source: string, name: unknown): Variable {
  const found = VARIABLE_SOURCES.find((known) => `$${known}` === source);
  const variable = found && typeof name === 'string' ? { source: found, name } : undefined;
  if (variable && isKnown(variable)) return variable;
  throw new PermissionsError(
    'malformed',
    `There is no variable ${quoteName(source)} ${quoteName(String(name))}. Use ${KNOWN}.`,
  );
}

/** As people write it, with the value that it has at this moment. */
export function describeVariable({ source, name }: Variable): string {
  return `{"$${source}": ${JSON.stringify(name)}}`;
}

/**
 * The permissions with the values of their variables. One without a value gives nothing: it disappears, and with the last
 * value of a condition its alternative.
 * @param lookUp undefined for a variable that has no value
 */
export function resolveVariables(
  permissions: Permissions,
  lookUp: (variable: Variable) => string | undefined,
): Permissions {
  if (!permissions.hasVariables) return permissions;
  const before = lastResolved.get(permissions);
  const variables = before?.variables ?? variablesOf(permissions);
  const values = variables.map(lookUp);
  if (before?.values.every((value, index) => value === values[index])) return before.result;
  const result = resolveAnew(permissions, lookUp);
  lastResolved.set(permissions, { variables, values, result });
  return result;
}

interface Resolved {
  readonly variables: readonly Variable[];
  readonly values: readonly (string | undefined)[];
  readonly result: Permissions;
}

/** Ceilings and roles are kept as long as the directory does not change, and their variables are often worth the same. */
const lastResolved = new WeakMap<Permissions, Resolved>();

function resolveAnew(
  permissions: Permissions,
  lookUp: (variable: Variable) => string | undefined,
): Permissions {
  const resolve = (limit: Alternative): Alternative | undefined => {
    if (!limit.hasVariables) return limit;
    const resolved = [...limit.rows].map(
      ([column, values]) =>
        [
          column,
          [...values].flatMap((value) => {
            const variable = toVariable(value);
            return (variable ? lookUp(variable) || undefined : value) ?? [];
          }),
        ] as const,
    );
    const isEmpty = resolved.some(([, values]) => values.length === 0);
    return isEmpty ? undefined : new Alternative(limit.columns, resolved);
  };
  return mapLimits(permissions, () => resolve);
}

/** At least what the permissions allow, whatever values their variables have. */
export function withAnyValue(permissions: Permissions): Permissions {
  if (!permissions.hasVariables) return permissions;
  return mapRights(permissions, ([table, mask, limit]) => {
    const known = limit && [...limit.rows].filter(([, values]) => ![...values].some(toVariable));
    return [[table, mask, limit && known && new Alternative(limit.columns, known)]];
  });
}

/** The variables that the permissions hold. */
export function variablesOf(permissions: Permissions): Variable[] {
  if (!permissions.hasVariables) return [];
  const cells = new Set([...permissions.limits.values()].flat());
  const values = [...cells].flat().flatMap(({ rows }) => [...rows.values()].flatMap((each) => [...each]));
  return [...new Set(values)].flatMap((value) => toVariable(value) ?? []);
}
