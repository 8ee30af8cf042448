/** Settings for agents that do not fit each other, or that an operator may not have meant: `apply`, the API and `doctor` say so. */
import { eachNoun } from '../directory/collections.ts';
import { type Application, isRegistered, type Organization } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** Ends of sentences about the organization, without a full stop. */
interface AgentFindings {
  /** What cannot work. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

type Through = Pick<
  Application,
  'name' | 'grants' | 'default' | 'firstParty' | 'owner' | 'registeredThrough' | 'isOrganization'
>;

/** @param through the application that agents come through; undefined: it is not there, which others say */
export function findAgentFindings(
  { agents }: Pick<Organization, 'agents'>,
  through: Through | undefined,
): AgentFindings {
  if (!agents) return { problems: [], notes: [] };
  const { policy, hosts = [], registration = 'off' } = agents;
  const isOn = policy !== 'off' || registration !== 'off';
  const problems = [
    policy === 'hosts' &&
      hosts.length === 0 &&
      'lets agents of some hosts ask, and names none: list them in agents.hosts, or use the policy off or any',
  ];
  const notes: (string | false | undefined)[] = [];
  if (through) {
    const { name, grants, firstParty } = through;
    const isOwn = !isRegistered(through) && !through.isOrganization;
    problems.push(
      !isOwn && `has agents through ${name}, which must be an application that an operator made`,
      isOwn &&
        !grants.includes('authorization_code') &&
        `has agents through the application ${name}, which needs the grant authorization_code: people say yes to agents in the browser`,
    );
    notes.push(
      isOn &&
        !through.default &&
        `has agents through the application ${name}, which has no default: agents that name no rights are refused`,
      firstParty &&
        `has agents through the application ${name}, which is firstParty. That does not hold for agents: people are always asked`,
    );
  }
  const said = (sentences: readonly (string | false | undefined)[]): string[] =>
    sentences.filter((sentence) => typeof sentence === 'string');
  return { problems: said(problems), notes: said(notes) };
}

/** Whole sentences, without a full stop, about the organizations of a store. */
export async function findAgentWarnings(
  store: Pick<DirectoryStore, 'organizations' | 'applications'>,
): Promise<string[]> {
  const sentences: string[] = [];
  for await (const organization of eachNoun(store.organizations)) {
    if (!organization.agents) continue;
    const through = await store.applications.get(organization.agents.application);
    const { problems, notes } = findAgentFindings(organization, through);
    sentences.push(...[...problems, ...notes].map((end) => `organization ${organization.name} ${end}`));
  }
  return sentences;
}
