import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import bcrypt from 'bcrypt';
import { findFixedChanges } from '../../src/changes/changes.ts';
import { BrokenReference } from '../../src/changes/references.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Nouns,
  type Resource,
} from '../../src/nouns/index.ts';
import { isOpenIdScope } from '../../src/nouns/openid-scopes.ts';
import { fromStoredAccess } from '../../src/permissions/device-access.ts';
import { createPermissions, EVERYTHING } from '../../src/permissions/permissions.ts';
import { toPermissionsJson } from '../../src/permissions/permissions-json.ts';
import { fromStored } from '../../src/permissions/stored.ts';
import { NO_REACH, type Reach, reaches, reachOfRights, uniteReach } from '../../src/rights/reach.ts';
import { containsReach, reachOf } from '../../src/rights/reach-of.ts';
import type { TokenRow } from '../../src/storage/contract.ts';
import { exchangeForm } from '../support/exchange.ts';
import fc from '../support/properties.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import {
  createOrganization,
  GROUPS,
  type OnServer,
  type Plan,
  plan,
  type Target,
  target,
} from './organizations.ts';

const RUNS = process.env.GRANTABLE_TEST_LONG ? 100 : 8;
const DATABASE_USER = {
  grant_type: 'urn:grantable:grant-type:database-user',
  instance: 'crm',
  database: 'main',
  collection: 'people',
  username_column: 'name',
  password_column: 'password',
  password: PASSWORD,
};

/** Each by itself, because Sunbreak gives all that is asked for or nothing. */
const CELLS = [
  ...['orders', 'products'].flatMap((table) =>
    [1, 2, 4, 8].map((mask) => createPermissions([[table, mask]])),
  ),
  EVERYTHING,
];

/** A token that was really made, and the nouns whose controllers could have it, each as `collection id`. */
interface Minted {
  readonly reach: Reach;
  readonly controllers: readonly string[];
}

const keyOf = (collection: CollectionName, { id }: { readonly id: string }): string => `${collection} ${id}`;

function writePeople(dataDir: string): void {
  mkdirSync(join(dataDir, 'datasources'));
  const people = new DatabaseSync(join(dataDir, 'datasources', 'people.db'));
  people.exec('CREATE TABLE people (name TEXT, password TEXT)');
  const insert = people.prepare('INSERT INTO people VALUES (?, ?)');
  for (const name of GROUPS) insert.run(name, bcrypt.hashSync(PASSWORD, 4));
  people.close();
}

function reachOfToken(
  { resource: identifier, permissions, scope, devices, organization }: TokenRow,
  all: readonly Resource[],
): Reach {
  const resource = all.find((each) => each.identifier === identifier);
  assert.ok(resource);
  const scopes = scope
    .split(' ')
    .filter((name) => name !== '' && !isOpenIdScope(name) && !name.includes(':'));
  return uniteReach([
    reachOfRights(resource, { permissions: fromStored(permissions), scopes: new Set(scopes) }),
    devices ? { ...NO_REACH, devices: new Map([[organization, [fromStoredAccess(devices)]]]) } : NO_REACH,
  ]);
}

/** What is made in the millisecond of a change counts as made before it. */
async function untilChangeIsPast(): Promise<void> {
  const changedAt = Date.now();
  await until('the next millisecond', () => Date.now() > changedAt);
}

