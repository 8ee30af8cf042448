/** A directory over a real SQLite file, with an organization in it, and a clock that the test moves. */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { createApplications } from '../../src/changes/applications.ts';
import type { Author } from '../../src/changes/author.ts';
import { type Changes, createChanges } from '../../src/changes/changes.ts';
import { createRecorded } from '../../src/changes/recorded.ts';
import { createDirectory } from '../../src/directory/directory.ts';
import { parseUserSubject, userSubject } from '../../src/directory/subjects.ts';
import type { Application, Organization, Resource, Role, User } from '../../src/nouns/index.ts';
import { canonicalUsername } from '../../src/nouns/usernames.ts';
import { createNodeMarks } from '../../src/registry/node-marks.ts';
import { createRegistry, type Registry } from '../../src/registry/registry.ts';
import { createNodeId, createOpaqueAccessToken } from '../../src/registry/token-values.ts';
import { createCurrentRights } from '../../src/rights/current-rights.ts';
import type { NodeMark, Storage, TokenRow } from '../../src/storage/contract.ts';
import type { Events } from '../../src/webhooks/events.ts';

/** No webhook hears of anything. */
export const NO_EVENTS: Pick<Events, 'announce'> = {
  announce: async () => ({ happened: async () => undefined, failed: async () => undefined }),
};

export const AUTHOR: Author = { actor: 'test' };
export const RESOURCE = 'https://api.acme.example/';
export const ISSUER = 'https://auth.test';

export interface Fixture {
  readonly storage: Storage;
  readonly registry: Registry;
  readonly changes: Changes;
  /** Moves on by a second at each reading, so that before and after differ. */
  readonly now: () => number;
  readonly marks: { node: string; mark: NodeMark }[];
  readonly organization: Organization;
  readonly application: Application;
  readonly resource: Resource;
  readonly role: Role;
  readonly user: User;
  /** A token made from what the directory says at this moment: its value. */
  mint(row?: Partial<TokenRow>): Promise<string>;
  find(token: string): Promise<TokenRow | undefined>;
}

export const CLERK = { isAdmin: false, tables: [{ table: 'orders', actions: 'cru' }] } as const;
export const READER = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] } as const;

export function newResource(organization: string, identifier: string) {
  return {
    organization,
    identifier,
    name: 'db',
    enabled: true,
    catalogue: 'closed',
    tables: [{ id: 'orders', name: 'Orders' }],
    scopes: ['orders.read'],
    token: { format: 'opaque', ttl: 3600, alg: 'ES256', overflow: 'reference' },
  } as const;
}

export function newApplication(organization: string, name: string, id: string = randomUUID()) {
  return {
    id,
    organization,
    name,
    enabled: true,
    realm: `application:${id}`,
    clientId: name,
    authMethod: 'client_secret_basic',
    secrets: [] as Application['secrets'],
    grants: ['client_credentials', 'password'],
    scopes: ['orders.read'],
    redirectUris: [],
    postLogoutRedirectUris: [],
    allowedOrigins: [],
    native: false,
    resource: RESOURCE,
    ceilings: [{ resource: RESOURCE, permissions: CLERK }],
    introspects: [],
    mayExchange: [],
  } as const;
}

export function newUser(organization: string, realm: User['realm'], username: string, roles: string[]) {
  return {
    organization,
    realm,
    username,
    canonicalUsername: canonicalUsername(username),
    enabled: true,
    emailVerified: false,
    passwordHash: 'hmac-bcrypt$passwords-1$x',
    secondFactor: false,
    roles,
    administers: [],
  };
}

export async function openFixture(t: TestContext): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-changes-'));
  let clock = Date.UTC(2026, 0, 1);
  const now = (): number => {
    clock += 1_000;
    return clock;
  };
  const storage = await openSqliteStorage({ path: join(folder, 'grantable.db') });
  t.after(async () => {
    await storage.close();
    await rm(folder, { recursive: true });
  });
  const directory = createDirectory({ store: storage.directory, faceRules: [], now });
  const users = {
    find: (id: string) => storage.directory.users.get(id),
    async findBySubject(subject: string) {
      const user = await storage.directory.users.get(parseUserSubject(subject)?.id ?? '');
      return user?.enabled ? user : undefined;
    },
  };
  const inner = createRegistry({
    isPasswordCurrent: async () => true,
    marks: createNodeMarks(storage.nodes, 1_000_000),
    storage,
    now,
    longestLifetime: 86_400,
    longestLogin: 365 * 86_400,
    recompute: createCurrentRights({ directory, users, connections: storage.directory.connections, now })
      .recompute,
  });
  const marks: Fixture['marks'] = [];
  const noting =
    (write: Registry['markAboveLogins']): Registry['markAboveLogins'] =>
    async (node, mark, scope) => {
      marks.push({ node, mark });
      await write(node, mark, scope);
    };
  const registry: Registry = {
    ...inner,
    markAboveLogins: noting(inner.markAboveLogins),
    markAboveConnections: noting(inner.markAboveConnections),
    markRemovedNoun: noting(inner.markRemovedNoun),
  };
  const changes = createChanges({
    storage,
    registry,
    recorded: createRecorded({ events: NO_EVENTS, audit: storage.audit, now }),
    faceRules: [],
    issuer: ISSUER,
    now,
  });
  const organization = await changes.organizations.create(
    { name: 'acme', enabled: true, default: false, hosts: [] },
    AUTHOR,
  );
  const resource = await changes.resources.create(newResource(organization.id, RESOURCE), AUTHOR);
  const role = await changes.roles.create(
    {
      organization: organization.id,
      name: 'clerk',
      enabled: true,
      default: false,
      resource: RESOURCE,
      scopes: ['orders.read'],
      permissions: CLERK,
    },
    AUTHOR,
  );
  const application = await changes.applications.create(newApplication(organization.id, 'shop'), AUTHOR);
  const user = await changes.users.create(
    newUser(organization.id, application.realm, 'ann', [role.id]),
    AUTHOR,
  );

  async function mint(over: Partial<TokenRow> = {}): Promise<string> {
    const value = createOpaqueAccessToken();
    const at = now();
    await registry.record(value, {
      id: createNodeId(),
      format: 'opaque',
      grantType: 'password',
      subject: userSubject(user),
      user: user.id,
      organization: organization.id,
      application: application.id,
      clientId: application.clientId,
      resource: RESOURCE,
      scope: 'orders.read',
      permissions: CLERK,
      ancestors: [organization.id, application.id, user.id, role.id, resource.id],
      asOf: at,
      issuedAt: at,
      expiresAt: at + 3_600_000,
      ...over,
    });
    return value;
  }

  return {
    storage,
    registry,
    changes,
    now,
    marks,
    organization,
    application,
    resource,
    role,
    user,
    mint,
    find: (token) => registry.find('opaque', token),
  };
}

const KEY = { id: 'k', key: Buffer.alloc(32, 1) };

/** What people register through an API. */
export function applicationsOf(
  { storage, now, ...fixture }: Fixture,
  changes: Pick<Changes, 'applications'> = fixture.changes,
) {
  return createApplications({
    store: storage.directory,
    changes,
    clientSecrets: { current: () => KEY, byId: () => KEY.key },
    audit: storage.audit,
    limit: async () => {},
    now,
  });
}

export async function openApplications(t: TestContext) {
  const fixture = await openFixture(t);
  const applications = applicationsOf(fixture);
  const register = (name = 'Foo') =>
    applications.register({ name, scopes: ['orders.read'] }, fixture.user, fixture.application, AUTHOR);
  return { ...fixture, applications, register };
}
