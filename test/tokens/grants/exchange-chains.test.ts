import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { toAuthorizationDetails } from '../../../src/permissions/authorization-details.ts';
import {
  contains,
  createPermissions,
  intersect,
  type Permissions,
} from '../../../src/permissions/permissions.ts';
import {
  parsePermissions,
  toCompactJson,
  toPermissionsJson,
} from '../../../src/permissions/permissions-json.ts';
import { toStored } from '../../../src/permissions/stored.ts';
import { AUTHOR, createTrader, type Trader } from '../../support/exchange.ts';
import fc from '../../support/properties.ts';
import { OPAQUE_RESOURCE, PASSWORD, RESOURCE, startServer, type TestServer } from '../../support/server.ts';

const CHAINS = process.env.GRANTABLE_TEST_LONG ? 300 : 60;
const TABLES = ['orders', 'products', 'public.users'];
const SCOPES = ['orders.read', 'orders.write'];

/** Who may trade the tokens of whom, beside itself. */
const MAY_TRADE: Readonly<Record<string, readonly string[]>> = {
  head: ['branch', 'kiosk'],
  branch: ['head', 'kiosk'],
  kiosk: ['branch'],
  stranger: [],
};
const CLIENTS = Object.keys(MAY_TRADE);
const PEOPLE: Readonly<Record<string, readonly string[]>> = {
  chief: ['chief'],
  both: ['clerk', 'stocker'],
  stocker: ['stocker'],
  nobody: [],
};

/** The actions `crud` of a table, as its flags. */
const flags = (letters: string) => ({
  create: letters.includes('c'),
  read: letters.includes('r'),
  update: letters.includes('u'),
  delete: letters.includes('d'),
});
const only = (tables: Record<string, string>) => ({
  isAdmin: false,
  tables: Object.fromEntries(Object.entries(tables).map(([table, letters]) => [table, flags(letters)])),
});

/** Of one table, people see their own rows only. */
const OWN_ROWS = { invoices: { read: { rows: { customer: [{ $user: 'attributes.customer' }] } } } };

function addChains(fixture: any): void {
  const [acme] = fixture.organizations;
  const columns = [{ name: 'customer', type: 'integer' }];
  acme.resources[0].tables = [...acme.resources[0].tables, { id: 'invoices', columns }];
  acme.roles.push({ name: 'own', permissions: { isAdmin: false, tables: OWN_ROWS } });
  const ceilings: Record<string, object> = {
    head: { isAdmin: true, tables: {} },
    branch: only({ orders: 'crud', products: 'cr', 'public.users': 'r', invoices: 'r' }),
    kiosk: only({ orders: 'cr', products: 'crud', invoices: 'r' }),
    stranger: { isAdmin: true, tables: {} },
  };
  for (const name of CLIENTS) {
    acme.applications.push({
      name,
      clientId: name,
      clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
      resource: RESOURCE,
      scopes: name === 'kiosk' ? ['orders.read'] : SCOPES,
      grants: ['client_credentials', 'password', 'token_exchange'],
      permissions: ceilings[name],
      resources: { [OPAQUE_RESOURCE]: { isAdmin: true, tables: {} } },
      mayExchange: MAY_TRADE[name],
      ...(name === 'kiosk' && { maxExchangeTtl: 600 }),
    });
  }
  acme.roles.push(
    { name: 'chief', scopes: SCOPES, permissions: { isAdmin: true, tables: {} } },
    {
      name: 'stocker',
      scopes: ['orders.write'],
      permissions: only({ products: 'crud', 'public.users': 'r' }),
    },
  );
  for (const [username, roles] of Object.entries(PEOPLE)) {
    const facts = { username, password: PASSWORD, application: 'head', attributes: { customer: '42' } };
    acme.users.push({ ...facts, roles: [...roles, 'own'] });
  }
}