/** Every token that the organization gives at this moment, by how it was got. */
async function mintAll(server: TestServer, own: OnServer): Promise<Map<string, Minted>> {
  const { presentedTokens } = server.server.foundations;
  const { list, connectionToken } = own;
  const [organization] = (await list('organizations')) as [Nouns['organizations']];
  const [resources, applications, users, roles] = await Promise.all([
    list('resources'),
    list('applications'),
    list('users'),
    list('roles'),
  ]);
  const minted = new Map<string, Minted>();

  async function keep(how: string, token: unknown, controllers: readonly string[]): Promise<void> {
    if (typeof token !== 'string') return;
    const row = await presentedTokens.findAccessToken(token);
    assert.ok(row);
    const above = resources.filter(({ identifier }) => identifier === row.resource && !row.devices);
    const all = [
      ...controllers,
      ...above.map((each) => keyOf('resources', each)),
      keyOf('organizations', organization),
    ];
    minted.set(how, { reach: reachOfToken(row, resources), controllers: all });
  }

  async function ask(
    how: string,
    { clientId }: Application,
    form: Record<string, string>,
    controllers: readonly string[],
  ) {
    // A database answers within two seconds, which a busy machine does not always let it.
    const { status, json, text } = await until(how, async () => {
      const answer = await server.post('/oauth/token', clientId, form);
      return answer.status !== 503 && answer;
    });
    assert.ok(status === 200 || status === 400, text);
    await keep(how, json.access_token, controllers);
    return json.access_token as string | undefined;
  }

  const isFor = (
    { ceilings, registeredCeiling, id }: Application,
    { identifier, registeredBy }: Resource,
  ): boolean =>
    ceilings.some(({ resource }) => resource === identifier) ||
    (registeredBy === id && registeredCeiling !== undefined);

  /** Whose people's passwords an application sets, in its own name. */
  async function takesOver({ clientId, name }: Application, { username }: Nouns['users']): Promise<boolean> {
    const base = `${server.issuer}/${organization.name}/${name}`;
    const send = async (method: string, path: string, token: string | undefined, body: object) =>
      fetch(base + path, {
        method,
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      });
    const credentials = {
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: server.secretOf(clientId),
    };
    const answer = (await (await send('POST', '/token', undefined, credentials)).json()) as {
      access_token?: string;
    };
    if (!answer.access_token) return false;
    const path = `/users/${encodeURIComponent(username)}/password`;
    return (await send('PUT', path, answer.access_token, { newpassword: PASSWORD })).status === 200;
  }

  for (const application of applications) {
    const itself = keyOf('applications', application);
    // People who log in through the application of another person decide that for themselves.
    const ofLogins = application.owner === undefined ? [itself] : [];
    for (const resource of resources.filter((each) => isFor(application, each))) {
      const about = { resource: resource.identifier };
      const how = `${application.name} for ${resource.name} ${resource.id}`;
      const token = await ask(how, application, { grant_type: 'client_credentials', ...about }, [itself]);
      for (const other of applications.filter(({ id }) => token && application.mayExchange.includes(id))) {
        await ask(`${how}, traded by ${other.name}`, other, exchangeForm(token as string), [itself]);
      }
      for (const user of users.filter(({ realm }) => realm === application.realm)) {
        const bearer = /^bearer-(\d)$/.exec(user.username)?.[1];
        if (bearer !== undefined && !application.name.startsWith('probe')) continue;
        const role = bearer === undefined ? [] : [keyOf('roles', roles[Number(bearer)] as Nouns['roles'])];
        const form = { grant_type: 'password', username: user.username, password: PASSWORD, ...about };
        const controllers = [...ofLogins, keyOf('users', user), ...role];
        await ask(`${user.username} through ${how}`, application, form, controllers);
      }
      for (const datasource of await list('datasources')) {
        if (datasource.userTables[0]?.realm !== application.realm) continue;
        for (const username of GROUPS) {
          const form = { ...DATABASE_USER, username, ...about };
          await ask(`${username} through ${how}`, application, form, [
            ...ofLogins,
            keyOf('datasources', datasource),
          ]);
        }
      }
    }
  }
  for (const connection of await list('connections')) {
    for (const application of applications) {
      await ask(`connection by ${application.name}`, application, exchangeForm(connectionToken), [
        keyOf('connections', connection),
      ]);
    }
  }
  for (const connection of await list('connections')) {
    const above = applications.filter(({ id }) => id === connection.application);
    const controllers = [
      keyOf('connections', connection),
      ...above.map((each) => keyOf('applications', each)),
    ];
    const isRegistered = resources.some(
      (each) => each.identifier === connection.resource && each.registeredBy,
    );
    for (const cell of isRegistered ? CELLS : []) {
      // Resources that are registered through an application are served by its face.
      const response = await fetch(`${server.issuer}/api/auth/subscribe`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${connectionToken}` },
        body: JSON.stringify({ data: { permissions: toPermissionsJson(cell) }, context: {} }),
      });
      const { accessToken } = (await response.json()) as { accessToken?: string };
      await keep(
        `connection at Sunbreak for ${JSON.stringify(toPermissionsJson(cell))}`,
        accessToken,
        controllers,
      );
    }
  }
  const hive = applications.find(({ id }) => id === organization.faces?.devicehive?.application);
  for (const user of users.filter(({ realm }) => realm === hive?.realm)) {
    // First, because a new password ends what was made with the one before.
    const powerful = hive && (await takesOver(hive, user)) ? [keyOf('applications', hive)] : [];
    await untilChangeIsPast();
    const response = await fetch(`${server.issuer}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ login: user.username, password: PASSWORD }),
    });
    const { accessToken } = (await response.json()) as { accessToken?: string };
    assert.ok(accessToken, `${user.username} at DeviceHive: ${response.status}`);
    await keep(`${user.username} at DeviceHive`, accessToken, [keyOf('users', user), ...powerful]);
  }
  return minted;
}

