/** What the audit log calls a change of a noun, and webhooks with it. */
import { isApproved } from '../directory/registered-applications.ts';
import { type Application, type CollectionName, declarationOf, type Nouns } from '../nouns/index.ts';

export type What = 'created' | 'changed' | 'removed';

/** Agents come and go by themselves, so those who follow applications do not hear of them. */
function ofAgent(what: What, before: Application | undefined, after: Application): string {
  if (what === 'created') return 'agent.registered';
  if (what === 'removed') return 'agent.ended';
  const [was, is] = [before !== undefined && isApproved(before), isApproved(after)];
  if (was === is) return 'agent.changed';
  // A document that says something else is not the approved one, although no administrator took anything back.
  if (is) return 'agent.approved';
  return after.agentApproval ? 'agent.changed' : 'agent.approval_withdrawn';
}

/** @param before of a change */
export function eventOf<C extends CollectionName>(
  collection: C,
  what: What,
  noun: Nouns[C],
  before?: Nouns[C],
): string {
  if (collection === 'applications' && (noun as Application).agent) {
    return ofAgent(what, before as Application | undefined, noun as Application);
  }
  return `${declarationOf(collection).singular}.${what}`;
}
