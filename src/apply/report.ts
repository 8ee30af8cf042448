/** What applying a file did, or would do, for people. */
import { toOneLine } from '../errors/texts.ts';
import { fieldOf } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';
import { type FieldDifference, findDifferences, toText } from './differences.ts';
import { toShown, withNames } from './entries.ts';
import type { Plan, Removal, Step } from './plan/plan.ts';

export interface ApplyChange {
  readonly action: 'added' | 'changed' | 'removed';
  readonly name: string;
  readonly fields: readonly FieldDifference[];
}

export interface ApplyReport {
  readonly dryRun: boolean;
  readonly changes: readonly ApplyChange[];
  /** Names of what the file speaks of and what is so already. */
  readonly unchanged: readonly string[];
  /** What the file says and what was not done. */
  readonly notes: readonly string[];
  readonly generatedSecrets: { readonly path: string; readonly count: number };
}

export async function describeStep(step: Step, plan: Plan): Promise<ApplyChange> {
  const { collection, name, before, after, password, madeUp = [] } = step;
  if (!before) {
    const known = madeUp.length > 0 ? { ...after, ...toShown(collection, after, (id) => id) } : {};
    const fields = madeUp.map((field) => ({ field, ...defined({ to: toText(fieldOf(known, field)) }) }));
    return { action: 'added', name, fields };
  }
  const newSecret = password === undefined ? undefined : 'password';
  const fields = await withNames(
    (id) => plan.findName(id),
    (nameOf) => findDifferences(collection, before, after, nameOf, newSecret),
  );
  return { action: 'changed', name, fields };
}

export function describeRemoval({ name }: Removal): ApplyChange {
  return { action: 'removed', name, fields: [] };
}

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;

/** Lines of text; no secret is among them. */
export function formatReport({ dryRun, changes, unchanged, notes, generatedSecrets }: ApplyReport): string[] {
  const lines = changes.flatMap(({ action, name, fields }) => [
    `${SIGNS[action]} ${name}`,
    ...fields.map((field) => `    ${formatDifference(field)}`),
  ]);
  const count = (action: ApplyChange['action']): number =>
    changes.filter((change) => change.action === action).length;
  const would = dryRun ? 'would be ' : '';
  lines.push(
    ...notes.map((note) => `! ${note}`),
    [
      `${count('added')} ${would}added`,
      `${count('changed')} ${would}changed`,
      ...(count('removed') > 0 ? [`${count('removed')} ${would}removed`] : []),
      `${unchanged.length} left as they are`,
    ].join(', '),
  );
  const { count: made, path } = generatedSecrets;
  if (made > 0) {
    const what = made === 1 ? '1 secret' : `${made} secrets`;
    lines.push(dryRun ? `${what} would be made and kept in ${path}` : `${what} made, kept in ${path}`);
  }
  return lines.map(toOneLine);
}

function formatDifference({ field, from, to }: FieldDifference): string {
  if (from === undefined && to === undefined) return `${field}: changed`;
  return from === undefined ? `${field}: ${to}` : `${field}: ${from} -> ${to ?? '(none)'}`;
}
