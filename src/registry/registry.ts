/**
 * The registry: the row of every token and login, the nodes above it, and what the end of a node means. It says whether a
 * token is alive and what it may do. It leaves to others how tokens are signed (`keys`), what rights a subject has
 * (`rights`) and where rows are kept (`storage`). It serves no routes.
 *
 * This file: writing, finding and ending rows.
 */
import type { AccountFacts, LoginRow, NodeMark, NodeScope, Storage, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { FOREVER } from '../storage/records.ts';
import type { NodeMarks } from './node-marks.ts';
import { isAhead, type Standing, standingOf } from './nodes.ts';
import { handleKey, keysNear, OPAQUE_ACCESS_TOKEN } from './token-values.ts';

/** What a subject may do at this moment. */
export interface Rights {
  readonly scope: string;
  readonly permissions: TokenRow['permissions'];
  /** Whether `scope` can still tell the tables that were asked for as scopes. */
  readonly asScopes?: boolean;
  readonly devices?: NonNullable<TokenRow['devices']>;
}

export interface RegistryDeps {
  readonly storage: Pick<Storage, 'tokens' | 'logins' | 'nodes'>;
  readonly marks: Pick<NodeMarks, 'read'>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Seconds: no token of any kind lives longer, so node records of the directory are kept as long. */
  readonly longestLifetime: number;
  /** Seconds: no login lasts longer, of the server or of an older API, however they were configured when it began. */
  readonly longestLogin: number;
  /** Stored ∩ current rights of a token whose rights shrank since; undefined: nothing is left of it. */
  readonly recompute: (row: TokenRow | LoginRow) => Promise<Rights | undefined>;
  /** Whether the password that the token was made with is still the current one. */
  readonly isPasswordCurrent: (subject: string, account: AccountFacts) => Promise<boolean>;
}

/** A living token with its current rights. */
export interface LivingToken {
  readonly row: TokenRow;
  /**
   * Rights above it shrank since it was made, so that its own were computed again. What else it may have changes without
   * a mark.
   */
  readonly isNarrowed: boolean;
}

/** A living login as it is stored. */
export interface StandingLogin {
  readonly login: LoginRow;
  /** Its rights have to be computed again before they are used. */
  readonly isNarrowed: boolean;
}

export type Registry = ReturnType<typeof createRegistry>;

/**
 * The key of a row. Opaque tokens carry their prefix; anything else cannot be one, which saves the read.
 * @param handle the opaque token, or for a JWT its `jti`
 */
function keyOf(format: TokenRow['format'], handle: string): Buffer | undefined {
  if (format === 'jwt') return handleKey('jwt', handle);
  return handle.startsWith(OPAQUE_ACCESS_TOKEN) ? handleKey('access-token', handle) : undefined;
}

function scopeOf({ organization, resource }: TokenRow | LoginRow): NodeScope {
  return defined({ organization, resource });
}

export function createRegistry(deps: RegistryDeps) {
  const { storage, marks, now, longestLifetime, longestLogin, recompute, isPasswordCurrent } = deps;
  const { tokens, logins, nodes } = storage;

  async function findStanding(
    ids: readonly string[],
    asOf: number,
    marksVersion?: number,
  ): Promise<Standing> {
    return isAhead(asOf, now()) ? 'ended' : standingOf(await marks.read(ids, marksVersion), asOf);
  }

  /** With stored ∩ current rights; undefined if nothing is left. */
  async function withCurrentRights<T extends TokenRow | LoginRow>(row: T): Promise<T | undefined> {
    const rights = await recompute(row);
    return rights && { ...row, ...rights };
  }

  /** The row whatever its standing, for `explain`. */
  async function findRow(format: TokenRow['format'], handle: string): Promise<TokenRow | undefined> {
    const key = keyOf(format, handle);
    const row = key && (await tokens.find(key, now()));
    return row && row.expiresAt > now() ? row : undefined;
  }

  /**
   * The living token with its current rights, in one row read and one query for the nodes; undefined if it is
   * unknown, expired, ended, or nothing is left of it.
   * @param marksVersion from before the call
   */
  async function findLiving(
    format: TokenRow['format'],
    handle: string,
    marksVersion?: number,
  ): Promise<LivingToken | undefined> {
    const found = await findRow(format, handle);
    const standing = found && (await findStanding([found.id, ...found.ancestors], found.asOf, marksVersion));
    if (!found || standing === 'ended') return undefined;
    const isNarrowed = standing === 'narrowed';
    const row = isNarrowed ? await withCurrentRights(found) : found;
    if (!row?.account || (await isPasswordCurrent(row.subject, row.account)))
      return row && { row, isNarrowed };
    // Resource servers that verify tokens themselves learn it from the feed.
    await endToken(row);
    return undefined;
  }

  /** Ends the token and all that hangs below it (RFC 7009 section 2.1). */
  async function endToken(row: TokenRow): Promise<void> {
    await nodes.mark(row.id, { revokedAt: now() }, row.expiresAt, scopeOf(row));
  }

  /** The login with the rights that were stored, for who has more to read first; undefined if it is unknown, expired or ended. */
  async function findStandingLogin(id: string): Promise<StandingLogin | undefined> {
    const login = await logins.find(id, now());
    const standing = login && (await findStanding([login.id, ...login.ancestors], login.asOf));
    if (!login || standing === 'ended') return undefined;
    // It may outlive the record that rights of a party in its chain shrank, and only this check reads those rights.
    return { login, isNarrowed: standing === 'narrowed' || (login.bounds?.length ?? 0) > 0 };
  }

  const lastLoginEnds = (): number => now() + Math.max(longestLifetime, longestLogin) * 1000;

  return {
    async record(handle: string, row: TokenRow): Promise<void> {
      const key = keyOf(row.format, handle);
      if (!key) throw new Error('an opaque token without its prefix cannot be found again');
      await tokens.insert(key, row);
    },
    findRow,
    /** The row by the id of the token, whatever its standing, for administrators. */
    async findRowById(id: string): Promise<TokenRow | undefined> {
      return (await findRow('jwt', id)) ?? tokens.findAmong(keysNear(id), id, now());
    },
    /** Whether an opaque token expired, as long as its row was not removed since. */
    async hasExpired(handle: string): Promise<boolean> {
      const key = keyOf('opaque', handle);
      // Asked as of time 0, the store also gives expired rows.
      const row = key && (await tokens.find(key, 0));
      return row !== undefined && row.expiresAt <= now();
    },
    async find(format: TokenRow['format'], handle: string): Promise<TokenRow | undefined> {
      return (await findLiving(format, handle))?.row;
    },
    findLiving,
    /** Whether rights were read by a clock that is ahead of this one: tokens made from them do not hold yet. */
    isAhead: (asOf: number): boolean => isAhead(asOf, now()),
    /** Whether something made from rights read at `asOf` below these nodes still stands. */
    async isAlive(ids: readonly string[], asOf: number): Promise<boolean> {
      return (await findStanding(ids, asOf)) !== 'ended';
    },
    /** Whether a token is alive and has all the rights that it was made with. @param marksVersion from before the call */
    async hasAllRights(
      { id, ancestors, asOf }: Pick<TokenRow, 'id' | 'ancestors' | 'asOf'>,
      marksVersion: number,
    ): Promise<boolean> {
      return (await findStanding([id, ...ancestors], asOf, marksVersion)) === 'alive';
    },
    /** The login with its current rights; undefined as for `findLiving`. */
    async findLogin(id: string): Promise<LoginRow | undefined> {
      const found = await findStandingLogin(id);
      return found?.isNarrowed ? withCurrentRights(found.login) : found?.login;
    },
    findStandingLogin,
    withCurrentRights,
    endToken,
    /** Ends the login: its refresh token and every token that came from it. */
    async endLogin(login: LoginRow): Promise<void> {
      const lastBelow = login.expiresAt + longestLifetime * 1000;
      await nodes.mark(login.id, { revokedAt: now() }, lastBelow, scopeOf(login));
    },
    /** Marks a node below which everything ends within the longest lifetime of a token: access tokens, short logins. */
    async markAboveShortLived(node: string, mark: NodeMark, scope?: NodeScope): Promise<void> {
      await nodes.mark(node, mark, now() + longestLifetime * 1000, scope);
    },
    /** Marks a node below which only tokens and logins hang. */
    async markAboveLogins(node: string, mark: NodeMark, scope?: NodeScope): Promise<void> {
      await nodes.mark(node, mark, lastLoginEnds(), scope);
    },
    /**
     * Marks a node with connections or consents below it, which may last for years: its end is kept for ever. Lost rights
     * are not, because a connection's rights are read at each use.
     */
    async markAboveConnections(node: string, mark: NodeMark, scope?: NodeScope): Promise<void> {
      const until = mark.revokedAt === undefined ? now() + longestLifetime * 1000 : FOREVER;
      await nodes.mark(node, mark, until, scope);
    },
    /**
     * Marks a node whose noun was removed: connections below it cannot be found, so its record expires with the last
     * login, even if it was to be kept longer.
     */
    async markRemovedNoun(node: string, mark: NodeMark, scope?: NodeScope): Promise<void> {
      await nodes.markLast(node, mark, lastLoginEnds(), scope);
    },
  };
}
