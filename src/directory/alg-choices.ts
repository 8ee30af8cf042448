/** Which signing algorithms the resources and applications of the directory name. */

import { type AlgChoice, idTokenAlgs } from '../nouns/signing-algs.ts';
import type { DirectoryStore } from '../storage/contract.ts';

export interface AlgChoices {
  /** Of all resources and applications, each choice once; disabled ones count, so that enabling them costs no wait. */
  readonly named: readonly AlgChoice[];
  /** Of all resources, and of the enabled applications that can get an ID token. */
  readonly tokens: readonly AlgChoice[];
}

const toChoice = (listed: string): AlgChoice => listed.split(' ') as unknown as AlgChoice;

export async function gatherAlgChoices({
  applications,
  resources,
}: Pick<DirectoryStore, 'applications' | 'resources'>): Promise<AlgChoices> {
  const ofResources = await resources.listedValues('algs');
  const named = [...ofResources, ...(await applications.listedValues('algs'))];
  const tokens = [...ofResources, ...(await applications.listedValues('idTokenAlgs'))];
  // The first application must not wait for the key of the default.
  if (named.length === 0) return { named: [idTokenAlgs({})], tokens: [] };
  return { named: [...new Set(named)].map(toChoice), tokens: tokens.map(toChoice) };
}
