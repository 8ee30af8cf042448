/**
 * Functions of the schema `grantable`, with the right to call them: a policy calls them as the role of the request. They are
 * STABLE: an immutable one would keep the answer for the previous token in a generic plan.
 */
import { dollarQuoted, SAFE_PATH } from '../text.ts';

const createIn =
  (language: 'sql' | 'plpgsql') =>
  /** @param signature with the names and types of its parameters @param options end with a blank */
  (signature: string, returns: string, body: string, options = ''): string =>
    `create or replace function grantable.${signature} returns ${returns}
  language ${language} stable parallel safe cost 1 ${options}${SAFE_PATH}
  as ${dollarQuoted(`\n${body.trim()}\n`)};
grant execute on function grantable.${signature} to public;`;

export const sqlFunction = createIn('sql');
export const plpgsqlFunction = createIn('plpgsql');
