/**
 * Agents: applications that registered themselves. An administrator follows them, vouches for one as it describes itself,
 * and ends it. What an agent says of itself comes from the agent, so it is not changed here.
 */
import { z } from 'zod';
import { publisherOf } from '../../agents/client-id.ts';
import { retryOnConflict } from '../../changes/retry-on-conflict.ts';
import { findAgent, isApproved } from '../../directory/registered-applications.ts';
import { DomainError, NotFound } from '../../errors/domain.ts';
import { AGENT_KINDS, type Application } from '../../nouns/index.ts';
import type { JsonObject } from '../../permissions/json.ts';
import { defined } from '../../storage/defined.ts';
import { countLoginsOf, countTokensOf } from '../living.ts';
import { isVisible, requireRowAccess, visiblePart } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { createNames, rowOf, toObject } from './nouns/to-object.ts';
import { type Call, defineOperation, type PageQuery, type Where } from './operation.ts';
import { requireNoun } from './path-nouns.ts';
import { counted, endedShape, moment, pageOf, pageQuery, toMoment, toMomentIf } from './shapes.ts';
import { findVisible, tells, toldBy } from './visible-pages.ts';

const PATH = '/organizations/{organization}/agents/{agent}';

/** Its document or registration says something else than what the administrator looked at. */
class AgentChanged extends DomainError {
  override readonly plainStatus = 409;
}

const document = z.string().min(1).max(200);

const agent = z.strictObject({
  id: z.uuid().describe('Of the application that it is.'),
  version: z.int().describe('Grows with each change.'),
  name: z.string().describe('What it calls itself.'),
  clientId: z
    .string()
    .describe('Its `client_id`: the URL of its document, or what it got when it registered.'),
  publisher: z.string().exactOptional().describe('The host of that URL. Absent: it registered.'),
  kind: z.enum(AGENT_KINDS).describe('`document`: known by a URL. `registered`: by dynamic registration.'),
  document: document.describe('Hash of what it says of itself: name, redirect URIs, keys and grants.'),
  redirectUris: z.array(z.string()).readonly().describe('Where people are sent back to.'),
  grants: z.array(z.string()).readonly().describe('The grants that it may use.'),
  enabled: z.boolean().describe('`false`: it gets nothing, however often it asks.'),
  approved: z.boolean().describe('An administrator approved it as it describes itself.'),
  approval: z
    .strictObject({
      document: document.describe('What was approved; another `document` is not.'),
      at: moment,
      by: z.string().describe('The administrator.'),
    })
    .exactOptional(),
  createdAt: moment.describe('When it was first let in, or registered.'),
  unusedSince: moment
    .exactOptional()
    .describe('Since when it has had no tokens and logins. Absent: it has some.'),
  logins: counted.exactOptional().describe('Its living logins, up to 100.'),
  people: counted.exactOptional().describe('The people whose logins these are.'),
});

/** Members that the actor may not read are left out. */
const shown = agent.partial().required({ id: true });

type Shown = z.input<typeof shown>;

/** What decides who may see which part of it: the columns of applications, and what is told of agents alone. */
async function toRow(
  application: Application,
  { organization }: Pick<Where, 'organization'>,
  deps: OperationDeps,
): Promise<JsonObject> {
  const object = await toObject('applications', application, createNames(deps.store));
  const { agent: of, agentApproval, agentUnusedSince, createdAt } = application;
  const approval = agentApproval && { ...agentApproval, at: toMoment(agentApproval.at) };
  return {
    ...rowOf(object, organization),
    ...(of && { kind: of.kind, document: of.document }),
    ...defined({ publisher: publisherOf(application), approval, unusedSince: toMomentIf(agentUnusedSince) }),
    createdAt: toMoment(createdAt),
    approved: isApproved(application),
  };
}

async function show(application: Application, where: Where, deps: OperationDeps): Promise<Shown | undefined> {
  const row = await toRow(application, where, deps);
  const part = visiblePart(where.actor, 'applications', row);
  if (!part) return undefined;
  // It is stored under a name that is unique, and people read what it calls itself.
  const told = { ...part, ...defined({ name: part.displayName ?? part.name }) };
  const known = Object.fromEntries(Object.entries(told).filter(([key]) => Object.hasOwn(agent.shape, key)));
  const seesLogins = isVisible(where.actor, 'logins', {
    organization: where.organization.name,
    application: application.name,
    applicationId: application.id,
  });
  if (!seesLogins) return known as unknown as Shown;
  const { logins, people, isMore } = await countLoginsOf(application.id, deps);
  const counts = { logins: { count: logins, isMore }, people: { count: people, isMore } };
  return { ...known, ...counts } as unknown as Shown;
}

/** @throws NotFound also for an application that is not an agent */
async function requireAgent(id: string, where: Where, deps: OperationDeps): Promise<Application> {
  const application = await requireNoun('applications', id, where, deps);
  if (!application.agent) throw new NotFound();
  return application;
}

const flag = z.enum(['true', 'false']).exactOptional();

const listQuery = z.strictObject({
  ...pageQuery,
  approved: flag.describe('Only approved ones, or only others.'),
  kind: z.enum(AGENT_KINDS).exactOptional().describe('Only those of this kind.'),
  publisher: z.string().min(1).max(300).exactOptional().describe('Only those of this host.'),
  clientId: z.string().min(1).max(512).exactOptional().describe('Only the one with this `client_id`.'),
});

type ListQuery = z.output<typeof listQuery>;