const permissions = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(...TABLES.map((id) => fc.tuple(fc.constant(id), fc.nat(15)))).map(createPermissions),
  },
  {
    weight: 1,
    arbitrary: fc.constant(parsePermissions({ isAdmin: true, tables: {} }, { unknownFlags: 'refuse' })),
  },
);
const often = <T>(value: T, arbitrary: fc.Arbitrary<T>, weight = 4): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(value) }, { weight: 1, arbitrary });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const root = fc.record({
  from: fc.constantFrom('connection', 'connection', 'person', 'application'),
  client: fc.constantFrom('head', 'branch'),
  person: fc.constantFrom(...Object.keys(PEOPLE)),
  permissions,
  scopes: fc.subarray(SCOPES),
  isOwned: fc.boolean(),
  // Long enough that none is swept before the rows are counted.
  lifetime: maybe(fc.integer({ min: 3_600, max: 90_000 })),
  maxTokenTtl: maybe(fc.integer({ min: 3_600, max: 86_400 })),
});
const step = fc.record({
  client: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('head', 'branch', 'kiosk') },
    { weight: 1, arbitrary: fc.constant('stranger') },
  ),
  permissions: maybe(permissions),
  /** Asks for nothing that its parent does not have. */
  isModest: often(true, fc.constant(false), 3),
  spelling: fc.constantFrom('permissions', 'authorization_details', 'scope'),
  scopes: often<string[] | undefined>(undefined, fc.subarray(SCOPES)),
  resource: often<string | undefined>(undefined, fc.constantFrom(RESOURCE, OPAQUE_RESOURCE)),
  expiresIn: maybe(fc.integer({ min: 600, max: 86_400 })),
});
const chain = fc.record({
  root,
  steps: fc.array(step, { minLength: 2, maxLength: 5, size: 'max' }),
  shrunk: fc.constantFrom('connection', 'ceiling', 'role', 'person', 'catalogue', 'attribute'),
  kept: permissions,
});

type Value<A> = A extends fc.Arbitrary<infer T> ? T : never;

interface Living {
  readonly value: string;
  readonly client: string;
  readonly answer: Record<string, any>;
}

const permissionsOf = ({ permissions: json }: Record<string, any>): Permissions =>
  parsePermissions(json, { unknownFlags: 'refuse' });
/** Without table scopes, which repeat permissions. */
const scopesOf = ({ scope = '' }: Record<string, any>): string[] =>
  scope.split(' ').filter((name: string) => name !== '' && !name.includes(':'));

/** The customers whose rows of that table are seen. */
const ownRows = ({ authorization_details: details }: Record<string, any>): Set<string> =>
  new Set(details.flatMap(({ rows = {} }: { rows?: Record<string, string[]> }) => rows.customer ?? []));

/** Introspection against introspection, flag by flag. */
function assertNotAbove(child: Record<string, any>, parent: Record<string, any>): void {
  const { permissions: below } = child;
  const { permissions: above } = parent;
  if (below.isAdmin) assert.equal(above.isAdmin, true);
  for (const [table, actions] of Object.entries<Record<string, boolean>>(below.tables)) {
    for (const action of Object.keys(actions).filter((each) => actions[each])) {
      assert.ok(above.isAdmin || above.tables[table]?.[action], `${table}:${action}`);
    }
  }
  if (!above.isAdmin && !above.tables.invoices?.read) assert.ok(ownRows(child).isSubsetOf(ownRows(parent)));
  for (const scope of scopesOf(child)) assert.ok(scopesOf(parent).includes(scope), scope);
  assert.equal(child.aud, parent.aud);
  assert.ok(child.exp <= parent.exp, 'expiry');
}

function formOf(
  {
    spelling,
    resource,
    expiresIn,
    scopes,
  }: Pick<Value<typeof step>, 'spelling' | 'resource' | 'expiresIn' | 'scopes'>,
  asked: Permissions | undefined,
): Record<string, string> {
  const form: Record<string, string> = {};
  const words = [...(scopes ?? [])];
  if (asked && spelling === 'scope' && (asked.isAdmin || asked.tables.size > 0)) {
    if (asked.isAdmin) words.push('*:admin');
    for (const [table, actions] of asked.tables)
      for (const action of actions) words.push(`${table}:${action}`);
  } else if (asked && spelling === 'authorization_details') {
    form.authorization_details = JSON.stringify(toAuthorizationDetails(asked, RESOURCE));
  } else if (asked) form.permissions = JSON.stringify(toPermissionsJson(asked));
  if (words.length > 0) form.scope = words.join(' ');
  if (resource !== undefined) form.resource = resource;
  if (expiresIn !== undefined) form.expires_in = String(expiresIn);
  return form;
}

