/** Rights to all tables, to groups, and to some rows and columns are explained, each with what it comes from. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { explainToken } from '../../src/admin/explain.ts';
import { formatExplanation } from '../../src/admin/explain-report.ts';
import type { Nouns, User } from '../../src/nouns/index.ts';
import { AUTHOR, createTrader, type Trader } from '../support/exchange.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const OWN = { $user: 'attributes.customer' };

describe('rights with limits are explained:', () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const [database] = acme.resources;
        database.tables[0].columns = [
          { name: 'id', type: 'integer' },
          { name: 'customer_id', type: 'integer' },
          { name: 'status', type: 'text' },
        ];
        database.groups = [{ id: 'sales', tables: ['products', 'public.users'] }];
        const [shop] = acme.applications;
        shop.grants.push('token_exchange');
        shop.permissions = { tables: { '*': { read: true }, orders: { update: true, delete: true } } };
        const own = { rows: { customer_id: [OWN] } };
        acme.roles.push(
          {
            name: 'customer',
            permissions: {
              tables: {
                orders: { read: { ...own, columns: ['id', 'status'] }, update: own },
                '@sales': { read: true },
              },
            },
          },
          {
            name: 'shipper',
            permissions: { tables: { orders: { read: { rows: { status: ['open', 'sent'] } } } } },
          },
        );
        const person = (username: string, attributes?: object) => ({
          username,
          password: PASSWORD,
          application: 'shop',
          roles: ['customer', 'shipper'],
          ...(attributes && { attributes }),
        });
        acme.users.push(
          person('carl', { customer: '042' }),
          person('dora', { customer: '7' }),
          person('eric', { customer: '8' }),
          person('none'),
        );
      },
    });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  async function explain(token: string): Promise<string> {
    const { foundations } = server.server;
    return formatExplanation(await explainToken(token, foundations), foundations.now()).join('\n');
  }

  /** Lines below the title. */
  function section(text: string, title: string): string[] {
    const lines = text.split('\n');
    const start = lines.indexOf(title) + 1;
    assert.ok(start > 0, `${title} is not in\n${text}`);
    const end = lines.findIndex((line, index) => index >= start && !line.startsWith('  '));
    return lines.slice(start, end === -1 ? undefined : end);
  }

  async function change<C extends 'roles' | 'users'>(
    collection: C,
    name: string,
    to: Partial<Nouns[C]>,
  ): Promise<void> {
    const { storage, changes } = server.server.foundations;
    const { items } = await storage.directory[collection].page({ limit: 100 });
    const noun = items.find((each) => ('username' in each ? each.username : each.name) === name);
    assert.ok(noun);
    await (changes[collection].replace as (noun: object, author: object) => Promise<unknown>)(
      { ...noun, ...to },
      AUTHOR,
    );
  }

  test('each alternative with what gives it, and with the variable of each value', async () => {
    const text = await explain(await trader.login('shop', 'carl'));
    const common = 'catalogue of resource shop-db, roles of user carl, this token when it was issued';
    const all = `ceiling of application shop through *, ${common}`;
    const named = `ceiling of application shop, ${common}`;
    const origin = '    customer_id is 42, from {"$user": "attributes.customer"} of role customer';
    assert.deepEqual(section(text, 'allows:'), [
      `  products:read, from: ${all}, role customer through @sales`,
      `  public.users:read, from: ${all}, role customer through @sales`,
      `  orders:read, only those where customer_id is 42; columns id, status, from: ${all}, role customer`,
      origin,
      `  orders:read, only those where status is open or sent, from: ${all}, role shipper`,
      `  orders:update, only those where customer_id is 42, from: ${named}, role customer`,
      origin,
    ]);
    assert.deepEqual(section(text, 'variables:'), [
      '  {"$user": "attributes.customer"} of role customer: "042"',
    ]);
  });

  test('limits narrow a ceiling, and a request would get the rest', async () => {
    const text = await explain(await trader.login('shop', 'carl'));
    const withheld = section(text, 'the first ceiling above it allows these, the token does not:');
    assert.ok(withheld.includes('  orders:delete, taken away by: roles of user carl'), text);
    assert.ok(
      withheld.includes(
        '  orders:update, narrowed by roles of user carl to: only those where customer_id is 42',
      ),
      text,
    );
    const obtainable = 'could be asked for: products:read public.users:read';
    assert.deepEqual(section(text, obtainable), [
      '  orders:read, only those where customer_id is 42; columns id, status',
      '  orders:read, only those where status is open or sent',
      '  orders:update, only those where customer_id is 42',
    ]);
  });

  test('a request gets the rights that could be asked for, with their limits', async () => {
    const { json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'carl',
      password: PASSWORD,
      scope: 'orders:read products:read',
    });
    assert.deepEqual(
      section(await explain(json.access_token), 'allows:').filter((line) => line.startsWith('  orders'))
        .length,
      2,
    );
  });

  test('an attribute that changed takes away what its old value gave', async () => {
    const token = await trader.login('shop', 'dora');
    await change('users', 'dora', { attributes: { customer: '9' } } as Partial<User>);
    const text = await explain(token);
    assert.deepEqual(section(text, 'lost since it was issued:'), [
      '  orders:read, only those where customer_id is 7; columns id, status, taken away by: roles of user dora',
      '  orders:update, only those where customer_id is 7, taken away by: roles of user dora',
    ]);
    assert.deepEqual(section(text, 'variables:'), [
      '  {"$user": "attributes.customer"} of role customer: "9"',
    ]);
    assert.ok(!section(text, 'allows:').some((line) => line.includes('customer_id')), text);
    assert.match(text, /orders:read, only those where customer_id is 9; columns id, status$/m);
  });

  test('a variable without a value is told to give nothing', async () => {
    const text = await explain(await trader.login('shop', 'none'));
    assert.deepEqual(section(text, 'variables:'), [
      '  {"$user": "attributes.customer"} of role customer: no value, so what depends on it gives nothing',
    ]);
    assert.ok(!text.includes('customer_id'), text);
  });

  test('an exchange that asked for less is told from what was taken away', async () => {
    const parent = await trader.login('shop', 'eric');
    const { json } = await trader.exchange('shop', parent, {
      authorization_details: JSON.stringify([
        { type: 'table_access_set', tables: ['orders'], actions: ['read'], rows: { status: ['sent'] } },
      ]),
    });
    const text = await explain(json.access_token);
    const [right] = section(text, 'allows:');
    assert.match(right ?? '', /^ {2}orders:read, only those where status is sent, from: .*, role shipper$/);
    assert.match(
      text,
      /orders:read, only those where status is open or sent, narrowed when the token was issued to: only those where status is sent/,
    );
  });

  test('an alternative that a role narrows is told with what is left of it', async () => {
    const token = await trader.login('shop', 'carl');
    await change('roles', 'shipper', {
      permissions: {
        isAdmin: false,
        tables: [
          {
            table: 'orders',
            actions: '',
            limits: [{ actions: 'r', rows: [{ column: 'status', values: ['sent'] }] }],
          },
        ],
      },
    });
    assert.deepEqual(section(await explain(token), 'lost since it was issued:'), [
      '  orders:read, only those where status is open or sent, narrowed by roles of user carl to: only those where status is sent',
    ]);
  });

  test('ancestors of a token are told with who made them', async () => {
    const text = await explain(await trader.login('shop', 'carl'));
    assert.match(text, /^ {2}role customer \(.*\): alive.*, managed by apply$/m);
  });
});
