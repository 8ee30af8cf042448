/** What the groups of operations are about. */
import { nouns } from '../../nouns/index.ts';
import type { OperationFacts } from '../operations/operation.ts';
import type { JsonObject } from './schemas.ts';

/** Of those that are not nouns. */
const OTHERS: Readonly<Record<string, string>> = {
  agents: 'Applications that registered themselves and ask people for rights.',
  tokens: 'Living access tokens, refresh tokens and what is above them.',
  logins: 'Logins of people, each with its tokens.',
  keys: 'The keys that sign tokens.',
  audit: 'What happened, and who did it.',
  explain: 'Why a token allows what it allows, and what another one would allow.',
  state: 'Counts, and what the server cleans up.',
};

/** @returns a tag for each first word of the ids, in the order of the operations */
export function describeTags(operations: readonly OperationFacts[]): JsonObject[] {
  const names = [...new Set(operations.map(({ id }) => id.split('.')[0] ?? id))];
  return names.map((name) => {
    const description = name in nouns ? nouns[name as keyof typeof nouns].describe : OTHERS[name];
    if (description === undefined) throw new Error(`src/admin/openapi/tags.ts does not describe ${name}.`);
    return { name, description };
  });
}
