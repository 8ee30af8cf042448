/** Decisions about one access to a table each, and what the caller is told beside yes and no. */

import { catalogueOf } from '../nouns/index.ts';
import { type Action, toBit } from '../permissions/actions.ts';
import { type AuthorizationDetail, toAuthorizationDetails } from '../permissions/authorization-details.ts';
import {
  type ColumnLimit,
  type ColumnTypes,
  type Limit,
  toLimits,
  toPlainLimit,
} from '../permissions/column-limits.ts';
import { quoteName } from '../permissions/errors.ts';
import { createPermissions } from '../permissions/permissions.ts';
import { toTableScope } from '../permissions/table-scopes.ts';
import { isAllowed, type RowAccess, readableColumns } from '../permissions/verdicts.ts';
import type { TokenRights } from './token-rights.ts';

export interface TableDecision {
  readonly decision: boolean;
  readonly context: DecisionContext;
}

/** Errors are those of RFC 6750, so that they can be passed on in `WWW-Authenticate`. */
export interface DecisionContext {
  /** The ways in which the token allows the action on the table; `[{}]`: without limits. */
  readonly limits?: readonly Limit[];
  /** Of `read`: the columns that may be read of the row, if these are not all. Absent also where `limits` are. */
  readonly columns?: readonly string[];
  readonly error?: 'invalid_token' | 'insufficient_scope' | 'invalid_request';
  readonly error_description?: string;
  /** What to ask for. */
  readonly scope?: string;
  readonly authorization_details?: readonly AuthorizationDetail[];
}

/** The same for everything that is not a token of the caller's resource, so that it says nothing about it. */
export const NOT_ACTIVE: TableDecision = {
  decision: false,
  context: {
    error: 'invalid_token',
    error_description: 'The token is not an active access token for this resource.',
  },
};

export function refuse(description: string): TableDecision {
  return { decision: false, context: { error: 'invalid_request', error_description: description } };
}

/** Columns and values of limits that the decisions of one request tell at most. */
const MAX_TOLD = 10_000;

/** What a token allows of an action on a table, made ready for comparing with rows. */
interface TableRight {
  readonly limits: readonly ColumnLimit[];
  readonly types: ColumnTypes;
  readonly told: readonly Limit[];
  /** Of columns and values that it tells. */
  readonly size: number;
}

function readRight({ permissions, resource }: TokenRights, table: string, action: Action): TableRight {
  const types = Object.fromEntries(catalogueOf(resource).tables.get(table) ?? []);
  const limits = toLimits(permissions.cell(table, action), types);
  const size = limits.reduce(
    (sum, { columns, rows }) =>
      sum + (columns?.size ?? 0) + [...rows.values()].reduce((values, { size }) => values + size, 0),
    0,
  );
  return { limits, types, told: limits.map(toPlainLimit), size };
}

/** For the decisions of one request: each right is prepared once, and together they tell a bounded amount of limits. */
export function createDecide() {
  const known = new Map<TokenRights, Map<string, TableRight>>();
  let left = MAX_TOLD;

  function findRight(rights: TokenRights, table: string, action: Action): TableRight {
    const ofToken = known.get(rights) ?? new Map<string, TableRight>();
    known.set(rights, ofToken);
    const name = `${action} ${table}`;
    const right = ofToken.get(name) ?? readRight(rights, table, action);
    ofToken.set(name, right);
    return right;
  }

  return (rights: TokenRights, table: string, access: RowAccess): TableDecision => {
    const { action } = access;
    const right = findRight(rights, table, action);
    const told = tell(right, access, left);
    if (told.limits) left -= right.size;
    if (isAllowed(access, right.limits, right.types)) return { decision: true, context: told };
    const { identifier } = rights.resource;
    return { decision: false, context: { ...whyNot(right, table, access, identifier), ...told } };
  };
}

/** Nothing where it would be too much: a part of the limits would be read as all of them. */
function tell({ limits, types, told, size }: TableRight, access: RowAccess, left: number): DecisionContext {
  if (size > left) return {};
  const isOfRow = access.action === 'read' && access.row !== undefined;
  const columns = isOfRow ? readableColumns(access.row, limits, types) : undefined;
  return { limits: told, ...(columns && { columns: [...columns] }) };
}

function whyNot(
  { limits }: TableRight,
  table: string,
  { action, row, columns, changes }: RowAccess,
  resource: string,
): DecisionContext {
  const name = quoteName(table);
  const isVague = !row || (action === 'read' && !columns) || (action === 'update' && !changes);
  const description =
    limits.length === 0
      ? `The token does not allow to ${action} rows of ${name}.`
      : isVague
        ? `The token allows to ${action} some rows or columns of ${name} only. Say which ones this is about: ${ASKED_FOR[action]}.`
        : `The token does not allow to ${action} this row or these columns of ${name}.`;
  return {
    error: 'insufficient_scope',
    error_description: description,
    scope: toTableScope(table, action),
    authorization_details: toAuthorizationDetails(createPermissions([[table, toBit(action)]]), resource),
  };
}

const ASKED_FOR: { readonly [action in Action]: string } = {
  create: 'resource.properties.row',
  read: 'resource.properties.row and action.properties.columns',
  update: 'resource.properties.row and action.properties.changes',
  delete: 'resource.properties.row',
};
