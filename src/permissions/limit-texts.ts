/** Limits in words: `only those where customer_id is 42; columns id, total`. */
import { listSome, toOneLine } from '../errors/texts.ts';
import { type Action, toActions } from './actions.ts';
import type { Alternative } from './limits.ts';
import { type Permissions, type Right, rightsOf } from './permissions.ts';
import { describeVariable, toVariable } from './variables.ts';

/** The end of a sentence about rows. @param mostValues of one condition; the rest are counted */
export function describeLimit({ columns, rows }: Alternative, mostValues = Number.MAX_SAFE_INTEGER): string {
  const conditions = [...rows].map(
    ([column, values]) => `${toOneLine(column)} is ${listSome([...values].map(spell), mostValues, ' or ')}`,
  );
  const parts = [
    ...(conditions.length > 0 ? [`only those where ${conditions.join(' and ')}`] : []),
    ...(columns ? [`columns ${[...columns].map(toOneLine).join(', ')}`] : []),
  ];
  return parts.join('; ');
}

function spell(value: string): string {
  const variable = toVariable(value);
  return variable ? describeVariable(variable) : toOneLine(value);
}

/** One right with limits. */
export interface LimitedRight {
  readonly table: string;
  readonly actions: readonly Action[];
  readonly limit: Alternative;
}

/** All rights with limits, the same limit of a table once. */
export function limitedRights(permissions: Permissions): LimitedRight[] {
  const limited = [...rightsOf(permissions)].filter(
    (right): right is Required<Right> => right[2] !== undefined,
  );
  return limited.map(([table, mask, limit]) => ({
    table,
    actions: toActions(mask),
    limit: limit as Alternative,
  }));
}
