/** Limits in words: `only those where customer_id is 42; columns id, total`. */
import { listSome, toOneLine } from '../errors/texts.ts';
import { toActions } from './actions.ts';
import type { Alternative } from './limits.ts';
import { limitedRightsOf, type Permissions } from './permissions.ts';
import { describeVariable, toVariable } from './variables.ts';

/** The end of a sentence about rows. @param mostValues of one condition; the rest are counted */
export function describeLimit(limit: Alternative, mostValues = Number.MAX_SAFE_INTEGER): string {
  const spelled = spellLimit(limit, mostValues);
  return limit.rows.size > 0 ? `only those ${spelled}` : spelled;
}

/** `where customer_id is 42; columns id, total` */
export function spellLimit({ columns, rows }: Alternative, mostValues = Number.MAX_SAFE_INTEGER): string {
  const conditions = [...rows].map(
    ([column, values]) => `${spell(column)} is ${listSome([...values].map(spellValue), mostValues, ' or ')}`,
  );
  const parts = [
    ...(conditions.length > 0 ? [`where ${conditions.join(' and ')}`] : []),
    ...(columns ? [`columns ${[...columns].map(spell).join(', ')}`] : []),
  ];
  return parts.join('; ');
}

const WORD = /^[\p{L}\p{M}\p{N}_.:@+-]+$/u;

/** In quotes unless it is one word: clients choose values, and `42; columns id` must not read as a part of the sentence. */
const spell = (text: string): string => (WORD.test(text) ? text : toOneLine(JSON.stringify(text)));

function spellValue(value: string): string {
  const variable = toVariable(value);
  return variable ? describeVariable(variable) : spell(value);
}

/** All rights with limits, the same limit of a table once. */
export function limitedRights(permissions: Permissions) {
  return Array.from(limitedRightsOf(permissions), ([table, mask, limit]) => ({
    table,
    actions: toActions(mask),
    limit,
  }));
}
