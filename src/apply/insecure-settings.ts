/** Less secure settings that an operator allowed an application: `apply`, `doctor` and the start report them. */
import { eachListed } from '../directory/collections.ts';
import type { Application } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** @returns the end of a sentence about the application, without a full stop */
export function findInsecureSetting({
  assertionAudience,
}: Pick<Application, 'assertionAudience'>): string | undefined {
  if (assertionAudience !== 'endpoint') return undefined;
  return 'has assertionAudience: endpoint. What it sends to another server with the same idea may be used here: set issuer as soon as its library can';
}

/** A sentence for each application that has one. */
export async function findInsecureSettings({
  applications,
  organizations,
}: Pick<DirectoryStore, 'applications' | 'organizations'>): Promise<string[]> {
  const sentences: string[] = [];
  for await (const application of eachListed(applications, 'assertionAudience', 'endpoint')) {
    const insecure = findInsecureSetting(application);
    if (insecure === undefined) continue;
    const organization = await organizations.get(application.organization);
    sentences.push(`application ${organization?.name}/${application.name} ${insecure}`);
  }
  return sentences;
}
