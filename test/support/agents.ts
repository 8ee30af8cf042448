/** Agents in the store, as if they had registered themselves through an application of the operator. */
import { createHash } from 'node:crypto';
import type { Application } from '../../src/nouns/index.ts';
import { createNodeId } from '../../src/registry/secrets.ts';
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

const DAY = 86_400_000;

/** Stands for the hash of what an agent says of itself. */
export const documentOf = (said: string): string => createHash('sha256').update(said).digest('base64url');

/** A public one, which may do what `through` may, and has its people. */
export async function addAgent(
  server: TestServer,
  { clientId, through = 'web', name = 'Claude', redirectUris = [REDIRECT_URI], facts }: AgentOptions,
): Promise<Application> {
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
      agent: { kind: clientId.startsWith('https:') ? 'document' : 'registered', document: documentOf(name) },
      ...facts,
    },
    { actor: 'test', managedBy: 'agent' },
  );
}

/** As an operator does, of what it says of itself at this moment. */
export async function approveAgent(server: TestServer, agent: Application): Promise<Application> {
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
    current: createHash('sha256').update(createNodeId()).digest(),
    expiresAt: at + 90 * DAY,
    ...facts,
  };
  await storage.logins.insert(login);
  return login.id;
}
