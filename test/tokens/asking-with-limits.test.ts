/** Requests that name every table, groups, rows and columns, at every door, and what they are given or told. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createFlow, type Flow, isConsentPage, isLoginPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { AUTHOR, createTrader, type Trader } from '../support/exchange.ts';
import {
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  startServer,
  type TestServer,
  tablesOf,
} from '../support/server.ts';

const secretOf = (name: string): string => `secret-of-${name}-`.padEnd(40, 'x');
const columns = [
  { name: 'customer', type: 'integer' },
  { name: 'region', type: 'text' },
  { name: 'total', type: 'decimal' },
];
const SET = 'table_access_set';

interface Wanted {
  readonly tables?: readonly string[];
  readonly actions?: readonly string[];
  readonly columns?: readonly string[];
  readonly rows?: Record<string, readonly string[]>;
}

const set = (wanted: Wanted) => ({ type: SET, tables: ['orders'], actions: ['read'], ...wanted });
const asking = (...wanted: Wanted[]) => ({ authorization_details: JSON.stringify(wanted.map(set)) });

/** The sets of an answer, without what all have in common. */
const setsOf = ({ authorization_details: details }: Record<string, any>): object[] =>
  details
    .filter(({ type }: { type: string }) => type === SET)
    .map(({ type: _, locations: __, ...rest }: Record<string, unknown>) => rest);

const EU = { tables: ['orders'], actions: ['read'], rows: { region: ['eu'] } };

