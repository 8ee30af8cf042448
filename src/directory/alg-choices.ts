/** Which signing algorithms the resources and applications of the directory name. */
import type { DirectoryStore } from '../storage/contract.ts';
import { type AlgChoice, accessTokenAlgs, idTokenAlgs } from '../storage/signing-algs.ts';
import { eachNoun } from './collections.ts';

export interface AlgChoices {
  /** Of all resources and applications, each choice once; disabled ones count, so that enabling them costs no wait. */
  readonly named: readonly AlgChoice[];
  /** Of the enabled applications that can get an ID token. */
  readonly idToken: readonly AlgChoice[];
}

export async function gatherAlgChoices(
  store: Pick<DirectoryStore, 'applications' | 'resources'>,
): Promise<AlgChoices> {
  const named = new Map<string, AlgChoice>();
  const idToken = new Map<string, AlgChoice>();
  const add = (choices: Map<string, AlgChoice>, choice: AlgChoice) => choices.set(choice.join(' '), choice);
  for await (const { token } of eachNoun(store.resources)) add(named, accessTokenAlgs(token));
  for await (const application of eachNoun(store.applications)) {
    const choice = idTokenAlgs(application);
    add(named, choice);
    if (application.enabled && application.grants.includes('authorization_code')) add(idToken, choice);
  }
  // The first application must not wait for the key of the default.
  if (named.size === 0) add(named, idTokenAlgs({}));
  return { named: [...named.values()], idToken: [...idToken.values()] };
}
