/** Client ids that are URLs of metadata documents (draft-ietf-oauth-client-id-metadata-document section 3). */
import type { Application } from '../nouns/index.ts';

const MOST_CHARACTERS = 512;

/**
 * Ids are compared byte for byte, so each document has one spelling: the one that a URL parser gives back.
 * @returns what is wrong with it, as the end of a sentence; undefined: it may have a document
 */
export function findClientIdUrlProblem(id: string): string | undefined {
  if (id.length > MOST_CHARACTERS) return `is longer than ${MOST_CHARACTERS} characters`;
  const url = URL.parse(id);
  if (url?.protocol !== 'https:') return 'is not an https URL';
  if (id.includes('#')) return 'has a fragment';
  if (url.username || url.password) return 'names a user';
  if (url.hostname.endsWith('.')) return 'has a host that ends with a dot';
  // A parser resolves dot segments, also those with %2e, and leaves out what is in the wrong form or in vain.
  return url.href === id ? undefined : `is not in its plain form, ${url.href}`;
}

/** Whether a client with the id may be looked for at that URL. An id that an operator registered may have this form too. */
export const isClientIdUrl = (id: string): boolean => findClientIdUrlProblem(id) === undefined;

/** The host of the URL that an agent is known by. Undefined: it registered, so only its own word says who made it. */
export const publisherOf = ({
  agent,
  clientId,
}: Pick<Application, 'agent' | 'clientId'>): string | undefined =>
  agent?.kind === 'document' ? new URL(clientId).host : undefined;
