/** Hostile and excessive requests for limited rights, by every way to a token, with a started server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFlow, errorOf, type Flow, isLoginPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { createTrader, type Trader } from '../support/exchange.ts';
import { PASSWORD, REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';

const STRANGE_COLUMNS = ['we"ird; DROP TABLE x', "it's", 'a.$b', 'ünïcode', '數', '$where', 'a`b'];
const LIMIT = { rows: { customer_id: ['42', '43'] }, columns: ['id', 'status', ...STRANGE_COLUMNS] };
const columns = [
  { name: 'id', type: 'integer' },
  { name: 'customer_id', type: 'integer' },
  { name: 'paid', type: 'boolean' },
  { name: 'since', type: 'date' },
  ...['status', ...STRANGE_COLUMNS].map((name) => ({ name, type: 'text' })),
];

const set = (rest: object = {}): object => ({
  type: 'table_access_set',
  tables: ['orders'],
  actions: ['read'],
  columns: ['id'],
  rows: { customer_id: ['42'] },
  ...rest,
});
const also = (rows: object): object => set({ rows: { customer_id: ['42'], ...rows } });
const access = (identifier: string): object => ({ type: 'table_access', identifier, actions: ['read'] });
/** JSON as it would be without the care of `JSON.stringify`. */
const raw = (rest: string): string =>
  `[{"type":"table_access_set","tables":["orders"],"actions":["read"],${rest}}]`;

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

/** Each is more than what every way allows, or makes no sense. */
const refused: Readonly<Record<string, string | object[]>> = {
  'PM-01 a column __proto__': raw('"columns":["__proto__"]'),
  'PM-01 a condition on __proto__': raw('"rows":{"__proto__":["42"]}'),
  'PM-01 a member __proto__': raw('"columns":["id"],"__proto__":{"rows":{}}'),
  'PM-01 a condition on constructor': raw('"rows":{"constructor":["42"]}'),
  'PM-01 a member twice': raw('"rows":{"customer_id":["42"]},"rows":{"customer_id":["43"]}'),
  'PM-01 a condition twice': raw('"rows":{"customer_id":["42"],"customer_id":["43"]}'),
  'PM-03 a value that is an object': [set({ rows: { customer_id: [{ $ne: null }] } })],
  'PM-03 a variable': [set({ rows: { customer_id: [{ $user: 'id' }] } })],
  'PM-03 a variable as the store has it': [set({ rows: { customer_id: ['\u0000user.id'] } })],
  'PM-03 null as a value': [set({ rows: { customer_id: [null] } })],
  'PM-03 a list in a list': [set({ rows: { customer_id: [['42']] } })],
  'PM-03 a fraction': [set({ rows: { customer_id: [42.5] } })],
  'PM-03 values that are no list': [set({ rows: { customer_id: '42' } })],
  'PM-03 rows that are a list': [set({ rows: ['customer_id'] })],
  'PM-03 columns that are an object': [set({ columns: { id: true } })],
  'PM-03 no columns': [set({ columns: [] })],
  'PM-03 no rows': [set({ rows: {} })],
  'PM-03 no values': [set({ rows: { customer_id: [] } })],
  'PM-03 text for an integer': [set({ rows: { customer_id: ['abc'] } })],
  'PM-03 a wildcard for an integer': [set({ rows: { customer_id: ['%'] } })],
  'PM-03 digits of another script': [set({ rows: { customer_id: ['\u0664\u0662'] } })],
  'PM-03 white space around an integer': [set({ rows: { customer_id: [' 42'] } })],
  'PM-03 a date that does not exist': [also({ since: ['2026-02-30'] })],
  'PM-03 a word for a boolean': [also({ paid: ['yes'] })],
  'PM-04 NUL in a value': [also({ status: ['a\u0000b'] })],
  'PM-04 half a character in a value': [also({ status: ['\ud800'] })],
  'PM-04 an escape sequence in a value': [also({ status: ['\u001b[2J'] })],
  'PM-04 a column that is not declared': [set({ columns: ['secret'] })],
  'PM-04 a condition on an undeclared column': [set({ rows: { customer_id: ['42'], secret: ['1'] } })],
  'PM-04 another case of a column': [set({ columns: ['ID'] })],
  'PM-04 every column by a sign': [set({ columns: ['*'] })],
  'PM-04 a column with a bidi mark': [set({ columns: ['i\u202ed'] })],
  'PM-04 a column with NUL': [set({ columns: ['id\u0000'] })],
  'PM-04 * for a client that does not hold it': [access('*')],
  'PM-04 * in a set': [{ type: 'table_access_set', tables: ['*'], actions: ['read'] }],
  'PM-04 * with limits': [set({ tables: ['*'] })],
  'PM-04 a group of which one table is not held': [access('@sales')],
  'PM-04 a group with limits': [set({ tables: ['@sales'] })],
  'PM-04 a group that does not exist': [access('@nothing')],
  'PM-04 the mark of groups alone': [access('@')],
  'PM-04 a table of another resource': [{ type: 'table_access_set', tables: ['stock'], actions: ['read'] }],
  'PM-04 a set for another resource': [set({ locations: ['https://other.acme.example/'] })],
  'PM-04 a second set for another resource': [set(), set({ locations: ['https://other.acme.example/'] })],
  'more rows than allowed': [set({ rows: { customer_id: ['42', '44'] } })],
  'rows of another value': [set({ rows: { customer_id: ['44'] } })],
  'all rows': [{ type: 'table_access_set', tables: ['orders'], actions: ['read'], columns: ['id'] }],
  'all columns': [set({ columns: undefined })],
  'a column more than allowed': [set({ columns: ['id', 'paid'] })],
  'another condition in place of the one that is held': [set({ rows: { status: ['open'] } })],
  'an alternative beyond what is allowed beside one within': [set(), set({ rows: { status: ['open'] } })],
  'another action than the one that is limited': [set({ actions: ['read', 'update'] })],
  'a limit beside the whole table': [access('products'), set({ tables: ['products'] })],
  'columns of rows that are deleted': [set({ actions: ['delete'] })],
  'limits in table_access': [{ ...access('orders'), rows: { customer_id: ['42'] } }],
  'a member that no type has': [set({ filter: '1=1' })],
  'a type that does not exist': [{ ...set(), type: 'table_access_sets' }],
  'PM-05 1,000 values': [set({ rows: { customer_id: names(1_000) } })],
  'PM-05 101 values': [set({ rows: { customer_id: names(101) } })],
  'PM-05 9 conditions': [set({ rows: Object.fromEntries(names(9).map((name) => [`c${name}`, ['1']])) })],
  'PM-05 1,001 columns': [set({ columns: names(1_001) })],
  'PM-05 17 alternatives': names(17).map((n) => also({ status: [n] })),
  'PM-05 a value of 257 characters': [also({ status: ['x'.repeat(257)] })],
};

