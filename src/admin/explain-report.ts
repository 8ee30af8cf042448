/** An explanation as lines of text. */
import { listSome, toOneLine } from '../errors/texts.ts';
import { DIMENSIONS } from '../permissions/device-access.ts';
import type { Step } from '../permissions/explain.ts';
import type { Permissions } from '../permissions/permissions.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import { AS_ISSUED, type Removal, type TokenExplanation } from './explain.ts';

/** Cells of one kind are listed up to here; the sum says how many there are. */
const MAX_LISTED = 200;

const toIso = (ms: number): string => new Date(ms).toISOString();

/** Expiry is told as of `at` (milliseconds). */
export function formatExplanation(explanation: TokenExplanation, at: number): string[] {
  const { kind, active, reasons, row, expiresAt } = explanation;
  return [
    `${active ? 'active' : 'not active'}: ${kind}`,
    ...reasons.map((reason) => `  because ${reason}`),
    ...(row ? describeRow(row) : []),
    ...(expiresAt === undefined ? [] : [`  ${expiresAt > at ? 'expires' : 'expired'}: ${toIso(expiresAt)}`]),
    ...(row ? describeRights(explanation) : []),
    ...describeAncestors(explanation),
  ].map(toOneLine);
}

function describeRow(row: TokenRow | LoginRow): string[] {
  const issued = 'current' in row ? row.createdAt : row.issuedAt;
  const { username, roles, address, depth, act } = row as Partial<TokenRow>;
  const facts: [string, string | undefined][] = [
    ['id', row.id],
    ['subject', username === undefined ? row.subject : `${row.subject} (${username})`],
    ['client', row.clientId],
    ['resource', row.resource ?? 'none: good at userinfo only'],
    ['scope', row.scope === '' ? 'none' : row.scope],
    ['roles', roles?.join(', ')],
    ['grant', row.grantType],
    ['asked for through', row.face],
    ['exchanges since the first token', depth === undefined ? undefined : String(depth)],
    ['acts for it', act && spellActors(act)],
    ['asked from', address],
    ['issued', toIso(issued)],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`]));
}

/** The party that acts is outermost (RFC 8693 section 4.1). */
function spellActors(act: NonNullable<TokenRow['act']>): string {
  const { sub, act: before } = act as { sub?: unknown; act?: NonNullable<TokenRow['act']> };
  return before ? `${sub}, for whom ${spellActors(before)}` : String(sub);
}

function describeRights(explanation: TokenExplanation): string[] {
  const { active, permissions, obtainable, scope, row, steps, roles, devices, lostDevices } = explanation;
  const lines: string[] = [];
  if (active && permissions) {
    lines.push('allows:', ...cap(listCells(permissions, [...steps, ...roles])));
    if (scope !== row?.scope) lines.push(`  scope: ${scope || 'none'}`);
  }
  if (devices) lines.push(...listDevices(devices));
  lines.push(...section('lost since it was issued:', explanation.lost));
  if (lostDevices.length > 0) {
    const gone = lostDevices.map(
      ({ dimension, value, by }) => `  ${dimension} ${value}, taken away by: ${by}`,
    );
    lines.push('lost of devices since it was issued:', ...cap(gone));
  }
  const withheld = 'the first ceiling above it allows these, the token does not:';
  lines.push(...section(withheld, explanation.withheld));
  if (obtainable) lines.push(`could be asked for: ${spellRequest(obtainable)}`);
  return lines;
}

/** As the scope of a request. */
function spellRequest(permissions: Permissions): string {
  if (permissions.isAdmin) return '*:admin';
  const cells = [...permissions.tables].flatMap(([table, actions]) =>
    [...actions].map((action) => `${encodeURIComponent(table)}:${action}`),
  );
  return listSome(cells, MAX_LISTED, ' ') || 'nothing';
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

function listDevices(devices: NonNullable<TokenExplanation['devices']>): string[] {
  return DIMENSIONS.map((dimension) => {
    const reach = devices[dimension];
    const spelled = reach === '*' ? 'all' : [...reach].sort().join(', ');
    return `  devices, ${dimension}: ${spelled || 'none'}`;
  });
}

function section(title: string, removals: readonly Removal[]): string[] {
  if (removals.length === 0) return [];
  return [title, ...cap(removals.map(({ table, action, by }) => `  ${table}:${action}, ${spellCause(by)}`))];
}

function spellCause(by: string): string {
  return by === AS_ISSUED ? 'left out when the token was issued' : `taken away by: ${by}`;
}

function cap(lines: readonly string[]): string[] {
  const hidden = lines.length - MAX_LISTED;
  return hidden > 0 ? [...lines.slice(0, MAX_LISTED), `  and ${hidden} more`] : [...lines];
}

function describeAncestors({ ancestors }: TokenExplanation): string[] {
  if (ancestors.length === 0) return [];
  return ['hangs below:', ...ancestors.map(({ id, what, state }) => `  ${what} (${id}): ${state}`)];
}
