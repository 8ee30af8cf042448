/**
 * What a route of an API, or a tool of an MCP server, demands of the token. A rule says it once: the check and the scopes
 * of a challenge both come from it.
 */
import type { Action } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { toTableScope } from '../permissions/table-scopes.ts';
import { AccessError } from './errors.ts';
import { requireResourceScope } from './scopes.ts';
import type { VerifiedToken } from './verified-token.ts';

export interface RuleParts<IsPublic extends boolean = boolean> {
  readonly isPublic: IsPublic;
  /** What a client asks for to be let through (RFC 6750 section 3). */
  readonly scope?: string;
  /** The table and action, where the rule is about these. */
  readonly right?: { readonly table: string; readonly action: Action };
  /** @returns a sentence for the client that says what the token lacks; undefined if it lacks nothing */
  readonly findProblem: (token: VerifiedToken) => string | undefined;
}

/** What a route demands, or that it demands nothing. */
export class Rule<IsPublic extends boolean = boolean> {
  readonly isPublic: IsPublic;
  readonly scope: string | undefined;
  readonly right: RuleParts['right'];
  readonly findProblem: RuleParts['findProblem'];

  constructor({ isPublic, scope, right, findProblem }: RuleParts<IsPublic>) {
    this.isPublic = isPublic;
    this.scope = scope;
    this.right = right;
    this.findProblem = findProblem;
  }
}

/** All scopes that the rules ask for, also those that a token has, in their order. */
export function scopesOfRules(rules: readonly Rule[]): string[] {
  return [...new Set(rules.flatMap(({ scope }) => scope ?? []))];
}

/** @returns one sentence for each rule that the token does not satisfy */
export function findProblems(token: VerifiedToken, rules: readonly Rule[]): string[] {
  return rules.flatMap(({ findProblem }) => findProblem(token) ?? []);
}

/**
 * For handlers that know only later what they do to which tables, as bulk calls do. One challenge names the scopes of all
 * rules.
 * @throws AccessError insufficient_scope
 */
export function demandAll(token: VerifiedToken, ...rules: readonly Rule[]): void {
  const problems = findProblems(token, rules);
  if (problems.length === 0) return;
  throw new AccessError('insufficient_scope', problems.join(' '), { scope: scopesOfRules(rules).join(' ') });
}

/**
 * The same for one table. A right that is limited to some rows or columns is not enough.
 * @throws AccessError insufficient_scope
 */
export function demand(token: VerifiedToken, table: string, action: Action): void {
  demandAll(token, requireTable(table, action));
}

/**
 * The same for handlers that apply the limits of the right themselves, with `token.access`.
 * @throws AccessError insufficient_scope
 */
export function demandAny(token: VerifiedToken, table: string, action: Action): void {
  demandAll(token, requireAny(table, action));
}

/** Every client may call the route, also without a token. */
function isPublic(): Rule<true> {
  return new Rule({ isPublic: true, findProblem: () => undefined });
}

/** The token must allow the action on all rows and columns of the table. */
function requireTable(table: string, action: Action): Rule<false> {
  return new Rule({
    isPublic: false,
    scope: toTableScope(table, action),
    right: { table, action },
    findProblem({ permissions, access: held }) {
      if (permissions.allows(table, action)) return undefined;
      const rows = held.limits(table, action).length > 0 ? 'all rows and columns' : 'rows';
      return `The token does not allow to ${action} ${rows} of ${quoteName(table)}.`;
    },
  });
}

/** The token must allow the action on some rows and columns at least: the handler applies the limits, with `token.access`. */
function requireAny(table: string, action: Action): Rule<false> {
  return new Rule({
    isPublic: false,
    scope: toTableScope(table, action),
    right: { table, action },
    findProblem: ({ access: held }) =>
      held.limits(table, action).length > 0
        ? undefined
        : `The token does not allow to ${action} rows of ${quoteName(table)}.`,
  });
}

/**
 * The token must have the scope, which the resource declares. It is compared as a text: rights to tables are the matter of
 * `require`.
 * @throws TypeError for what a client cannot ask for
 */
function requireScope(scope: string): Rule<false> {
  return new Rule({
    isPublic: false,
    scope: requireResourceScope(scope),
    findProblem: ({ scopes }) =>
      scopes.has(scope) ? undefined : `The token does not have the scope ${scope}.`,
  });
}

/** What a route may say of itself. */
export const access = { public: isPublic, require: requireTable, requireAny, requireScope } as const;