/** One agent, or page by page all of the organization. */
function reader({ clientId }: ListQuery, { organization: { id } }: Where, { store }: OperationDeps) {
  if (clientId === undefined) {
    const listed = { key: 'agentOf', value: id } as const;
    return (page: PageQuery) => store.applications.page({ ...page, listed });
  }
  return async () => {
    const found = await Promise.all([
      findAgent(store, id, clientId),
      store.applications.findBy('clientId', clientId),
    ]);
    return { items: found.filter((each) => each !== undefined) };
  };
}

const TOLD_BY = {
  approved: ['approved'],
  kind: ['kind'],
  publisher: ['publisher', 'clientId'],
  clientId: ['clientId'],
} as const;

export const listAgents = defineOperation(
  {
    id: 'agents.list',
    method: 'GET',
    path: '/organizations/{organization}/agents',
    summary: 'Lists the agents of an organization, in the order in which they came.',
    needs: { table: 'applications', action: 'read' },
    query: listQuery,
    result: pageOf(shown),
  },
  async (call, deps) => {
    const { query, organization } = call;
    const filtered = toldBy(TOLD_BY, query);
    const isAmong = (application: Application): boolean =>
      application.agent !== undefined &&
      application.organization === organization.id &&
      (query.kind === undefined || application.agent.kind === query.kind) &&
      (query.approved === undefined || isApproved(application) === (query.approved === 'true')) &&
      (query.publisher === undefined || publisherOf(application) === query.publisher);
    const body = await findVisible(query, reader(query, call, deps), async (rows) => {
      const parts = await Promise.all(rows.filter(isAmong).map((each) => show(each, call, deps)));
      return parts.filter((part) => part !== undefined && tells(part, filtered));
    });
    return { body: body as typeof body & { items: Shown[] } };
  },
);

export const getAgent = defineOperation(
  {
    id: 'agents.get',
    method: 'GET',
    path: PATH,
    summary: 'Shows an agent by the id of its application.',
    needs: { table: 'applications', action: 'read' },
    result: shown,
  },
  async (call, deps) => {
    const application = await requireAgent(call.parameters.agent, call, deps);
    const body = await show(application, call, deps);
    if (!body) throw new NotFound();
    return { body, version: application.version };
  },
);

type ChangeCall = Pick<Call<'agent'>, 'actor' | 'organization' | 'parameters'>;

/**
 * People are told that it is checked, and it may ask them wherever its URL is: that takes the rights that it could come to
 * hold, which are those of the application that agents come through.
 */
async function requireRightsOver(
  application: Application,
  { actor }: ChangeCall,
  deps: OperationDeps,
): Promise<void> {
  const { registeredThrough } = application;
  const through =
    registeredThrough === undefined ? undefined : await deps.store.applications.get(registeredThrough);
  for (const each of [application, through]) {
    if (each) await deps.guards.requireChange(actor, 'applications', each, each);
  }
}

/** @param toApproval throws if the agent is not the one that was meant */
async function setApproval(
  call: ChangeCall,
  deps: OperationDeps,
  toApproval: (agent: NonNullable<Application['agent']>) => Application['agentApproval'],
) {
  const id = call.parameters.agent;
  const after = await retryOnConflict(async () => {
    const access = { action: 'update', columns: ['approval'] } as const;
    const found = await requireNoun('applications', id, call, deps, access);
    const { agentApproval: before, ...application } = found;
    if (!found.agent) throw new NotFound();
    await requireRightsOver(found, call, deps);
    const agentApproval = toApproval(found.agent);
    if (before?.document === agentApproval?.document) return found;
    return deps.changes.applications.replace(
      { ...application, ...defined({ agentApproval }) } as Application,
      call.actor.author,
    );
  });
  const body = (await show(after, call, deps)) ?? { id };
  return { body, version: after.version };
}

export const approveAgent = defineOperation(
  {
    id: 'agents.approve',
    method: 'POST',
    path: `${PATH}/approve`,
    summary:
      'Approves an agent as it describes itself: pages say that it was checked, until it describes itself otherwise.',
    needs: { table: 'applications', action: 'update' },
    body: z.strictObject({
      document: document.describe(
        '`document` of the agent as you looked at it; another one is not approved.',
      ),
    }),
    result: shown,
  },
  (call, deps) =>
    setApproval(call, deps, ({ document: current }) => {
      if (current !== call.body.document) {
        throw new AgentChanged({
          description:
            'The agent describes itself otherwise than you name. Read it again, and approve its `document`.',
        });
      }
      return { document: current, at: deps.now(), by: call.actor.author.actor };
    }),
);

/** It takes no right from the agent but that its host need not be listed. */
export const withdrawAgentApproval = defineOperation(
  {
    id: 'agents.withdrawApproval',
    method: 'POST',
    path: `${PATH}/withdraw-approval`,
    summary: 'Takes an approval back. The agent keeps what it holds if its host may ask.',
    needs: { table: 'applications', action: 'update' },
    result: shown,
  },
  (call, deps) => setApproval(call, deps, () => undefined),
);

/** Ending only takes rights away: also those of an agent with more rights than the actor. */
export const endAgent = defineOperation(
  {
    id: 'agents.end',
    method: 'DELETE',
    path: PATH,
    summary: 'Ends all that an agent holds, and forgets it. To keep it out, disable its application instead.',
    needs: { table: 'applications', action: 'delete' },
    mayDryRun: true,
    result: endedShape,
  },
  async (call, deps) => {
    const { actor, dryRun, parameters } = call;
    const found = await requireAgent(parameters.agent, call, deps);
    requireRowAccess(actor, 'applications', { action: 'delete', row: await toRow(found, call, deps) });
    const tokens = await countTokensOf('application', [found.id], deps);
    if (!dryRun) {
      await retryOnConflict(async () => {
        const current = await deps.store.applications.get(found.id);
        if (current) await deps.changes.applications.remove(current, actor.author);
      });
    }
    return { body: { dryRun, tokens } };
  },
);
