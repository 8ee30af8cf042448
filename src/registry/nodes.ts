/**
 * Nodes: things whose end ends the tokens below them. `standingOf` says from the marks of a token's ancestors whether the
 * token is alive, narrowed or ended.
 *
 * The id of a noun (an application, a role …), a login or a token is the name of its node. Here are the names of the
 * other nodes: a consent, a browser session, the earlier tokens of a login …
 */
import { hash } from 'node:crypto';
import type { Identity } from '../nouns/index.ts';
import type { NodeRecord } from '../storage/contract.ts';

/**
 * Clocks of several processes may differ. Recomputing a token that was issued a little after its rights shrank gives
 * the same result, so the comparison may err on that side.
 */
const CLOCK_DIFFERENCE_MS = 60_000;

/** The largest difference between synchronised clocks. */
export const CLOCKS_AGREE_MS = 5_000;

export type Standing = 'alive' | 'narrowed' | 'ended';

/** True once a node has ended and was not restored since. */
export function isEnded(record: NodeRecord): boolean {
  return (
    record.revokedAt !== undefined &&
    (record.restoredAt === undefined || record.restoredAt < record.revokedAt)
  );
}

/**
 * @param records of all of the token's ancestors and of itself
 * @param asOf milliseconds: when the rights that the token was made from were read
 */
export function standingOf(records: readonly NodeRecord[], asOf: number): Standing {
  let standing: Standing = 'alive';
  for (const record of records) {
    if (isEnded(record)) return 'ended';
    if (record.restoredAt !== undefined && asOf <= record.restoredAt) return 'ended';
    if (record.narrowedAt !== undefined && asOf <= record.narrowedAt + CLOCK_DIFFERENCE_MS)
      standing = 'narrowed';
  }
  return standing;
}

/**
 * Whether rights were read by a clock that is ahead of this one. Tokens made from them would seem later than a
 * revocation that follows, so they do not hold until this clock has caught up.
 * @param asOf milliseconds, as `now`
 */
export function isAhead(asOf: number, now: number): boolean {
  return asOf > now + CLOCKS_AGREE_MS;
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

/** The node whose end ends all tokens of a database account. */
export function accountNode(subject: string): string {
  return `account:${digest(subject)}`;
}

/** The node above everything that an application has of a person: by consent in any browser, by a password or by an exchange. */
export function consentNode(subject: string, applicationId: string): string {
  return `consent:${digest(`${subject} ${applicationId}`)}`;
}

/** The node above everything that came from one Grant: of one person, application and browser session. */
export function grantNode(grantId: string): string {
  return `grant:${digest(grantId)}`;
}

/** The node above everything from one Grant that ends with a logout. */
export function logoutNode(grantId: string): string {
  return `logout:${digest(grantId)}`;
}

/**
 * The node above the tokens that needed no proof but a secret of an application: it ends with the secret, because a thief
 * of the secret may have them too.
 */
export function secretNode(secretId: string): string {
  return `credentials:${secretId}`;
}

/** The node above what was made by the word of an issuer that an organization trusts. */
export function issuerNode(organizationId: string, issuer: string): string {
  return `issuer:${digest(`${organizationId} ${issuer}`)}`;
}

/** The node above what was made for a user by who they are at an issuer. */
export function identityNode(userId: string, { issuer, subject }: Identity): string {
  return `identity:${digest(`${userId} ${issuer} ${subject}`)}`;
}

/** The node above the initial access tokens by which agents register. */
export function invitationsNode(organizationId: string): string {
  return `invitations:${organizationId}`;
}

/**
 * The node above everything that an agent was given while it described itself in one way: it ends when the agent changes,
 * because people agreed to what it was.
 * @param agent `agent.id` of the application
 */
export function agentNode(agent: string): string {
  return `agent:${agent}`;
}

/** The node above everything made from a connection, or for one visitor of its site. */
export function issuedNode(connectionId: string, visitor?: string): string {
  return visitor === undefined ? `issued:${connectionId}` : `issued:${connectionId}:${visitor}`;
}

/**
 * The node above what others have through the applications that a person registered: it ends when the person is disabled
 * or removed, but not with their own logins.
 */
export function registrantNode(userId: string): string {
  return `registrant:${userId}`;
}

/**
 * In some older APIs a refresh ends the login's earlier access tokens. They hang below this node, which is below the
 * login's node, so that the login goes on.
 */
export function earlierTokensNode(loginId: string): string {
  return `tokens:${loginId}`;
}

/** Describes what hangs below a node; takes the name of its owner. */
const descriptions: Readonly<Record<string, (owner: string, visitor?: string) => string>> = {
  account: () => 'database account',
  consent: () => 'what the application holds of the person',
  grant: () => 'consent in one browser session',
  logout: () => 'browser session until its logout',
  credentials: (owner) => `what was made with ${owner} alone`,
  agent: () => 'what an agent was given before it changed',
  issued: (owner, visitor) =>
    visitor === undefined ? `everything made from ${owner}` : `visitor ${visitor} of the site of ${owner}`,
  invitations: () => 'initial access tokens',
  issuer: () => 'issuer of identity assertions',
  identity: () => 'identity at an issuer',
  registrant: (owner) => `what others have through applications of ${owner}`,
  tokens: () => 'access tokens of its login up to the next refresh',
};

export interface NodeName {
  /** Id of the noun, secret or login that it belongs to, or a digest. */
  readonly owner: string;
  /** @param owner what people call the owner: `application shop` */
  describe(owner: string): string;
}

/** @returns undefined for the node of a noun, a login or a token */
export function parseNode(id: string): NodeName | undefined {
  const [kind = '', owner, ...visitor] = id.split(':');
  const description = Object.hasOwn(descriptions, kind) ? descriptions[kind] : undefined;
  if (!description || owner === undefined) return undefined;
  return {
    owner,
    describe: (name) => description(name, visitor.length === 0 ? undefined : visitor.join(':')),
  };
}
