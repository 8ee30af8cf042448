/** A started server, its administration API over HTTP, and its operations called with any actor. */
import type { TestContext } from 'node:test';
import type { OperationDeps } from '../../../src/admin/operations/deps.ts';
import type { Answer, Call, Operation } from '../../../src/admin/operations/operation.ts';
import { reserve } from '../../../src/admin/operations/reserved.ts';
import type { Actor } from '../../../src/admin/rights/actor.ts';
import { createLogger } from '../../../src/http/log.ts';
import type { Organization } from '../../../src/nouns/index.ts';
import { EVERYTHING, type Permissions } from '../../../src/permissions/permissions.ts';
import { parsePermissions } from '../../../src/permissions/permissions-json.ts';
import { NO_REACH, WHOLE_SERVER, wholeOrganization } from '../../../src/rights/reach.ts';
import { createOperationDeps } from '../../../src/server/operation-deps.ts';
import { createSelfAdministration } from '../../../src/server/self-administration.ts';
import { type AdminOptions, startAdmin, type TestAdmin } from '../api/support.ts';

export interface Running extends TestAdmin {
  readonly deps: OperationDeps;
  /** Of the fixture. @param realm name of the application whose person it is */
  idOf(
    organization: string,
    collection: 'applications' | 'connections' | 'datasources',
    name: string,
  ): Promise<string>;
  userId(organization: string, application: string, username: string): Promise<string>;
  /** Runs it as an actor of acme with all rights there and a fresh login, unless said otherwise. */
  run<O extends Operation>(operation: O, given: Given): Promise<Answer<any>>;
}

export interface Given {
  readonly parameters?: Record<string, string>;
  readonly query?: object;
  readonly body?: unknown;
  readonly dryRun?: boolean;
  readonly actor?: Partial<Actor>;
  /** Of the path; `undefined`: the server's own. */
  readonly organization?: string;
}

export const permissionsOf = (tables: object): Permissions =>
  parsePermissions({ isAdmin: false, tables }, { unknownFlags: 'refuse', limits: { variables: 'refuse' } });

/** Rights over nouns, and none over what the nouns have. */
export const WEAK = { reach: NO_REACH };

export async function start(t: TestContext, options: AdminOptions = {}): Promise<Running> {
  const admin = await startAdmin(options);
  t.after(() => admin[Symbol.asyncDispose]());
  const { foundations } = admin.server.server;
  const own = createSelfAdministration(foundations, createLogger({ level: 'silent' }));
  const deps = createOperationDeps({ ...foundations, ...own });
  const { store } = foundations;

  async function organizationOf(name: string): Promise<Organization> {
    const found = await store.organizations.findBy('name', name);
    if (!found) throw new Error(`there is no organization ${name}`);
    return found;
  }

  async function idOf(
    organization: string,
    collection: 'applications' | 'connections' | 'datasources',
    name: string,
  ) {
    const { id } = await organizationOf(organization);
    return (await store[collection].findBy('name', `${id}/${name}`))?.id as string;
  }

  return {
    ...admin,
    deps,
    idOf,
    async userId(organization, application, username) {
      const realm = `application:${await idOf(organization, 'applications', application)}`;
      return (await store.users.findBy('username', `${realm}/${username}`))?.id as string;
    },
    async run(operation, given) {
      const { parameters = {}, query = {}, body, dryRun = false, organization: name = 'acme' } = given;
      const organization = await organizationOf(name);
      const actor: Actor = {
        author: { actor: 'user:tester' },
        key: 'tester',
        permissions: EVERYTHING,
        reach: wholeOrganization(organization.id),
        organization,
        authenticatedAt: foundations.now(),
        isDangerous: false,
        ...given.actor,
      };
      const read = (schema: Operation['query'], value: unknown) => (schema ? schema.parse(value) : value);
      const call = {
        actor,
        organization,
        parameters,
        query: read(operation.query, query),
        body: read(operation.body, body),
        version: undefined,
        dryRun,
        reserved: reserve(),
      } as Call<string, never, never>;
      return operation.run(call, deps);
    },
  };
}

/** Of the whole server. */
export const SERVER = { reach: WHOLE_SERVER, organization: undefined };
