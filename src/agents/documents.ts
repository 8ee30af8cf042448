/**
 * Metadata documents of agents: fetching them, and keeping what they say in the store, where all processes find it. What
 * an agent may do, and whether an organization lets it in at all, is decided elsewhere.
 */
import type { AgentFacts } from './document.ts';

export interface Documents {
  /** Never fetches. @returns undefined: its document was not fetched lately */
  find(clientId: string): Promise<AgentFacts | undefined>;
  /**
   * What its document says, fetched if what is known is not fresh.
   * @param address of the person's browser, which the fetch is counted for
   * @throws MetadataRejected with a sentence for the developer of the agent, TooManyAttempts
   */
  resolve(clientId: string, address: string): Promise<AgentFacts>;
}
