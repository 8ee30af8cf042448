/** An explanation as lines of text. */
import { listSome, quote, toOneLine } from '../errors/texts.ts';
import { toActions } from '../permissions/actions.ts';
import { DIMENSIONS } from '../permissions/device-access.ts';
import type { Step } from '../permissions/explain.ts';
import { describeLimit } from '../permissions/limit-texts.ts';
import { type Alternative, UNLIMITED } from '../permissions/limits.ts';
import { type Permissions, rightsOf } from '../permissions/permissions.ts';
import { describeVariable, variablesOf } from '../permissions/variables.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import { AS_ISSUED, type Removal, type TokenExplanation } from './explain.ts';
import {
  allowsAlternative,
  findName,
  findValueOrigins,
  type NamedAlternative,
  type Source,
} from './explain-sources.ts';

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
  const { active, permissions, obtainable, scope, row, sources, devices, lostDevices } = explanation;
  const lines: string[] = [];
  if (active && permissions) {
    lines.push('allows:', ...listRights(explanation));
    if (scope !== row?.scope) lines.push(`  scope: ${scope || 'none'}`);
  }
  if (devices) lines.push(...listDevices(devices));
  lines.push(...listVariables(sources));
  lines.push(...section('lost since it was issued:', explanation.lost));
  if (lostDevices.length > 0) {
    const gone = lostDevices.map(
      ({ dimension, value, by }) => `  ${dimension} ${value}, taken away by: ${by}`,
    );
    lines.push('lost of devices since it was issued:', ...cap(gone));
  }
  const withheld = 'the first ceiling above it allows these, the token does not:';
  lines.push(...section(withheld, explanation.withheld));
  if (obtainable) lines.push(...describeObtainable(obtainable));
  return lines;
}

/** As the scope of a request: a right that is asked for without limits comes with those that there are. */
function describeObtainable(permissions: Permissions): string[] {
  if (permissions.isAdmin) return ['could be asked for: *:admin'];
  if (permissions.isCut)
    return [
      'could be asked for: part of it, because roles and ceilings leave too many alternatives for one table',
    ];
  const spell = (names: Permissions['tables']): string[] =>
    [...names].flatMap(([table, actions]) =>
      [...actions].map((action) => `${encodeURIComponent(table)}:${action}`),
    );
  const whole = spell(permissions.tables);
  const limited = alternativesOf(permissions).filter(({ limit }) => !limit.isUnlimited);
  return [
    `could be asked for: ${listSome(whole, MAX_LISTED, ' ') || (limited.length > 0 ? 'with limits only' : 'nothing')}`,
    ...cap(
      limited.map(
        ({ table, action, limit }) => `  ${encodeURIComponent(table)}:${action}, ${spellLimit(limit)}`,
      ),
    ),
  ];
}

/** One after the other, those without limits first. */
export function alternativesOf(permissions: Permissions): NamedAlternative[] {
  return [...rightsOf(permissions)].flatMap(([table, mask, limit]) =>
    toActions(mask).map((action) => ({ table, action, limit: limit ?? UNLIMITED })),
  );
}

/** Each right with all that give it, and where the values of its conditions come from. */
function listRights({ permissions, steps, sources }: TokenExplanation): string[] {
  if (permissions?.isAdmin) {
    return [`  admin of the resource, from: ${nameAdminGivers(steps, sources).join(', ')}`];
  }
  const rights = permissions ? alternativesOf(permissions) : [];
  if (rights.length === 0) return ['  nothing'];
  const lines = rights.slice(0, MAX_LISTED).flatMap((right) => {
    const { table, action, limit } = right;
    const what = limit.isUnlimited ? '' : `, ${spellLimit(limit)}`;
    const values = findValueOrigins(sources, right).map(
      ({ column, value, variable, source }) =>
        `    ${column} is ${value}, from ${describeVariable(variable)} of ${source.name}`,
    );
    return [
      `  ${table}:${action}${what}, from: ${nameGivers(right, steps, sources).join(', ')}`,
      ...new Set(values),
    ];
  });
  const hidden = rights.length - MAX_LISTED;
  return hidden > 0 ? [...lines, `  and ${hidden} more`] : lines;
}

export function nameAdminGivers(steps: readonly Step<Permissions>[], sources: readonly Source[]): string[] {
  const givers = [...steps, ...sources].filter(({ permissions }) => permissions.isAdmin);
  return [...new Set(givers.map(({ name }) => name))];
}

export function nameGivers(
  right: NamedAlternative,
  steps: readonly Step<Permissions>[],
  sources: readonly Source[],
): string[] {
  const givers = [...steps, ...sources].filter((each) => allowsAlternative(each.permissions, right));
  const names = givers.map(({ name }) => {
    const through = sources
      .filter((source) => source.name === name)
      .map((source) => findName(source, right))
      .find((found) => found !== undefined);
    return through === undefined ? name : `${name} through ${through}`;
  });
  return [...new Set(names)];
}

/** What each variable is worth at this moment. */
function listVariables(sources: readonly Source[]): string[] {
  const lines = sources.flatMap(({ name, written, worthOf }) =>
    variablesOf(written).map((variable) => {
      const value = worthOf(variable);
      const worth = value === undefined ? 'no value, so what depends on it gives nothing' : quote(value);
      return `  ${describeVariable(variable)} of ${name}: ${worth}`;
    }),
  );
  return lines.length === 0 ? [] : ['variables:', ...cap([...new Set(lines)])];
}

function listDevices(devices: NonNullable<TokenExplanation['devices']>): string[] {
  return DIMENSIONS.map((dimension) => {
    const reach = devices[dimension];
    const spelled = reach === '*' ? 'all' : [...reach].sort().join(', ');
    return `  devices, ${dimension}: ${spelled || 'none'}`;
  });
}

function section(title: string, removals: readonly Removal[]): string[] {
  return removals.length === 0 ? [] : [title, ...cap(removals.map(describeRemoval))];
}

function describeRemoval({ table, action, limit, remains, by }: Removal): string {
  const what = `  ${table}:${action}${limit ? `, ${spellLimit(limit)}` : ''}`;
  if (!remains)
    return `${what}, ${by === AS_ISSUED ? 'left out when the token was issued' : `taken away by: ${by}`}`;
  const left = remains.map(spellLimit).join(', or ');
  return `${what}, narrowed ${by === AS_ISSUED ? 'when the token was issued' : `by ${by}`} to: ${left}`;
}

/** Of one condition; the rest are counted. */
const MAX_VALUES = 10;

export const spellLimit = (limit: Alternative): string => describeLimit(limit, MAX_VALUES);

function cap(lines: readonly string[]): string[] {
  const hidden = lines.length - MAX_LISTED;
  return hidden > 0 ? [...lines.slice(0, MAX_LISTED), `  and ${hidden} more`] : [...lines];
}

function describeAncestors({ ancestors }: TokenExplanation): string[] {
  if (ancestors.length === 0) return [];
  const lines = ancestors.map(
    ({ id, what, state, managedBy }) =>
      `  ${what} (${id}): ${state}${managedBy === undefined ? '' : `, managed by ${managedBy}`}`,
  );
  return ['hangs below:', ...lines];
}
