/** Ending tokens by hand: one token with what hangs below it, or all tokens of a person, an application or an organization. */
import type { Connections } from '../connections/connections.ts';
import type { Author } from '../directory/changes.ts';
import { eachNoun } from '../directory/collections.ts';
import { datasourceOf } from '../directory/database-accounts.ts';
import type { Revocations } from '../directory/revocations.ts';
import { userSubject } from '../directory/subjects.ts';
import { isNounId } from '../nouns/names.ts';
import { findableUsername } from '../nouns/usernames.ts';
import { accountNode, consentNode } from '../registry/nodes.ts';
import type { Registry } from '../registry/registry.ts';
import type { DirectoryStore, LoginStore } from '../storage/contract.ts';
import type { Application, Connection, Organization, Realm, User } from '../storage/nouns.ts';
import type { PresentedTokens } from '../tokens/identify.ts';

export interface RevokeDeps {
  readonly store: DirectoryStore;
  readonly logins: LoginStore;
  readonly registry: Pick<Registry, 'findRow'>;
  readonly presentedTokens: Pick<PresentedTokens, 'identify'>;
  readonly connections: Pick<Connections, 'identify' | 'end'>;
  readonly revocations: Revocations;
  /** Milliseconds. */
  readonly now: () => number;
}

/** What ended, for people. */
export interface Revoked {
  readonly what: string;
}

/** @returns undefined if no such token is alive */
export async function revokeToken(
  presented: string,
  deps: RevokeDeps,
  author: Author,
): Promise<Revoked | undefined> {
  const token = await deps.presentedTokens.identify(presented);
  if (token.kind === 'unknown' || token.kind === 'expired') return undefined;
  if (token.kind === 'refresh token') {
    const login = await deps.logins.find(token.login, deps.now());
    if (!login) return undefined;
    await deps.revocations.revokeLogin(login, author);
    return { what: `login ${login.id} of ${login.subject}, and all tokens that came from it` };
  }
  if (token.kind === 'connection token') {
    const connection = await deps.connections.identify(presented);
    return connection && revokeConnection(connection, deps, author);
  }
  const row = await deps.registry.findRow(token.format, token.handle);
  if (!row) return undefined;
  await deps.revocations.revokeToken(row, author);
  return { what: `token ${row.id} of ${row.subject}, and all tokens that came from it` };
}

/** Ends the connection for good. */
export async function revokeConnection(
  connection: Connection,
  { connections }: Pick<RevokeDeps, 'connections'>,
  author: Author,
): Promise<Revoked> {
  await connections.end(connection, author);
  return { what: `connection ${connection.name}, and all tokens that came from it` };
}

/** Ends every token and login of the user; a new login is possible. */
export async function revokeUser(user: User, deps: RevokeDeps, author: Author): Promise<Revoked> {
  await deps.revocations.revokeAllOf(user, author);
  return { what: `all tokens and logins of user ${user.username}` };
}

/**
 * Ends what the user let the application do: the consent, and all tokens and logins that came from it. They are asked
 * again at the next login.
 */
export async function revokeConsent(
  user: User,
  { id, organization, clientId, name }: Application,
  deps: Pick<RevokeDeps, 'revocations'>,
  author: Author,
): Promise<Revoked> {
  const subject = userSubject(user);
  const whom = { subject, organization, clientId };
  await deps.revocations.revokeOlder(consentNode(subject, id), 'consent.revoked', whom, author);
  return {
    what: `the consent of user ${user.username} to application ${name}, and all tokens that came from it`,
  };
}

/**
 * Ends every token and login of a person in a table of the operator's; a new login is possible.
 * @param subject `sub` of a token @returns undefined if it names no datasource that is there
 */
export async function revokeAccount(
  subject: string,
  deps: RevokeDeps,
  author: Author,
): Promise<Revoked | undefined> {
  const id = datasourceOf(subject);
  const datasource = id === undefined ? undefined : await deps.store.datasources.get(id);
  if (!datasource) return undefined;
  const { organization } = datasource;
  const whom = { subject, organization };
  await deps.revocations.revokeOlder(accountNode(subject), 'account.revoked', whom, author);
  return { what: `all tokens and logins of ${subject}` };
}

/** Ends every token and login that was made through the application; it may get new ones. */
export async function revokeApplication(
  application: Application,
  deps: RevokeDeps,
  author: Author,
): Promise<Revoked> {
  const { id, organization, clientId } = application;
  const whom = { subject: id, organization, clientId };
  await deps.revocations.revokeOlder(id, 'application.revoked', whom, author);
  return { what: `all tokens and logins of application ${application.name}` };
}

/** Ends every token and login that was made in the organization. */
export async function revokeOrganization(
  organization: Organization,
  deps: RevokeDeps,
  author: Author,
): Promise<Revoked> {
  const whom = { subject: organization.id, organization: organization.id };
  await deps.revocations.revokeOlder(organization.id, 'organization.revoked', whom, author);
  return { what: `all tokens and logins of organization ${organization.name}` };
}

/** Ends every token and login there is: one node record for each organization. */
export async function revokeEverything(deps: RevokeDeps, author: Author): Promise<Revoked> {
  let count = 0;
  for await (const organization of eachNoun(deps.store.organizations)) {
    await revokeOrganization(organization, deps, author);
    count += 1;
  }
  return { what: `all tokens and logins of ${count} organization${count === 1 ? '' : 's'}` };
}

/** @param name a UUID, a clientId, or `organization/application` */
export async function findApplication(store: DirectoryStore, name: string): Promise<Application | undefined> {
  if (isNounId(name)) {
    const application = await store.applications.get(name);
    if (application) return application;
  }
  const [organizationName = '', applicationName, ...more] = name.split('/');
  const organization =
    more.length === 0 && applicationName
      ? await store.organizations.findBy('name', organizationName)
      : undefined;
  const named =
    organization && (await store.applications.findBy('name', `${organization.id}/${applicationName}`));
  return named ?? store.applications.findBy('clientId', name);
}

/** @param name a UUID, or `organization/connection` */
export async function findConnection(store: DirectoryStore, name: string): Promise<Connection | undefined> {
  if (isNounId(name)) return store.connections.get(name);
  const at = name.indexOf('/');
  const organization = await store.organizations.findBy('name', name.slice(0, at));
  return organization && store.connections.findBy('name', `${organization.id}/${name.slice(at + 1)}`);
}

/**
 * @param name a UUID, `organization/application/username`, `organization/username` for the organization's own users,
 *   or `management/username`. A name that fits several users gives all of them.
 */
export async function findUsers(store: DirectoryStore, name: string): Promise<User[]> {
  if (isNounId(name)) {
    const user = await store.users.get(name);
    if (user) return [user];
  }
  const [first = '', ...others] = name.split('/');
  const found: (User | undefined)[] = [];
  const look = async (realm: Realm, username: string): Promise<void> => {
    const canonical = findableUsername(username);
    if (canonical !== undefined) found.push(await store.users.findBy('username', `${realm}/${canonical}`));
  };
  if (first === 'management') await look('management', others.join('/'));
  const organization = await store.organizations.findBy('name', first);
  if (organization && others.length > 0) {
    await look(`organization:${organization.id}`, others.join('/'));
    const [second, ...username] = others;
    const application = await store.applications.findBy('name', `${organization.id}/${second}`);
    if (application && username.length > 0) await look(`application:${application.id}`, username.join('/'));
  }
  return found.filter((user) => user !== undefined);
}
