/** The reason of an error, for the log and the audit. */
import { cut } from './texts.ts';

/** In UTF-16 units. Reasons may quote what a stranger sent. */
const MAX_REASON = 200;

/** The first string among the members that say why something was refused. */
function findText(error: object): string | undefined {
  const members = error as Readonly<Record<string, unknown>>;
  const names = ['reason', 'error_detail', 'description', 'error_description', 'error', 'code', 'name'];
  const name = names.find((name) => typeof members[name] === 'string' && members[name] !== '');
  return name === undefined ? undefined : String(members[name]);
}

/**
 * Why something was refused, for the log and the audit only: our own reason, or the engine's detail that the client
 * does not see. For other errors it is the name, because their messages may quote secrets.
 * @returns at most 200 characters; undefined if the value is not an error
 */
export function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const text = findText(error);
  return text === undefined ? undefined : cut(text, MAX_REASON);
}
