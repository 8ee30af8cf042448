/** Questions in the original's query language that clients ask to see whether a name or an address is taken. */
import { UsergridRefusal } from './errors.ts';

const MOST_CONDITIONS = 10;
const SELECT = /^\s*(?:select\s+\*\s*)?(?:where\s+)?(.*)$/is;
const CONDITION = /^\s*(?:username|email|uuid)\s*=\s*'([^'\\]{1,256})'\s*$/i;

/**
 * @param ql conditions on user name, email address or UUID, with `or` between them
 * @returns the values, each of which may be any of the three
 * @throws UsergridRefusal for any other question
 */
export function parseUserQuery(ql: string | undefined): string[] {
  const conditions = (SELECT.exec(ql ?? '')?.[1] ?? '').split(/\bor\b/i);
  const values = conditions.map((condition) => CONDITION.exec(condition)?.[1]);
  if (values.length > MOST_CONDITIONS || !values.every((value) => value !== undefined)) {
    throw new UsergridRefusal('illegal_argument', "ql must be such as: select * where username = 'ann'");
  }
  return values;
}
