/** What a server lacks before it can answer requests. */
import type { Foundations } from './foundations.ts';

/** @returns names of what is missing; empty when nothing is */
export async function findMissing({
  storage,
  signingKeys,
}: Pick<Foundations, 'storage' | 'signingKeys'>): Promise<string[]> {
  const missing: string[] = [];
  await storage.ping().catch(() => missing.push('the store'));
  if (signingKeys.published().length === 0) missing.push('signing keys');
  return missing;
}