describe('requests with limits', () => {
  let server: TestServer;
  let flow: Flow;
  let trader: Trader;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const [shop] = acme.resources;
        Object.assign(shop.tables[0], { columns });
        shop.groups = [{ id: 'sales', tables: ['orders', 'products'] }];
        const add = (name: string, permissions: object, rest: object = {}) =>
          acme.applications.push({
            name,
            clientId: name,
            clientSecret: secretOf(name),
            grants: ['client_credentials', 'token_exchange'],
            resource: RESOURCE,
            permissions,
            ...rest,
          });
        add('regions', { tables: { orders: { read: { rows: { region: ['eu', 'us'] } } } } });
        add('sales', { tables: { '@sales': { read: true, update: true } } });
        add('all', { tables: { '*': { read: true }, orders: { update: true } } });
        acme.roles.push({
          name: 'customer',
          permissions: {
            tables: {
              orders: {
                read: { rows: { customer: [{ $user: 'attributes.customer' }] } },
                update: { rows: { customer: [{ $user: 'attributes.customer' }] }, columns: ['region'] },
              },
            },
          },
        });
        const login = {
          grants: ['authorization_code', 'password', 'refresh_token', 'token_exchange'],
          redirectUris: [REDIRECT_URI],
        };
        for (const name of ['portal', 'own']) {
          const firstParty = name === 'own';
          add(name, { tables: { '@sales': { read: true, update: true } } }, { ...login, firstParty });
          acme.users.push({
            username: 'cleo',
            password: PASSWORD,
            application: name,
            roles: ['customer'],
            attributes: { customer: '42' },
          });
        }
      },
    });
    flow = createFlow(server);
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const given = async (client: string, form: Record<string, string>) => {
    const { status, json } = await server.token(client, form);
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };
  const refusal = async (client: string, form: Record<string, string>) => {
    const { status, json } = await server.token(client, form);
    assert.equal(status, 400, JSON.stringify(json));
    return [json.error, json.error_description];
  };

  /** What cleo's customer number is. */
  async function become(application: string, customer: string): Promise<void> {
    const { changes, directory, users } = server.server.foundations;
    const active = await (await directory.view()).findApplication(application);
    const cleo = active && (await users.findByLogin(active.application.realm, 'cleo'));
    assert.ok(cleo);
    await changes.users.replace({ ...cleo, attributes: { customer } }, AUTHOR);
  }

  const password = async (form: Record<string, string> = {}) =>
    (
      await server.post('/oauth/token', 'portal', {
        grant_type: 'password',
        username: 'cleo',
        password: PASSWORD,
        ...form,
      })
    ).json;

  test('a request that names no limits gets what there is, in every spelling', async () => {
    const limited = [{ ...EU, rows: { region: ['eu', 'us'] } }];
    const spellings = [
      {},
      { scope: 'orders:read' },
      { permissions: '{"tables":{"orders":{"read":true}}}' },
      {
        authorization_details: JSON.stringify([
          { type: 'table_access', identifier: 'orders', actions: ['read'] },
        ]),
      },
      asking({}),
    ];
    for (const form of spellings) {
      const json = await given('regions', form);
      assert.deepEqual([setsOf(json), tablesOf(json), json.scope], [limited, {}, undefined]);
      const told = await server.introspect(json.access_token);
      assert.deepEqual([setsOf(told), tablesOf(told), told.scope], [limited, {}, undefined]);
    }
  });

  test('narrower limits are given, wider ones are refused', async () => {
    const json = await given('regions', asking({ rows: { region: ['eu'] }, columns: ['total'] }));
    assert.deepEqual(setsOf(json), [{ ...EU, columns: ['total'] }]);
    const beyond = [
      'invalid_authorization_details',
      'The request asks for more than is allowed: orders:read with these columns and rows.',
    ];
    assert.deepEqual(await refusal('regions', asking({ rows: { region: ['eu', 'asia'] } })), beyond);
    assert.deepEqual(await refusal('regions', asking({ columns: ['total'] })), beyond);
    const both = asking({ rows: { region: ['eu'] } }, { rows: { customer: ['1'] } });
    assert.deepEqual(await refusal('regions', both), beyond);
    const action = asking({ actions: ['update'], rows: { region: ['eu'] } });
    assert.match((await refusal('regions', action))[1], /orders:update/);
  });

  test('a limit within an unlimited right is given, and values as their type has them', async () => {
    const json = await given('sales', asking({ rows: { customer: ['042'] } }));
    assert.deepEqual(setsOf(json), [{ ...EU, rows: { customer: ['42'] } }]);
    assert.deepEqual(tablesOf(json), {});
  });

  test('a request that makes no sense is refused with the reason', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [asking({ tables: ['@nope'] }), /The resource has no group nope\./],
      [asking({ columns: ['salary'] }), /The table orders declares no column salary/],
      [asking({ tables: ['products'], columns: ['total'] }), /products declares no column total/],
      [asking({ rows: { customer: ['x'] } }), /column customer is of type integer, which x is not/],
      [asking({ actions: ['delete'], columns: ['total'] }), /A row is deleted whole/],
      [
        asking({}, { rows: { region: ['eu'] } }),
        /A limit on orders \(read\) takes nothing away from the same right/,
      ],
      [asking({ tables: ['@sales'] }, { rows: { region: ['eu'] } }), /takes nothing away from @sales/],
      [asking({ tables: ['*'], rows: { region: ['eu'] } }), /Rights to \* cannot be limited/],
      [asking({ rows: {} }), /rows must name a column/],
      [asking({ columns: [] }), /columns must be a list that is not empty/],
      [
        { permissions: '{"tables":{"orders":{"read":{"columns":["total"]}}}}' },
        /^read must be true or false: for limits use authorization_details of the type table_access_set\.$/,
      ],
      [
        { permissions: '{"tables":{"*":{"read":true},"orders":{"read":false}}}' },
        /takes nothing away from \*/,
      ],
      [
        {
          authorization_details: JSON.stringify([
            { type: 'table_access', identifier: 'orders', actions: ['read'], columns: ['total'] },
          ]),
        },
        /table_access has no member columns/,
      ],
    ];
    for (const [form, sentence] of cases) {
      const [error, description] = await refusal('sales', form);
      assert.equal(error, 'invalid_authorization_details', JSON.stringify(form));
      assert.match(description, sentence);
    }
    assert.deepEqual(await refusal('sales', { scope: '@nope:read' }), [
      'invalid_scope',
      'The resource has no group nope.',
    ]);
  });

  test('a group is given as its tables, in every spelling', async () => {
    for (const form of [
      { scope: '@sales:read' },
      { permissions: '{"tables":{"@sales":{"read":true}}}' },
      asking({ tables: ['@sales'] }),
    ]) {
      assert.deepEqual(tablesOf(await given('sales', form)), { orders: 'r', products: 'r' });
    }
    assert.equal((await given('sales', { scope: '@sales:read' })).scope, 'orders:read products:read');
    assert.match((await refusal('regions', { scope: '@sales:read' }))[1], /products:read/);
  });

  test('* is given to those who hold it, in every spelling', async () => {
    const spellings = [
      { scope: '*:read' },
      { permissions: '{"tables":{"*":{"read":true}}}' },
      asking({ tables: ['*'] }),
    ];
    for (const form of spellings) {
      assert.deepEqual(tablesOf(await given('all', form)), { '*': 'r' });
      assert.match((await refusal('sales', form))[1], /asks for more than is allowed: \*:read/);
    }
    assert.deepEqual(tablesOf(await given('all', { scope: 'products:read' })), { products: 'r' });
  });

  test('TX-05 an exchange narrows limits and cannot widen them', async () => {
    const { access_token: wide } = await given('regions', {});
    const narrow = await trader.exchange('regions', wide, asking({ rows: { region: ['eu'] } }));
    assert.deepEqual(setsOf(narrow.json), [EU]);
    for (const form of [asking({ rows: { region: ['us'] } }), asking({ rows: { region: ['eu', 'us'] } })]) {
      const { json } = await trader.exchange('regions', narrow.json.access_token, form);
      assert.equal(json.error, 'invalid_authorization_details');
    }
    const same = await trader.exchange('regions', narrow.json.access_token, { scope: 'orders:read' });
    assert.deepEqual(setsOf(same.json), [EU]);
  });

  test('a connection gives groups as tables, and no more than its limits', async () => {
    const ofGroup = await trader.connect('sales', {
      permissions: { isAdmin: false, tables: [{ table: '@sales', actions: 'r' }] },
    });
    const all = await trader.exchange('sales', ofGroup.token);
    assert.deepEqual(tablesOf(all.json), { orders: 'r', products: 'r' });
    const rows = [{ column: 'region', values: ['eu'] }];
    const limited = await trader.connect('sales', {
      permissions: {
        isAdmin: false,
        tables: [{ table: 'orders', actions: '', limits: [{ actions: 'r', rows }] }],
      },
    });
    const { json } = await trader.exchange('sales', limited.token, { scope: 'orders:read' });
    assert.deepEqual(setsOf(json), [EU]);
    const wider = await trader.exchange('sales', limited.token, asking({ rows: { region: ['us'] } }));
    assert.equal(wider.json.error, 'invalid_authorization_details');
  });

  test('a login keeps values, which later ones narrow and never replace', async () => {
    const own = (customer: string) => [
      { tables: ['orders'], actions: ['read'], rows: { customer: [customer] } },
      { tables: ['orders'], actions: ['update'], columns: ['region'], rows: { customer: [customer] } },
    ];
    const json = await password();
    assert.deepEqual(setsOf(json), own('42'));
    const refresh = (form: Record<string, string> = {}) =>
      server.post('/oauth/token', 'portal', {
        grant_type: 'refresh_token',
        refresh_token: json.refresh_token,
        ...form,
      });
    assert.deepEqual(setsOf((await refresh({ scope: 'orders:read' })).json), own('42').slice(0, 1));
    await become('portal', '43');
    try {
      assert.equal((await server.introspect(json.access_token)).active, false);
      assert.equal((await refresh()).json.error, 'invalid_grant');
      assert.deepEqual(setsOf(await password()), own('43'));
    } finally {
      await become('portal', '42');
    }
  });

  test('a login in the browser gets what it asked for with its limits', async () => {
    const ask = async (parameters: Record<string, string>) => {
      await flow.forget('cleo', 'portal');
      const { url, pkce } = flow.request({ client_id: 'portal', scope: 'openid', ...parameters });
      const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'cleo' });
      const code = answer.searchParams.get('code');
      if (!code) return Object.fromEntries(answer.searchParams);
      return (await flow.redeem(code, pkce.verifier, 'portal')).json;
    };
    const read = { tables: ['orders'], actions: ['read'], rows: { customer: ['42'] } };
    for (const parameters of [
      { scope: 'openid orders:read' },
      asking({}),
      { permissions: '{"tables":{"orders":{"read":true}}}' },
      asking({ rows: { customer: ['042'] } }),
    ]) {
      const json = await ask(parameters);
      assert.deepEqual([setsOf(json), tablesOf(json)], [[read], {}], JSON.stringify(parameters));
    }
    const total = await ask(asking({ columns: ['total'], rows: { customer: ['42'] } }));
    assert.deepEqual(setsOf(total), [{ ...read, columns: ['total'] }]);
    for (const parameters of [asking({ rows: { customer: ['43'] } }), asking({ tables: ['@sales'] })]) {
      const refused = await ask(parameters);
      assert.equal(refused.error, 'invalid_authorization_details', JSON.stringify(refused));
    }
    const part = await ask({ scope: 'openid orders:read @sales:read *:read products:read' });
    assert.deepEqual([setsOf(part), part.scope], [[read], 'openid']);
  });

  test('a consent to values is asked for again only when they change', async () => {
    await flow.forget('cleo', 'portal');
    const browser = createBrowser(server.issuer);
    const enter = async (parameters: Record<string, string> = { scope: 'openid orders:read' }) => {
      const { url, pkce } = flow.request({ client_id: 'portal', ...parameters });
      let page = await browser.get(url);
      if (isLoginPage(page)) page = await flow.logIn(browser, page, { username: 'cleo' });
      const isAsked = isConsentPage(page);
      if (isAsked) page = await browser.submit(page, '/consent');
      const code = new URL(page.url).searchParams.get('code') ?? '';
      return { isAsked, sets: setsOf((await flow.redeem(code, pkce.verifier, 'portal')).json) };
    };
    const read = (customer: string) => [
      { tables: ['orders'], actions: ['read'], rows: { customer: [customer] } },
    ];
    assert.deepEqual(await enter(), { isAsked: true, sets: read('42') });
    assert.deepEqual(await enter(), { isAsked: false, sets: read('42') });
    const narrower = asking({ columns: ['total'], rows: { customer: ['42'] } });
    assert.equal((await enter({ scope: 'openid', ...narrower })).isAsked, false);
    assert.equal((await enter({ scope: 'openid orders:read orders:update' })).isAsked, true);
    await become('portal', '43');
    try {
      assert.deepEqual(await enter(), { isAsked: true, sets: read('43') });
      assert.deepEqual(await enter(), { isAsked: false, sets: read('43') });
    } finally {
      await become('portal', '42');
    }
  });

  test('a value that changes between consent and code gives nothing unseen', async () => {
    await flow.forget('cleo', 'portal');
    const { url, pkce } = flow.request({ client_id: 'portal', scope: 'openid orders:read' });
    const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'cleo' });
    await become('portal', '43');
    try {
      const code = answer.searchParams.get('code') ?? '';
      const { json } = await flow.redeem(code, pkce.verifier, 'portal');
      assert.deepEqual(json.authorization_details ?? [], []);
    } finally {
      await become('portal', '42');
    }
  });

  test('an application of the operator gets limits without asking', async () => {
    const { url, pkce } = flow.request({ client_id: 'own', scope: 'openid orders:read' });
    const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'cleo' });
    const { json } = await flow.redeem(answer.searchParams.get('code') ?? '', pkce.verifier, 'own');
    assert.deepEqual(setsOf(json), [{ tables: ['orders'], actions: ['read'], rows: { customer: ['42'] } }]);
  });

  test('a table that joins a group widens no token, login or consent', async () => {
    const { access_token: token } = await given('sales', { scope: '@sales:read' });
    const { changes, storage } = server.server.foundations;
    const shop = (await storage.directory.resources.page({ limit: 100 })).items.find(
      ({ identifier }) => identifier === RESOURCE,
    );
    assert.ok(shop);
    const groups = [{ id: 'sales', tables: ['orders', 'products', 'public.users'] }];
    const changed = await changes.resources.replace({ ...shop, groups }, AUTHOR);
    try {
      const before = { orders: 'r', products: 'r' };
      assert.deepEqual(tablesOf(await server.introspect(token)), before);
      const traded = await trader.exchange('sales', token);
      assert.deepEqual(tablesOf(traded.json), before);
      assert.equal(Object.keys(tablesOf(await given('sales', {}))).length, 3);
    } finally {
      await changes.resources.replace({ ...changed, groups: shop.groups ?? [] }, AUTHOR);
    }
  });
});
