/** A function of the schema `grantable`. */
import { dollarQuoted, SAFE_PATH } from '../text.ts';

export interface SqlFunction {
  /** With the names and types of its parameters. */
  readonly signature: string;
  readonly returns: string;
  readonly language: 'sql' | 'plpgsql';
  readonly body: string;
  readonly options?: string;
}

/** With the right to call it: a policy calls it as the role of the request. */
export function createFunction({ signature, returns, language, body, options = '' }: SqlFunction): string {
  return `create or replace function grantable.${signature} returns ${returns}
  language ${language} stable parallel safe cost 1 ${options}${SAFE_PATH}
  as ${dollarQuoted(`\n${body.trim()}\n`)};
grant execute on function grantable.${signature} to public;`;
}
