/**
 * Connections: long-lived permissions of applications, whose tokens are exchanged for short ones. This folder makes, finds,
 * rotates and ends them. `rights` says what a connection may give, `tokens` makes the exchange. It serves no routes.
 *
 * A token is shown once and stored as a hash. Rotation leaves the one before good until it is dropped; each secret is
 * a node of its own, so dropping one ends what was made with it and nothing else.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto';
import { type Author, inAudit } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import type { Recorded } from '../changes/recorded.ts';
import { removeCurrent, retryOnConflict } from '../changes/retry-on-conflict.ts';
import type { DirectoryView } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import { AlreadyTaken, RegistrationClosed } from '../errors/domain.ts';
import type { Application, Connection, ConnectionSecret, Resource, User } from '../nouns/index.ts';
import { isWithin } from '../nouns/networks.ts';
import { issuedNode } from '../registry/nodes.ts';
import type { Registry } from '../registry/registry.ts';
import { isUsable } from '../rights/current-rights.ts';
import { findConnectionRights, type ResourceRights } from '../rights/rights.ts';
import type { AuditLog, DirectoryStore, TokenStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { createConnectionToken, hashConnectionToken, parseConnectionToken } from './connection-tokens.ts';
import type { ConnectionUses } from './uses.ts';

/** What a connection is made from. */
export type NewConnection = Pick<
  Connection,
  'organization' | 'name' | 'application' | 'resource' | 'scopes' | 'permissions'
> &
  Partial<Pick<Connection, 'id' | 'owner' | 'networks' | 'maxTokenTtl' | 'expiresAt' | 'enabled'>>;

/** A connection whose token was presented, with all that it stands on alive. */
export interface LivingConnection {
  readonly connection: Connection;
  readonly secret: ConnectionSecret;
  readonly application: Application;
  readonly resource: Resource;
  readonly owner?: User;
  readonly rights: Omit<ResourceRights, 'roles'>;
  /** The nodes that what is made from it hangs below. */
  readonly nodes: readonly string[];
}

/** A token, to be shown this once. */
export interface ShownToken {
  readonly connection: Connection;
  readonly token: string;
}

export type Connections = ReturnType<typeof createConnections>;