describe(`PM-07 ${CHAINS} chains of exchanges with a started server`, () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({ fixture: addChains, env: { GRANTABLE_EXCHANGE_LIMIT: '100000/1m' } });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const changes = () => server.server.foundations.changes;
  const nouns = () => server.server.foundations.storage.directory;
  const findApplication = async (name: string) => {
    const application = await nouns().applications.findBy('clientId', name);
    assert.ok(application);
    return application;
  };
  const findPerson = async (username: string) => {
    const person = await nouns().users.findBy(
      'username',
      `${(await findApplication('head')).realm}/${username}`,
    );
    assert.ok(person);
    return person;
  };
  const countTokens = async (): Promise<number> => {
    let count = 0;
    for await (const { kind } of server.server.foundations.storage.dump.export())
      if (kind === 'tokens') count += 1;
    return count;
  };

  /** The first token of a chain, and the connection that it hangs below. */
  async function begin({ from, client, person, isOwned, lifetime, ...rest }: Value<typeof root>) {
    if (from === 'person') return { value: await trader.login('head', person), client: 'head' };
    if (from === 'application')
      return { value: (await server.token(client)).json.access_token as string, client };
    const { maxTokenTtl } = rest;
    const { connection, token } = await trader.connect('head', {
      permissions: toStored(rest.permissions),
      scopes: rest.scopes,
      ...(isOwned && { owner: (await findPerson(person)).id }),
      ...(lifetime !== undefined && { expiresAt: Date.now() + lifetime * 1000 }),
      ...(maxTokenTtl !== undefined && { maxTokenTtl }),
    });
    const { json } = await trader.exchange('head', token);
    assert.ok(json.access_token, JSON.stringify(json));
    const most = Math.min(maxTokenTtl ?? 86_400, lifetime ?? 86_400, 86_400);
    assert.ok(json.expires_in <= most, `${json.expires_in} is more than ${most}`);
    assert.ok(contains(rest.permissions, permissionsOf(json)), 'above the connection');
    return { value: json.access_token as string, client: 'head', connection };
  }

  const live = async (value: string, client: string): Promise<Living> => {
    const answer = await server.introspect(value);
    assert.equal(answer.active, true);
    const { permissions: claimed, exp, sub } = decodeJwt(value);
    assert.deepEqual(
      { claimed, exp, sub },
      { claimed: toCompactJson(permissionsOf(answer)), exp: answer.exp, sub: answer.sub },
    );
    return { value, client, answer };
  };

  /** @returns how to put it back */
  async function shrink(
    what: Value<typeof chain>['shrunk'],
    kept: Permissions,
    { connection, client, person }: { connection?: string; client: string; person: string },
  ): Promise<() => Promise<unknown>> {
    if (what === 'connection' && connection !== undefined) {
      const before = await nouns().connections.get(connection);
      assert.ok(before);
      await changes().connections.replace({ ...before, permissions: toStored(kept), scopes: [] }, AUTHOR);
      return async () => undefined;
    }
    if (what === 'role') {
      const id = (await findPerson('both')).roles[0] ?? '';
      const before = await nouns().roles.get(id);
      assert.ok(before);
      const after = await changes().roles.replace({ ...before, permissions: toStored(kept) }, AUTHOR);
      return () => changes().roles.replace({ ...after, permissions: before.permissions }, AUTHOR);
    }
    if (what === 'person') {
      const before = await findPerson(person);
      const after = await changes().users.replace({ ...before, roles: before.roles.slice(1) }, AUTHOR);
      return () => changes().users.replace({ ...after, roles: before.roles }, AUTHOR);
    }
    if (what === 'attribute') {
      const before = await findPerson(person);
      const after = await changes().users.replace({ ...before, attributes: { customer: '43' } }, AUTHOR);
      return () => changes().users.replace({ ...after, attributes: { customer: '42' } }, AUTHOR);
    }
    if (what === 'catalogue') {
      const before = await nouns().resources.findBy('identifier', RESOURCE);
      assert.ok(before);
      const tables = before.tables.slice(1);
      const after = await changes().resources.replace({ ...before, tables }, AUTHOR);
      return () => changes().resources.replace({ ...after, tables: before.tables }, AUTHOR);
    }
    const before = await findApplication(client);
    const ceilings = before.ceilings.map((ceiling) => ({ ...ceiling, permissions: toStored(kept) }));
    const after = await changes().applications.replace({ ...before, ceilings }, AUTHOR);
    return () => changes().applications.replace({ ...after, ceilings: before.ceilings }, AUTHOR);
  }

  test('no token of a chain has more rights than its ancestors', async () => {
    const before = await countTokens();
    let made = 0;
    const refusals = new Map<string, number>();
    const lengths = new Map<number, number>();
    let own = 0;

    const law = async ({ root: wanted, steps, shrunk, kept }: Value<typeof chain>): Promise<void> => {
      const first = await begin(wanted);
      const line: Living[] = [await live(first.value, first.client)];
      made += 1;
      for (const each of steps) {
        const parent = line.at(-1) as Living;
        const has = permissionsOf(parent.answer);
        const asked =
          each.permissions && (each.isModest ? intersect(each.permissions, has) : each.permissions);
        const { status, json, text } = await trader.exchange(each.client, parent.value, formOf(each, asked));
        const mayTrade =
          each.client === parent.client || MAY_TRADE[parent.client]?.includes(each.client) === true;
        const isBeyond =
          !mayTrade ||
          each.resource === OPAQUE_RESOURCE ||
          (asked !== undefined && !contains(has, asked)) ||
          (each.scopes ?? []).some((scope) => !scopesOf(parent.answer).includes(scope));
        const asksForNothing = asked === undefined && each.scopes === undefined;
        if (isBeyond) assert.equal(status, 400, text);
        if (!isBeyond && asksForNothing) assert.equal(status, 200, text);
        if (status !== 200) {
          assert.equal(status, 400, text);
          assert.equal(json.access_token, undefined);
          refusals.set(json.error, (refusals.get(json.error) ?? 0) + 1);
          // A request that contradicts itself is refused before it is looked at whose token it is.
          if (!mayTrade && each.resource !== OPAQUE_RESOURCE) assert.equal(json.error, 'invalid_request');
          assert.deepEqual(await server.introspect(parent.value), parent.answer);
          continue;
        }
        made += 1;
        const child = await live(json.access_token, each.client);
        for (const ancestor of line) assertNotAbove(child.answer, ancestor.answer);
        if (asked) assert.ok(contains(asked, permissionsOf(child.answer)), 'above what was asked for');
        if (each.expiresIn !== undefined) assert.ok(json.expires_in <= each.expiresIn);
        if (each.client === 'kiosk') assert.ok(json.expires_in <= 600);
        const again = await trader.exchange(each.client, child.value);
        assert.equal(again.status, 200, again.text);
        assert.deepEqual([again.json.permissions, again.json.scope], [json.permissions, json.scope]);
        made += 1;
        line.push(child);
        own += ownRows(child.answer).size;
      }
      lengths.set(line.length, (lengths.get(line.length) ?? 0) + 1);

      const restore = await shrink(shrunk, kept, {
        client: (line.at(-1) as Living).client,
        person: wanted.person,
        ...(first.connection && { connection: first.connection.id }),
      });
      const left = await Promise.all(line.map(({ value }) => server.introspect(value)));
      await restore();
      for (const [depth, answer] of left.entries()) {
        if (!answer.active) continue;
        assertNotAbove(answer, (line[depth] as Living).answer);
        if (shrunk === 'attribute') assert.deepEqual(ownRows(answer), new Set());
        for (const ancestor of left.slice(0, depth)) if (ancestor.active) assertNotAbove(answer, ancestor);
      }
    };

    await fc.assert(fc.asyncProperty(chain, law), { numRuns: CHAINS, endOnFailure: true });
    assert.ok(own > 0, 'no token was limited to rows');
    assert.equal(await countTokens(), before + made, 'what was refused wrote nothing');
    assert.deepEqual([...refusals.keys()].sort(), [
      'invalid_authorization_details',
      'invalid_request',
      'invalid_scope',
      'invalid_target',
    ]);
    assert.ok((lengths.get(4) ?? 0) + (lengths.get(5) ?? 0) + (lengths.get(6) ?? 0) > 0, 'none was long');
  });
});
