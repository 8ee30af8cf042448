/**
 * Applications that a person registered through an older API, and agents, which registered themselves: they have at most
 * what the one they came through has.
 */
import { type Application, agentKey, type Organization } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/**
 * Whether one may use a grant: it asks for itself, or the application it was registered through may use the grant. An agent
 * has no rights of its own, so it never asks for itself.
 */
export function mayUseGrant(
  grant: string,
  through: Pick<Application, 'grants'>,
  { agent }: Partial<Pick<Application, 'agent'>> = {},
): boolean {
  return (grant === 'client_credentials' && !agent) || through.grants.includes(grant);
}

/** The agent that an organization knows by the URL of its document. @param organization id */
export function findAgent(
  { applications }: Pick<DirectoryStore, 'applications'>,
  organization: string,
  clientId: string,
): Promise<Application | undefined> {
  return applications.findBy('clientId', agentKey(organization, clientId));
}

/** Whether an administrator approved the agent as it describes itself. */
export function isApproved({ agent, agentApproval }: Pick<Application, 'agent' | 'agentApproval'>): boolean {
  return agent !== undefined && agentApproval?.document === agent.document;
}

/**
 * Whether the organization lets agents with a document at this URL ask.
 * @param approved whether an administrator approved it
 */
export function isAgentPermitted({ agents }: Pick<Organization, 'agents'>, url: string, approved: boolean) {
  if (!agents || agents.policy === 'off') return false;
  if (agents.policy === 'any' || approved) return true;
  const { hostname, host } = new URL(url);
  return agents.hosts?.some((listed) => listed === host || listed === hostname) ?? false;
}

/** An agent is let in within the application that its organization names for agents at this moment. */
export function isLetIn(application: Application, organization: Organization): boolean {
  const { agent, clientId, registeredThrough } = application;
  if (!agent) return true;
  if (organization.agents?.application !== registeredThrough) return false;
  return agent.kind === 'registered' || isAgentPermitted(organization, clientId, isApproved(application));
}

/** Whether an application may have a scope that routes of an older API ask for: a registered one only if it names it. */
export function mayHaveOfFace(
  { registeredThrough, scopes }: Pick<Application, 'registeredThrough' | 'scopes'>,
  scope: string,
): boolean {
  return registeredThrough === undefined || scopes.includes(scope);
}
