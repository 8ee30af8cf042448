/** Query parameters: those that the operation knows, each once. */
import { z } from 'zod';
import { describe } from '../../apply/problems.ts';
import { MalformedRequest } from '../../errors/domain.ts';
import { didYouMean } from '../../errors/similar.ts';
import { quote } from '../../errors/texts.ts';
import type { Operation } from '../operations/operation.ts';

const DRY_RUN = 'dryRun';

const malformed = (description: string): MalformedRequest => new MalformedRequest({ description });

function readSent({ query, mayDryRun }: Operation, querystring: string): Readonly<Record<string, string>> {
  const own = query instanceof z.ZodObject ? Object.keys(query.shape) : [];
  const known = mayDryRun ? [...own, DRY_RUN] : own;
  const sent: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(querystring)) {
    if (!known.includes(name)) {
      throw malformed(`Unknown query parameter ${quote(name)}${didYouMean(name, known)}.`);
    }
    if (name in sent) throw malformed(`Send the query parameter ${name} once.`);
    if (value.includes('\0')) throw malformed(`The query parameter ${name} contains a NUL character.`);
    sent[name] = value;
  }
  return sent;
}

function readDryRun(value: string | undefined): boolean {
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw malformed(`The query parameter ${DRY_RUN} is ${quote(value)}. Use true or false.`);
}

/**
 * @param change of the parameters before the schema reads them
 * @returns the parameters as the schema of the operation reads them, and as they were sent
 * @throws MalformedRequest
 */
export function readQuery(
  operation: Operation,
  querystring: string,
  change: (sent: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
) {
  const sent = readSent(operation, querystring);
  const { [DRY_RUN]: dryRun, ...own } = change(sent);
  const read = operation.query?.safeParse(own);
  if (read && !read.success) {
    const [issue] = read.error.issues;
    const name = issue?.path[0];
    if (!issue || name === undefined) throw malformed(`The query ${issue?.message ?? 'is not valid'}.`);
    throw malformed(`The query parameter ${String(name)} ${describe(issue, own[String(name)])}.`);
  }
  return { query: read?.data, sent, dryRun: readDryRun(dryRun) };
}
