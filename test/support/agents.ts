/** Agents in the store, as if they had registered themselves through an application of the operator. */
import { hash, randomUUID } from 'node:crypto';
import { type AgentFacts, hashOfFacts } from '../../src/agents/document.ts';
import type { Application } from '../../src/nouns/index.ts';
import { createNodeId } from '../../src/registry/token-values.ts';
import type { LoginRow } from '../../src/storage/contract.ts';
import { REDIRECT_URI, type TestServer } from './server.ts';

export interface AgentOptions {
  /** A URL makes it an agent with a document. */
  readonly clientId: string;
  /** As it calls itself. */
  readonly name?: string;
  readonly redirectUris?: readonly string[];
  /** Client id of the application that it registered through. */
  readonly through?: string;
  readonly facts?: Partial<Application>;
}

/** What has a store, whether or not it answers requests. */
interface Stored {
  readonly server: {
    readonly foundations: Pick<
      TestServer['server']['foundations'],
      'changes' | 'storage' | 'artifacts' | 'now'
    >;
  };
}

const DAY = 86_400_000;

function factsOf({ clientId, name = 'Claude', redirectUris = [REDIRECT_URI], facts = {} }: AgentOptions) {
  const { authMethod = 'none', jwks } = facts as Pick<AgentFacts, 'authMethod' | 'jwks'>;
  const said: AgentFacts = {
    clientId,
    name,
    redirectUris,
    grants: ['authorization_code', 'refresh_token'],
    authMethod,
    native: redirectUris.some((uri) => !uri.startsWith('https:')),
    ...(jwks && { jwks }),
  };
  return said;
}

/** The hash of what an agent of this name says of itself, if it says nothing unusual. */
export const documentOf = (name: string): string => hashOfFacts(factsOf({ clientId: '', name }));

/** What its document says from here on, as if it had been fetched. @returns its hash */
export async function publishDocument(server: Stored, options: AgentOptions): Promise<string> {
  const { artifacts, now } = server.server.foundations;
  const facts = factsOf(options);
  const expiresAt = now() + 3_600_000;
  const key = hash('sha256', options.clientId, 'buffer');
  await artifacts.upsert('AgentDocument', key, { payload: { facts, freshUntil: expiresAt }, expiresAt });
  return hashOfFacts(facts);
}

/** A public one, which may do what `through` may, and has its people. */
export async function addAgent(server: Stored, options: AgentOptions): Promise<Application> {
  const { clientId, through = 'web', name = 'Claude', redirectUris = [REDIRECT_URI], facts } = options;
  const { changes, storage } = server.server.foundations;
  const template = (await storage.directory.applications.findBy('clientId', through))!;
  const { id, number: _, version: __, createdAt: ___, ...like } = template;
  return changes.applications.create(
    {
      ...like,
      name: `agent ${clientId}`.slice(0, 100),
      displayName: name,
      clientId,
      secrets: [],
      authMethod: 'none',
      redirectUris,
      native: redirectUris.some((uri) => !uri.startsWith('https:')),
      registeredThrough: id,
      agent: {
        kind: clientId.startsWith('https:') ? 'document' : 'registered',
        id: randomUUID(),
        document: clientId.startsWith('https:') ? await publishDocument(server, options) : documentOf(name),
      },
      ...facts,
    },
    { actor: 'test', managedBy: 'agent' },
  );
}

/** As an operator does, of what it says of itself at this moment. */
export async function approveAgent(server: Stored, agent: Application): Promise<Application> {
  const { changes, now } = server.server.foundations;
  const { document = '' } = agent.agent ?? {};
  return changes.applications.replace(
    { ...agent, agentApproval: { document, at: now(), by: 'test' } },
    { actor: 'test' },
  );
}

/** One that lives, of a person who let the agent in. @returns its id */
export async function addLogin(
  server: TestServer,
  { id: application, clientId, organization }: Application,
  facts: Partial<LoginRow> = {},
): Promise<string> {
  const { storage, now } = server.server.foundations;
  const at = now();
  const login: LoginRow = {
    id: createNodeId(),
    grantType: 'authorization_code',
    subject: `organization:${organization}/ann`,
    organization,
    application,
    clientId,
    scope: '',
    permissions: { isAdmin: false, tables: [] },
    ancestors: [organization, application],
    asOf: at,
    createdAt: at,
    current: hash('sha256', createNodeId(), 'buffer'),
    expiresAt: at + 90 * DAY,
    ...facts,
  };
  await storage.logins.insert(login);
  return login.id;
}