export interface ConnectionsDeps {
  readonly store: DirectoryStore;
  readonly tokens: Pick<TokenStore, 'countOf'>;
  readonly changes: Changes;
  readonly users: Pick<Users, 'find'>;
  readonly registry: Pick<Registry, 'isAlive' | 'markAboveShortLived'>;
  readonly uses: ConnectionUses;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly recorded: Recorded;
  /** Milliseconds. */
  readonly now: () => number;
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * @param id the connection's
 * @param now milliseconds
 * @param bytes 32 that cannot be guessed; made here if absent
 */
export function createSecret(id: string, now: number, bytes?: Uint8Array) {
  const token = createConnectionToken(id, bytes);
  const secret: ConnectionSecret = { id: randomUUID(), hash: hashConnectionToken(token), createdAt: now };
  return { token, secret };
}

export function createConnections(deps: ConnectionsDeps) {
  const { store, changes, users, registry, uses, audit, recorded, now } = deps;

  /** What is dropped has ended before it is gone: a crash in between must not leave alive what was made with it. */
  async function replaceSecrets(
    connection: Connection,
    secrets: readonly ConnectionSecret[],
    author: Author,
  ): Promise<Connection> {
    const dropped = connection.secrets.filter(({ id }) => !secrets.some((kept) => kept.id === id));
    const { organization, resource } = connection;
    for (const { id } of dropped) {
      await registry.markAboveShortLived(id, { revokedAt: now() }, { organization, resource });
    }
    return changes.connections.replace({ ...connection, secrets }, author);
  }

  async function findParts(connection: Connection, view: DirectoryView) {
    const [active, resource, owner] = await Promise.all([
      view.findApplicationById(connection.application),
      view.findResource(connection.resource),
      connection.owner === undefined ? undefined : users.find(connection.owner),
    ]);
    if (!active || !resource || (connection.owner !== undefined && !owner?.enabled)) return undefined;
    const { application } = active;
    const rights = await findConnectionRights(view, connection, application, resource, owner);
    return rights && defined({ application, resource, rights, owner });
  }

  async function recordUse(connection: Connection, address: string): Promise<void> {
    if (!(await uses.record(connection.id, address))) return;
    const { id, organization, name } = connection;
    await audit.append({
      at: now(),
      event: 'connection.new_network',
      outcome: 'allowed',
      reason: 'a connection token was presented from a network that it was never used from',
      subject: id,
      organization,
      address,
      details: { name },
    });
  }

  async function match(token: string) {
    const id = parseConnectionToken(token);
    const connection = id === undefined ? undefined : await store.connections.get(id);
    if (!connection) return undefined;
    const presented = hashConnectionToken(token);
    const secret = connection.secrets.find((each) => isEqual(each.hash, presented));
    return secret && { connection, secret };
  }

  return {
    /** The connection that the token is one of, whether or not it may be used. */
    identify: async (token: string) => (await match(token))?.connection,

    /**
     * @param token as it was presented
     * @param address of the client that presents it
     * @returns undefined if it is unknown, dropped, expired, ended, or may not be used from there
     */
    async find(token: string, address: string, view: DirectoryView): Promise<LivingConnection | undefined> {
      const { connection, secret } = (await match(token)) ?? {};
      if (!connection || !secret || !isUsable(connection, now()) || !isWithin(address, connection.networks))
        return undefined;
      const parts = await findParts(connection, view);
      if (!parts) return undefined;
      const { application, resource, owner } = parts;
      const below = [connection.organization, application.id, resource.id, ...(owner ? [owner.id] : [])];
      const nodes = [...below, ...parts.rights.roleIds, connection.id, secret.id];
      if (!(await registry.isAlive(nodes, secret.createdAt))) return undefined;
      await recordUse(connection, address);
      return { connection, secret, nodes: [...nodes, issuedNode(connection.id)], ...parts };
    },

    create,

    /**
     * Where a connection of this name may be there already: that one is given a new token.
     * @param asOf milliseconds: before anything that lets it be made was read; what changed since ends the new token
     * @throws AlreadyTaken when it is for something else; RegistrationClosed when it is disabled
     */
    createOrRotate: (wanted: NewConnection, author: Author, asOf: number): Promise<ShownToken> =>
      retryOnConflict(async () => {
        const known = await store.connections.findBy('name', `${wanted.organization}/${wanted.name}`);
        if (!known) return create(wanted, author, asOf);
        const { application, resource, owner } = wanted;
        const isSame =
          known.application === application && known.resource === resource && known.owner === owner;
        if (!isSame) throw new AlreadyTaken({ description: 'The connection belongs to another user.' });
        if (!known.enabled) throw new RegistrationClosed({ description: 'The connection is disabled.' });
        return rotate(known, author, asOf);
      }),
    rotate,

    /** Drops all tokens but the newest, and ends what was made with them. */
    dropEarlier: (connection: Connection, author: Author): Promise<Connection> =>
      replaceSecrets(connection, connection.secrets.slice(0, 1), author),

    /** Ends what was made from it, or only what was made for one visitor of its site, and leaves it as it is. */
    async endIssued(connection: Connection, author: Author, visitor?: string): Promise<void> {
      const { id, organization, resource, name } = connection;
      const node = issuedNode(id, visitor);
      const markNow = (): Promise<void> => {
        const at = now();
        return registry.markAboveShortLived(
          node,
          { revokedAt: at, restoredAt: at },
          { organization, resource },
        );
      };
      const since = now();
      await recorded(
        {
          event: 'connection.issued_ended',
          outcome: 'changed',
          subject: id,
          organization,
          ...inAudit(author),
          details: defined({ name, visitor }),
        },
        () => ({ node, revokedSince: since }),
        async () => {
          await markNow();
          // A token that was made before the first mark could be read has a later time than that mark.
          await markNow();
        },
      );
    },

    /** Ends it for good, with all that was made from it. */
    end: (connection: Connection, author: Author): Promise<void> =>
      removeCurrent(store.connections, changes.connections, connection, author),

    /** For people. */
    findUse: ({ id }: Connection) => uses.find(id),
    /** Counting ends at `limit`. */
    countLiving: ({ id }: Connection, limit: number) => deps.tokens.countOf(id, now(), limit),
  };

  /** @throws Conflict, BrokenReference */
  async function create(wanted: NewConnection, author: Author, asOf = now()): Promise<ShownToken> {
    const id = wanted.id ?? randomUUID();
    const { token, secret } = createSecret(id, asOf);
    const connection = await changes.connections.create({ ...wanted, id, secrets: [secret] }, author);
    return { connection, token };
  }

  /** Gives it a new token; the newest one before stays good until it is dropped, older ones are dropped. */
  async function rotate(connection: Connection, author: Author, asOf = now()): Promise<ShownToken> {
    const { token, secret } = createSecret(connection.id, asOf);
    const secrets = [secret, ...connection.secrets.slice(0, 1)];
    return { connection: await replaceSecrets(connection, secrets, author), token };
  }
}