test('MT-05 no controller of an object gets a token beyond its reach', async () => {
  await using server = await startServer({
    env: { GRANTABLE_EXCHANGE_LIMIT: '100000/1m' },
    fixture({ organizations: [acme] }) {
      acme.default = false;
    },
  });
  writePeople(server.dataDir);
  const { world, passwords } = server.server.foundations;
  const passwordHash = await passwords.hash(PASSWORD, { organization: 'test' });
  const seen = { tokens: 0, devices: 0, registered: 0, widened: 0, allowed: 0, refused: 0 };

  async function reachesOf(own: OnServer): Promise<Map<string, Reach>> {
    const found = new Map<string, Reach>();
    for (const collection of COLLECTIONS) {
      for (const noun of await own.list(collection))
        found.set(keyOf(collection, noun), await reachOf(collection, noun, world));
    }
    return found;
  }

  function assertBounded(minted: ReadonlyMap<string, Minted>, bounds: ReadonlyMap<string, Reach>): void {
    for (const [how, { reach, controllers }] of minted) {
      for (const controller of controllers) {
        const bound = bounds.get(controller);
        assert.ok(bound, controller);
        assert.ok(reaches(bound, reach), `${controller} could have more than it reaches: ${how}`);
      }
    }
  }

  async function changeOne<C extends CollectionName>(
    own: OnServer,
    collection: C,
    before: Nouns[C],
    other: object,
  ) {
    const bounds = await reachesOf(own);
    const minted = await mintAll(server, own);
    assertBounded(minted, bounds);
    seen.tokens += minted.size;
    seen.registered += [...minted.keys()].filter((how) => how.includes('Sunbreak')).length;
    seen.devices += [...minted.values()].filter(({ reach }) => reach.devices.size > 0).length;

    const wanted = { ...before, ...other } as Nouns[C];
    const fixed = Object.fromEntries(
      findFixedChanges(collection, before, wanted).map((field) => [field, before[field as keyof Nouns[C]]]),
    );
    const after = { ...wanted, ...fixed } as Nouns[C];
    // What the change may give is known before it is made.
    const given = uniteReach([
      await reachOf(collection, before, world),
      await reachOf(collection, after, world),
    ]);
    const holders = await Promise.all(
      (await own.list('users')).map(async (user) => {
        const holder = await reachOf('users', user, world);
        return { holder, mayChange: await containsReach(holder, collection, before, after, world) };
      }),
    );
    try {
      await own.replace(collection, after);
    } catch (error) {
      if (!(error instanceof BrokenReference)) throw error;
      return;
    }
    await untilChangeIsPast();
    const later = await mintAll(server, own);
    assertBounded(later, await reachesOf(own));
    for (const [how, { reach, controllers }] of later) {
      // A person has no more through an application that a person registered than through the one above it.
      const ways = [how, how.replace(/ through app-/, ' through application0-')];
      const earlier = uniteReach(ways.map((way) => minted.get(way)?.reach ?? NO_REACH));
      if (!reaches(earlier, reach)) seen.widened += 1;
      assert.ok(reaches(uniteReach([earlier, given]), reach), `the change gave more than it reaches: ${how}`);
      for (const { holder } of holders.filter(({ mayChange }) => mayChange)) {
        if (controllers.includes(keyOf(collection, after))) assert.ok(reaches(holder, reach), how);
        assert.ok(
          reaches(uniteReach([earlier, holder]), reach),
          `a holder gave more than the own rights: ${how}`,
        );
      }
    }
    for (const { mayChange } of holders) seen[mayChange ? 'allowed' : 'refused'] += 1;
  }

  const law = async ([first, second, { collection, at }]: [Plan, Plan, Target]): Promise<void> => {
    const own = await createOrganization(server, passwordHash, first);
    try {
      const [before, other] = [(await own.list(collection))[at], own.nounsOf(second)[collection][at]];
      assert.ok(before && other);
      await changeOne(own, collection, before, other);
    } finally {
      await own.remove();
    }
  };
  await fc.assert(fc.asyncProperty(fc.tuple(plan, plan, target), law), { numRuns: RUNS, endOnFailure: true });
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `the examples have no ${what}`);
});