/** Mean nothing beyond themselves. */
const HARMLESS = [
  `'; DROP TABLE orders; --`,
  '" OR ""="',
  '\\',
  '__proto__',
  'constructor',
  '{"$user": "id"}',
  '%',
  '*',
  '@sales',
  'a\u202eb',
  '\u2028',
  '數\u{1f600}e\u0301',
  '</script><script>alert(1)</script>',
  ' ',
  'NULL',
  'x'.repeat(256),
];

describe('hostile requests for limited rights', () => {
  let server: TestServer;
  let trader: Trader;
  let flow: Flow;
  let parent: string;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const [database] = acme.resources;
        database.tables[0].columns = columns;
        database.tables[1].columns = columns;
        database.groups = [{ id: 'sales', tables: ['orders', 'products', 'public.users'] }];
        acme.resources.push({
          identifier: 'https://other.acme.example/',
          name: 'other',
          tables: [{ id: 'stock' }],
        });
        acme.roles[0].permissions = {
          tables: { orders: { read: LIMIT, create: { rows: LIMIT.rows } }, products: { read: true } },
        };
        const [shop] = acme.applications;
        shop.permissions = acme.roles[0].permissions;
        shop.resources = undefined;
        shop.redirectUris = [REDIRECT_URI];
        shop.grants.push('authorization_code', 'token_exchange');
      },
    });
    trader = createTrader(server);
    flow = createFlow(server);
    parent = await trader.login('shop', 'ann');
  });
  after(() => server[Symbol.asyncDispose]());

  const logIn = (form: Record<string, string> = {}) =>
    server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      ...form,
    });

  /** Each gives the answer of the token endpoint to a request for these details. */
  const ways = {
    client_credentials: (details: string) => server.token('shop', { authorization_details: details }),
    password: (details: string) => logIn({ authorization_details: details }),
    refresh_token: async (details: string) => {
      const { refresh_token } = (await logIn()).json;
      const form = { grant_type: 'refresh_token', refresh_token, authorization_details: details };
      return server.post('/oauth/token', 'shop', form);
    },
    token_exchange: (details: string) => trader.exchange('shop', parent, { authorization_details: details }),
  };

  /** The error with which an authorization request is answered, before or after a login. */
  async function authorizeError(details: string): Promise<string | null> {
    const { url } = flow.request({ client_id: 'shop', authorization_details: details });
    const [endpoint = '', query = ''] = url.split('?');
    const browser = createBrowser(server.issuer);
    let page = await browser.post(endpoint, Object.fromEntries(new URLSearchParams(query)));
    if (isLoginPage(page)) page = await flow.logIn(browser, page);
    return errorOf(page) ?? page.text;
  }

  const ERRORS = new Set(['invalid_authorization_details', 'invalid_target']);

  for (const [name, details] of Object.entries(refused)) {
    test(`refused by every way: ${name}`, async () => {
      const text = typeof details === 'string' ? details : JSON.stringify(details);
      for (const [way, ask] of Object.entries(ways)) {
        const { status, json, text: body } = await ask(text);
        assert.equal(status, 400, `${way} ${body}`);
        assert.ok(ERRORS.has(json.error), `${way} ${body}`);
        assert.match(json.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,400}$/, way);
      }
      const error = await authorizeError(text);
      assert.ok(error !== null && ERRORS.has(error), `authorize ${error}`);
    });
  }

  test('PM-05 10,000 values are too large for a request', async () => {
    const text = JSON.stringify([set({ rows: { customer_id: names(10_000) } })]);
    for (const [way, ask] of Object.entries(ways)) assert.equal((await ask(text)).status, 413, way);
    assert.match(String(await authorizeError(text)), /larger than \d+ bytes/);
  });

  test('hostile values that are texts stay exactly what they are', async () => {
    for (const status of HARMLESS) {
      for (const [way, ask] of Object.entries(ways)) {
        const { json, text } = await ask(JSON.stringify([also({ status: [status] })]));
        assert.ok(json.access_token, `${way} ${text}`);
        const rows = { customer_id: ['42'], status: [status] };
        const told = await server.introspect(json.access_token);
        for (const answer of [json, told, decodeJwt(json.access_token)] as Record<string, any>[]) {
          const [detail, ...others] = answer.authorization_details;
          assert.deepEqual([detail.columns, detail.rows, others], [['id'], rows, []], way);
          assert.ok(!answer.permissions.tables.orders?.read);
        }
        assert.equal(told.scope, json.scope);
        assert.ok(!String(json.scope).includes('orders:read'));
      }
    }
  });

  test('hostile names of columns that are declared stay exactly what they are', async () => {
    const { json, text } = await server.token('shop', {
      authorization_details: JSON.stringify([
        set({
          columns: STRANGE_COLUMNS,
          rows: {
            customer_id: ['42'],
            ...Object.fromEntries(STRANGE_COLUMNS.slice(0, 7).map((name) => [name, ["'"]])),
          },
        }),
      ]),
    });
    assert.ok(json.access_token, text);
    const [detail] = (await server.introspect(json.access_token)).authorization_details;
    assert.deepEqual(detail.columns, STRANGE_COLUMNS.toSorted());
    assert.deepEqual(Object.keys(detail.rows).sort(), ['customer_id', ...STRANGE_COLUMNS].sort());
  });

  test('values of an integer are compared as integers, and given in one form', async () => {
    for (const value of ['042', '+42', 42, '0000000000000000000042']) {
      for (const [way, ask] of Object.entries(ways)) {
        const { json, text } = await ask(JSON.stringify([set({ rows: { customer_id: [value] } })]));
        assert.ok(json.access_token, `${way} ${text}`);
        assert.deepEqual(json.authorization_details[0].rows, { customer_id: ['42'] }, way);
      }
    }
  });

  test('an authorization request carries its limits to the token', async () => {
    const details = JSON.stringify([also({ status: [`"><b>'`] })]);
    const parameters = { client_id: 'shop', authorization_details: details };
    const { url, pkce } = flow.request(parameters);
    const code = (await flow.authorize(createBrowser(server.issuer), url)).searchParams.get('code');
    const { json, text } = await flow.redeem(String(code), pkce.verifier, 'shop');
    assert.ok(json.access_token, text);
    assert.deepEqual(json.authorization_details[0].rows, { customer_id: ['42'], status: [`"><b>'`] });
  });
});
