/** An explanation as lines of text. */
import { toOneLine } from '../config/printable.ts';
import type { Step } from '../permissions/kinds.ts';
import type { Permissions } from '../permissions/permissions.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import type { Removal, TokenExplanation } from './explain.ts';

/** Cells of one kind are listed up to here; the sum says how many there are. */
const MAX_LISTED = 200;

const toIso = (ms: number): string => new Date(ms).toISOString();

/** @param now milliseconds */
export function formatExplanation(explanation: TokenExplanation, now: number): string[] {
  const { kind, active, reasons, row, expiresAt } = explanation;
  return [
    `${active ? 'active' : 'not active'}: ${kind}`,
    ...reasons.map((reason) => `  because ${reason}`),
    ...(row ? describeRow(row) : []),
    ...(expiresAt === undefined ? [] : [`  ${expiresAt > now ? 'expires' : 'expired'}: ${toIso(expiresAt)}`]),
    ...(row ? describeRights(explanation) : []),
    ...describeAncestors(explanation),
  ].map(toOneLine);
}

function describeRow(row: TokenRow | LoginRow): string[] {
  const issued = 'current' in row ? row.createdAt : row.issuedAt * 1000;
  const { username, roles, address } = row as Partial<TokenRow>;
  const facts: [string, string | undefined][] = [
    ['id', row.id],
    ['subject', username === undefined ? row.subject : `${row.subject} (${username})`],
    ['client', row.clientId],
    ['resource', row.resource ?? 'none: good at userinfo only'],
    ['scope', row.scope === '' ? 'none' : row.scope],
    ['roles', roles?.join(', ')],
    ['grant', row.grantType],
    ['asked from', address],
    ['issued', toIso(issued)],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`]));
}

function describeRights({
  active,
  permissions,
  scope,
  row,
  steps,
  roles,
  lost,
  withheld,
}: TokenExplanation): string[] {
  const lines: string[] = [];
  if (active && permissions) {
    lines.push('allows now:', ...cap(listCells(permissions, [...steps, ...roles])));
    if (scope !== row?.scope) lines.push(`  scope now: ${scope || 'none'}`);
  }
  lines.push(...section('lost since it was issued:', lost));
  lines.push(...section('not in it, although the ceiling of its application has it:', withheld));
  return lines;
}

/** Each right with everybody who gives it. */
function listCells(permissions: Permissions, sources: readonly Step<Permissions>[]): string[] {
  const givers = (allows: (source: Permissions) => boolean): string =>
    sources.flatMap((source) => (allows(source.permissions) ? [source.name] : [])).join(', ');
  if (permissions.isAdmin) return [`  admin of the resource, from: ${givers(({ isAdmin }) => isAdmin)}`];
  const cells = [...permissions.tables].flatMap(([table, actions]) =>
    [...actions].map(
      (action) => `  ${table}:${action}, from: ${givers((source) => source.allows(table, action))}`,
    ),
  );
  return cells.length === 0 ? ['  nothing'] : cells;
}

function section(title: string, removals: readonly Removal[]): string[] {
  if (removals.length === 0) return [];
  return [
    title,
    ...cap(removals.map(({ table, action, by }) => `  ${table}:${action}, taken away by: ${by}`)),
  ];
}

function cap(lines: readonly string[]): string[] {
  const hidden = lines.length - MAX_LISTED;
  return hidden > 0 ? [...lines.slice(0, MAX_LISTED), `  and ${hidden} more`] : [...lines];
}

function describeAncestors({ ancestors }: TokenExplanation): string[] {
  if (ancestors.length === 0) return [];
  return ['hangs below:', ...ancestors.map(({ id, what, state }) => `  ${what} (${id}): ${state}`)];
}
