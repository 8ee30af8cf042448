/** Requests within a ceiling whose variables have values only when it is known who logs in. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser } from '../support/browser.ts';
import { AUTHOR } from '../support/exchange.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, type Flow } from './flow.ts';

describe('an authorization request within a ceiling that has variables', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }: any) {
        const [shop] = acme.resources;
        shop.tables[0].columns = [{ name: 'customer_id', type: 'integer' }];
        shop.tables[1].columns = [{ name: 'region', type: 'text' }];
        shop.groups = [{ id: 'sales', tables: ['orders', 'products'] }];
        const own = { read: { rows: { customer_id: [{ $user: 'attributes.customer' }] } } };
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        web.permissions = { tables: { orders: own, products: { read: true } } };
        acme.roles.push({ name: 'all', permissions: { tables: { '*': { read: true } } } });
        acme.users.push({
          username: 'carl',
          password: PASSWORD,
          application: 'web',
          roles: ['all'],
          attributes: { customer: '042' },
        });
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  /** What the token of such a request gives, or the error. */
  async function given(parameters: Record<string, string>): Promise<string[]> {
    const { url, pkce } = flow.request({ scope: 'openid', ...parameters });
    const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'carl' });
    const code = answer.searchParams.get('code');
    if (code === null) return [`${answer.searchParams.get('error')}`];
    const { json, text } = await flow.redeem(code, pkce.verifier);
    assert.ok(json.authorization_details, text);
    return json.authorization_details.map(({ identifier, tables, rows, actions }: any) =>
      [identifier ?? tables, actions, ...(rows ? [JSON.stringify(rows)] : [])].join(' '),
    );
  }
  const details = (detail: object) => ({ authorization_details: JSON.stringify([detail]) });
  const table = { type: 'table_access', actions: ['read'] };
  const set = { type: 'table_access_set', tables: ['orders'], actions: ['read'] };
  const OWN = 'orders read {"customer_id":["42"]}';

  const requests: [name: string, Record<string, string>, string[]][] = [
    ['gets what there is of a table', details({ ...table, identifier: 'orders' }), [OWN]],
    ['gets what there is for a scope', { scope: 'openid orders:read' }, [OWN]],
    ['gets the tables of a group', details({ ...table, identifier: '@sales' }), ['products read', OWN]],
    ['gets its own values', details({ ...set, rows: { customer_id: ['0042'] } }), [OWN]],
    [
      'does not get values of others',
      details({ ...set, rows: { customer_id: ['43'] } }),
      ['invalid_authorization_details'],
    ],
  ];
  for (const [name, parameters, expected] of requests) {
    test(name, async () => assert.deepEqual(await given(parameters), expected));
  }

  test('gets what a column can hold when the code is redeemed, in all answers', async () => {
    const limited = { ...set, tables: ['products'], rows: { region: ['042', 'eu'] } };
    const { url, pkce } = flow.request({ scope: 'openid', ...details(limited) });
    const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'carl' });
    const { changes, storage } = server.server.foundations;
    const resource = await storage.directory.resources.findBy('identifier', RESOURCE);
    assert.ok(resource);
    const tables = resource.tables.map((each) =>
      each.id === 'products' ? { ...each, columns: [{ name: 'region', type: 'integer' as const }] } : each,
    );
    const changed = await changes.resources.replace({ ...resource, tables }, AUTHOR);
    const { json } = await flow.redeem(codeOf(answer), pkce.verifier);
    const introspected = await server.introspect(json.access_token);
    await changes.resources.replace({ ...changed, tables: resource.tables }, AUTHOR);
    for (const { authorization_details } of [json, introspected])
      assert.deepEqual(authorization_details[0].rows, { region: ['42'] });
  });
});
