/**
 * Ending tokens by hand: one token with what hangs below it, or all tokens of a person, an application or an organization.
 * Each returns what ended, for people.
 */

import type { Author } from '../changes/author.ts';
import type { Revocations } from '../changes/revocations.ts';
import type { Connections } from '../connections/connections.ts';
import { eachNoun } from '../directory/collections.ts';
import type { Application, Connection, Organization, User } from '../nouns/index.ts';
import { accountNode } from '../registry/nodes.ts';
import type { Registry } from '../registry/registry.ts';
import { datasourceOf } from '../rights/database-accounts.ts';
import type { DirectoryStore, LoginStore } from '../storage/contract.ts';
import type { Holdings } from '../tokens/holdings.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';

export interface RevokeDeps {
  readonly store: DirectoryStore;
  readonly logins: LoginStore;
  readonly registry: Pick<Registry, 'findRow'>;
  readonly presentedTokens: Pick<PresentedTokens, 'identify'>;
  readonly connections: Pick<Connections, 'identify' | 'end'>;
  readonly revocations: Revocations;
  readonly holdings: Pick<Holdings, 'end'>;
  readonly author: Author;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @returns undefined if no such token is alive */
export async function revokeToken(presented: string, deps: RevokeDeps): Promise<string | undefined> {
  const token = await deps.presentedTokens.identify(presented);
  if (token.kind === 'unknown' || token.kind === 'expired') return undefined;
  if (token.kind === 'refresh token') {
    const login = await deps.logins.find(token.login, deps.now());
    if (!login) return undefined;
    await deps.revocations.revokeLogin(login, deps.author);
    return `login ${login.id} of ${login.subject}, and all tokens that came from it`;
  }
  if (token.kind === 'connection token') {
    const connection = await deps.connections.identify(presented);
    return connection && revokeConnection(connection, deps);
  }
  const row = await deps.registry.findRow(token.format, token.handle);
  if (!row) return undefined;
  await deps.revocations.revokeToken(row, deps.author);
  return `token ${row.id} of ${row.subject}, and all tokens that came from it`;
}

/** Ends the connection for good. */
export async function revokeConnection(
  connection: Connection,
  { connections, author }: Pick<RevokeDeps, 'connections' | 'author'>,
): Promise<string> {
  await connections.end(connection, author);
  return `connection ${connection.name}, and all tokens that came from it`;
}

/** Ends every token and login of the user; a new login is possible. */
export async function revokeUser(user: User, deps: RevokeDeps): Promise<string> {
  await deps.revocations.revokeAllOf(user, deps.author);
  return `all tokens and logins of user ${user.username}`;
}

/** Ends all that the application holds of the user: the consent, and all tokens and logins. They are asked again at the next login. */
export async function revokeConsent(
  user: User,
  application: Application,
  { holdings, author }: Pick<RevokeDeps, 'holdings' | 'author'>,
): Promise<string> {
  await holdings.end(user, application, author);
  return `all that application ${application.name} holds of user ${user.username}`;
}

/**
 * Ends every token and login of a person in a table of the operator's; a new login is possible.
 * @param subject `sub` of a token @returns undefined if it names no datasource that is there
 */
export async function revokeAccount(subject: string, deps: RevokeDeps): Promise<string | undefined> {
  const id = datasourceOf(subject);
  const datasource = id === undefined ? undefined : await deps.store.datasources.get(id);
  if (!datasource) return undefined;
  const whom = { subject, organization: datasource.organization };
  await deps.revocations.revokeOlder(accountNode(subject), 'account.revoked', whom, deps.author);
  return `all tokens and logins of ${subject}`;
}

/** Ends every token and login that was made through the application; it may get new ones. */
export async function revokeApplication(
  application: Application,
  deps: Pick<RevokeDeps, 'revocations' | 'author'>,
): Promise<string> {
  const { id, organization, clientId } = application;
  const whom = { subject: id, organization, clientId };
  await deps.revocations.revokeOlder(id, 'application.revoked', whom, deps.author);
  return `all tokens and logins of application ${application.name}`;
}

/** Ends every token and login that was made in the organization. */
export async function revokeOrganization(organization: Organization, deps: RevokeDeps): Promise<string> {
  const whom = { subject: organization.id, organization: organization.id };
  await deps.revocations.revokeOlder(organization.id, 'organization.revoked', whom, deps.author);
  return `all tokens and logins of organization ${organization.name}`;
}

/** Ends every token and login there is: one node record for each organization. */
export async function revokeEverything(deps: RevokeDeps): Promise<string> {
  let count = 0;
  for await (const organization of eachNoun(deps.store.organizations)) {
    await revokeOrganization(organization, deps);
    count += 1;
  }
  return `all tokens and logins of ${count} organization${count === 1 ? '' : 's'}`;
}
