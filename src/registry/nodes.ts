/**
 * Nodes: how those that stand for something other than a noun, a login or a token are named, and what the records of a
 * token's ancestors say about it. A noun's node is its id, a login's and a token's are made in `secrets.ts`.
 */
import { hash } from 'node:crypto';
import type { NodeRecord } from '../storage/contract.ts';

/**
 * Clocks of several processes may differ. Recomputing a token that was issued a little after its rights shrank gives
 * the same result, so the comparison may err on that side.
 */
const CLOCK_DIFFERENCE_MS = 60_000;

/** By how much clocks that are kept together may differ. */
const CLOCKS_AGREE_MS = 5_000;

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
 * Whether rights were read by a clock that is ahead of this one: what was made from them would be later than every end
 * that comes after the clock was put right, so it does not hold until then.
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

/**
 * The node that everything hangs below which an application has by a person's consent, from any browser.
 * @param application its id
 */
export function consentNode(subject: string, application: string): string {
  return `consent:${digest(`${subject} ${application}`)}`;
}

/** The node that everything hangs below which came from one Grant: of one person, application and browser session. */
export function grantNode(grantId: string): string {
  return `grant:${digest(grantId)}`;
}

/** The node that what ends with a logout hangs below, of all that came from one Grant. */
export function logoutNode(grantId: string): string {
  return `logout:${digest(grantId)}`;
}

/**
 * Of an application, the node that tokens hang below which its secret alone was the proof for, and which may live on by
 * refreshing: with another secret they end, because whoever found the secret may have them too.
 * @param application its id
 */
export function credentialsNode(application: string): string {
  return `credentials:${application}`;
}

/**
 * The node above all that is made from a connection, or above what is made for one visitor of its site.
 * @param connection its id
 */
export function issuedNode(connection: string, visitor?: string): string {
  return visitor === undefined ? `issued:${connection}` : `issued:${connection}:${visitor}`;
}

/**
 * The node that what others have through a person's applications hangs below: it ends when the person is disabled or
 * removed, and not with their own logins.
 * @param user id of the person who registered the applications
 */
export function registrantNode(user: string): string {
  return `registrant:${user}`;
}

/**
 * Some older APIs end the access tokens that a login had when it is refreshed. These tokens hang below this node, which
 * is under the login's, so that the login goes on.
 * @param login its id
 */
export function earlierTokensNode(login: string): string {
  return `tokens:${login}`;
}

/** Says in words what hangs below a node, given the name of what it belongs to. */
const descriptions: Readonly<Record<string, (owner: string, visitor?: string) => string>> = {
  account: () => 'database account',
  consent: () => 'consent',
  grant: () => 'consent in one browser session',
  logout: () => 'browser session until its logout',
  credentials: (owner) => `what was made with the secret of ${owner} alone`,
  issued: (owner, visitor) =>
    visitor === undefined ? `everything made from ${owner}` : `visitor ${visitor} of the site of ${owner}`,
  registrant: (owner) => `what others have through applications of ${owner}`,
  tokens: () => 'access tokens of its login up to the next refresh',
};

export interface NodeName {
  /** Id of the noun or login that it belongs to, or a digest. */
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
