/**
 * Agents whose `client_id` is the URL of a document. While a person is asked, such an agent is what its document says, within
 * the application that the organization of the resource names for agents. With the first consent it becomes an application of
 * the organization: the node that revocation hangs on.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { retryOnConflict } from '../changes/retry-on-conflict.ts';
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import {
  findAgent,
  isAgentPermitted,
  isApproved,
  mayUseGrant,
} from '../directory/registered-applications.ts';
import { MalformedRequest, MetadataRejected, UnknownResource } from '../errors/domain.ts';
import type { Application, Organization } from '../nouns/index.ts';
import { withInitialValues } from '../nouns/initial-values.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { toAgentFields, toAgentName } from './application.ts';
import { findClientIdUrlProblem, isClientIdUrl } from './client-id.ts';
import { type AgentFacts, hashOfFacts } from './document.ts';
import type { Documents } from './documents.ts';

/** What an authorization request says that leads to an agent. */
export interface AgentRequest {
  readonly clientId: string;
  /** Identifier (RFC 8707): its organization decides about the agent. */
  readonly resource: unknown;
}

export type Agents = ReturnType<typeof createAgents>;

export interface AgentsDeps {
  readonly store: Pick<DirectoryStore, 'applications'>;
  readonly changes: Pick<Changes, 'applications'>;
  readonly documents: Documents;
}

/** Where an agent asks, and what is known of it there. */
interface Place {
  readonly organization: Organization;
  readonly template: Application;
  readonly stored: Application | undefined;
}

function toApplication(facts: AgentFacts, { template, stored, organization }: Place): Application {
  const { clientId } = facts;
  // The id of one that is not written down changes at no step of a login.
  const {
    id = `agent ${organization.id} ${clientId}`,
    number = 0,
    version = 0,
    createdAt = 0,
  } = stored ?? {};
  return withInitialValues('applications', {
    ...defined({ agentApproval: stored?.agentApproval }),
    id,
    number,
    version,
    createdAt,
    clientId,
    name: toAgentName(facts, id),
    ...toAgentFields(facts, template, 'document', stored?.agent),
  });
}

/** What others decide about an agent that is there, or what its name is. */
const keptOf = ({ id, number, version, enabled, createdAt, managedBy, name, agentApproval }: Application) =>
  defined({ id, number, version, enabled, createdAt, name, managedBy, agentApproval });

const changedMeanwhile = (): MalformedRequest =>
  new MalformedRequest({ description: 'The application changed meanwhile. Start again from there.' });

export function createAgents({ store, changes, documents }: AgentsDeps) {
  async function findPlace(
    view: DirectoryView,
    { clientId, resource }: AgentRequest,
  ): Promise<Place | undefined> {
    if (typeof resource !== 'string' || !isClientIdUrl(clientId)) return undefined;
    const found = await view.findResource(resource);
    const organization = found && (await view.findOrganization(found.organization));
    if (!organization?.enabled || !organization.agents) return undefined;
    const template = (await view.findApplicationById(organization.agents.application))?.application;
    const stored = template && (await findAgent(store, organization.id, clientId));
    if (!template || stored?.enabled === false) return undefined;
    const isPermitted = isAgentPermitted(organization, clientId, stored !== undefined && isApproved(stored));
    return isPermitted ? { organization, template, stored } : undefined;
  }

  /** One that an operator of the organization made, whatever its `client_id` looks like. */
  async function findKnown(view: DirectoryView, { clientId, resource }: AgentRequest) {
    const known = await view.findApplication(clientId, resource);
    if (!known || !isClientIdUrl(clientId)) return known;
    const of = typeof resource === 'string' ? (await view.findResource(resource))?.organization : undefined;
    const isOfAnother = of !== undefined && of !== known.organization.id;
    return known.application.agent || isOfAnother ? undefined : known;
  }

  /** One that a person lets in at this moment is not taken away as unused. */
  async function keepUsed({ agentUnusedSince, ...used }: Application): Promise<void> {
    if (agentUnusedSince !== undefined) await store.applications.replace(used);
  }

  return {
    /** Fetches its document unless a fresh one is known. @throws MetadataRejected, UnknownResource, TooManyAttempts */
    async arrive(view: DirectoryView, { address, ...request }: AgentRequest & { readonly address: string }) {
      if (await findKnown(view, request)) return;
      const problem = findClientIdUrlProblem(request.clientId);
      if (problem !== undefined) throw new MetadataRejected(`The client_id ${problem}.`);
      const place = await findPlace(view, request);
      const description = 'The resource is unknown, or this agent may not ask for it.';
      if (!place) throw new UnknownResource({ description });
      await documents.resolve(request.clientId, address, place.stored !== undefined);
    },

    /** The client of a step in the browser: an application of the directory, or an agent as its document has it. Never fetches. */
    async find(view: DirectoryView, request: AgentRequest): Promise<ActiveApplication | undefined> {
      const known = await findKnown(view, request);
      const place = known ? undefined : await findPlace(view, request);
      const facts = place && (await documents.find(request.clientId));
      if (!facts) return known ?? view.findApplication(request.clientId, request.resource);
      const { organization, template } = place;
      const application = toApplication(facts, place);
      // An approval is of what it said then.
      if (!isAgentPermitted(organization, facts.clientId, isApproved(application))) return undefined;
      const grants = application.grants.filter((grant) => mayUseGrant(grant, template, application));
      return { organization, application: { ...application, grants } };
    },

    /**
     * Writes it down as an application of the organization. Another document than before ends what was made before.
     * @param document which the person agreed to
     * @throws MalformedRequest if it is another one at this moment
     */
    establish: (
      view: DirectoryView,
      { document, ...request }: AgentRequest & { readonly document: string },
      author: Author,
    ): Promise<void> =>
      retryOnConflict(async () => {
        const place = await findPlace(view, request);
        const facts = place && (await documents.find(request.clientId));
        const { stored, template } = place ?? {};
        if (!facts && stored?.agent?.document === document) return keepUsed(stored);
        if (!facts || !template || hashOfFacts(facts) !== document) throw changedMeanwhile();
        const { clientId } = facts;
        const said = { clientId, ...toAgentFields(facts, template, 'document', stored?.agent) };
        const isOfAnother = stored !== undefined && stored.registeredThrough !== template.id;
        if (isOfAnother) await changes.applications.remove(stored, author);
        if (stored && !isOfAnother) {
          const after = withInitialValues('applications', { ...keptOf(stored), ...said });
          if (!isDeepStrictEqual(stored, after)) await changes.applications.replace(after, author);
          return;
        }
        const id = randomUUID();
        const approved = defined({ agentApproval: stored?.agentApproval });
        const made = { id, name: toAgentName(facts, id), ...approved, ...said };
        await changes.applications.create(made, { ...author, managedBy: 'agent' });
      }),

    /** Of one that registered, which a person lets in at this moment. */
    keep: ({ id }: Pick<Application, 'id'>): Promise<void> =>
      retryOnConflict(async () => {
        const stored = await store.applications.get(id);
        if (stored) await keepUsed(stored);
      }),
  };
}
