/**
 * What a resource maps into its access tokens for neighbours (`token.claimMap`): values of the subject, the application and the
 * organization of the token, as they are at this moment. A JWT keeps what it said; introspection says what holds when it answers.
 */
import type { ActiveApplication } from '../directory/directory.ts';
import { type Choice, type ClaimValue, type ClaimVariable, claimsOf } from '../nouns/claim-map.ts';
import type { Application, Resource, Role } from '../nouns/index.ts';
import { type Valued, worthOf } from './variable-values.ts';

export interface MappedFrom extends ActiveApplication {
  /** The subject, if that is a person. */
  readonly person: Valued | undefined;
  /** Names: of the roles that the person has for the resource. */
  readonly roles: readonly string[] | undefined;
}

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

export type MappedClaims = Readonly<Record<string, Json>>;

type Worth = string | readonly string[] | undefined;

function worth({ source, name }: ClaimVariable, from: MappedFrom): Worth {
  const { person, roles, application, organization } = from;
  if (source === 'organization') return organization[name as 'id' | 'name'];
  if (source === 'application') return application[name as 'id' | 'name' | 'clientId'];
  if (source === 'user' && name === 'roles') return roles;
  return worthOfPerson({ source, name }, person);
}

/** Beside their roles. */
function worthOfPerson({ source, name }: ClaimVariable, person: Valued | undefined): string | undefined {
  if (source === 'organization' || source === 'application' || name === 'roles') return undefined;
  return worthOf({ source, name }, person);
}

const listOf = (value: Worth): readonly string[] => (value === undefined ? [] : [value].flat());

/** A list without entries counts as a missing value. */
const orNothing = <T>(items: readonly T[]): readonly T[] | undefined =>
  items.length > 0 ? items : undefined;

function choose({ values, gives, from: variable, default: otherwise }: Choice, from: MappedFrom): Worth {
  const worths = variable ? listOf(worth(variable, from)) : [];
  const found = values.filter((each) => worths.includes(each));
  return (gives === 'oneOf' ? found[0] : orNothing(found)) ?? otherwise;
}

/** Those of the map and of its groups. */
function choicesOf({ token }: Resource): Choice[] {
  return [...claimsOf(token.claimMap ?? []).values()]
    .flatMap((value) => (value?.kind === 'group' ? [...value.members.values()] : value ? [value] : []))
    .filter((value) => value.kind === 'choice');
}

/** Whether the values of a person are worth more to neighbours than those of a party without any. */
export function choosesMore(resource: Resource, person: Valued): boolean {
  return choicesOf(resource).some(({ from, values }) => {
    const found = from && worthOfPerson(from, person);
    return found !== undefined && values.includes(found);
  });
}

/** Whether the name or the client id of an application is, compared with other ones. */
export function choosesByApplication(
  resource: Resource,
  application: Pick<Application, 'name' | 'clientId'>,
): boolean {
  return choicesOf(resource).some(
    ({ from, values }) =>
      from?.source === 'application' &&
      from.name !== 'id' &&
      values.includes(application[from.name as 'name' | 'clientId']),
  );
}

/** Whether values of one of these columns are. */
export function choosesByAccount(resource: Resource, columns: readonly string[]): boolean {
  return choicesOf(resource).some(({ from }) => from?.source === 'account' && columns.includes(from.name));
}

/** Whether having the role is. */
export function choosesByRole(resource: Resource, { name }: Pick<Role, 'name'>): boolean {
  return choicesOf(resource).some(
    ({ from, values }) => from?.source === 'user' && from.name === 'roles' && values.includes(name),
  );
}

/** @returns undefined: it is left out */
function evaluate(value: ClaimValue, from: MappedFrom): Json | undefined {
  switch (value.kind) {
    case 'constant':
      return value.value;
    case 'variable': {
      const found = worth(value, from);
      return typeof found === 'string' ? found : orNothing(listOf(found));
    }
    case 'choice':
      return choose(value, from);
    case 'list':
      return orNothing(value.items.flatMap((item): readonly Json[] => [evaluate(item, from) ?? []].flat()));
    case 'group': {
      const members = [...value.members].flatMap(([name, member]): [string, Json][] => {
        const found = evaluate(member, from);
        return found === undefined ? [] : [[name, found]];
      });
      return members.length > 0 ? Object.fromEntries(members) : undefined;
    }
  }
}

export function mapClaims({ token }: Resource, from: MappedFrom): MappedClaims {
  const mapped = [...claimsOf(token.claimMap ?? [])].flatMap(([claim, value]): [string, Json][] => {
    const found = value && evaluate(value, from);
    return found === undefined ? [] : [[claim, found]];
  });
  return Object.fromEntries(mapped);
}

/**
 * Claims of another origin. One that the resource maps is never taken from there, also where it is left out: a list says which
 * values it may have. Nor is another spelling of it: some verifiers read names without regard to case.
 */
export function withoutMapped<T>(
  claims: Readonly<Record<string, T>> | undefined,
  resource: Resource | undefined,
): Readonly<Record<string, T>> | undefined {
  const mapped = resource?.token.claimMap;
  if (!claims || !mapped) return claims;
  const names = new Set([...claimsOf(mapped).keys()].map((claim) => claim.toLowerCase()));
  return Object.fromEntries(Object.entries(claims).filter(([claim]) => !names.has(claim.toLowerCase())));
}
