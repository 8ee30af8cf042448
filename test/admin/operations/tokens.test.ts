import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  endLogin,
  endToken,
  getToken,
  listLogins,
  listTokens,
} from '../../../src/admin/operations/granted.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { exchangeForm } from '../../support/exchange.ts';
import { OPAQUE_RESOURCE, PASSWORD, RESOURCE } from '../../support/server.ts';
import { permissionsOf, type Running, SERVER, start, WEAK } from './support.ts';

const ACME = '/organizations/acme';

const logIn = ({ server }: Running, username = 'ann') =>
  server.post('/oauth/token', 'shop', { grant_type: 'password', username, password: PASSWORD });

const startTrading = (t: TestContext): Promise<Running> =>
  start(t, {
    fixture({ organizations: [acme] }) {
      const shop = acme.applications.find(({ name }: { name: string }) => name === 'shop');
      shop.grants.push('token_exchange');
    },
  });

test('tokens are listed by user, application, login and parent, newest first', async (t) => {
  const running = await startTrading(t);
  const [user, application] = [
    await running.userId('acme', 'shop', 'ann'),
    await running.idOf('acme', 'applications', 'shop'),
  ];
  const { json: first } = await logIn(running);
  const { json: child } = await running.server.post('/oauth/token', 'shop', exchangeForm(first.access_token));
  assert.ok(child.access_token, JSON.stringify(child));
  await logIn(running, 'bob');
  const list = async (query: string, who: 'auditor' | 'owner' = 'auditor') => {
    const { status, json, text } = await running.call('GET', `${ACME}/tokens?${query}`, who);
    assert.equal(status, 200, text);
    return json.items;
  };
  const anns = await list(`user=${user}`);
  assert.deepEqual(
    anns.map(({ grant, state, username, application: name }: any) => [grant, state, username, name]),
    [
      ['token_exchange', 'alive', 'ann', 'shop'],
      ['password', 'alive', 'ann', 'shop'],
    ],
  );
  assert.equal((await list(`application=${application}`)).length, 3);
  const [exchanged, parent] = anns;
  assert.deepEqual(
    (await list(`parent=${parent.id}`)).map(({ id }: any) => id),
    [exchanged.id],
  );
  assert.ok((await list(`login=${parent.login}`)).length >= 1);
  assert.deepEqual(parent.permissions.tables.products, { read: true });
  assert.ok(parent.rights.includes('products: read'));
  const page = await running.call('GET', `${ACME}/tokens?user=${user}&limit=1`, 'auditor');
  const next = encodeURIComponent(page.json.next);
  const rest = await list(`user=${user}&limit=1&after=${next}`);
  assert.deepEqual(
    rest.map(({ id }: any) => id),
    [parent.id],
  );
  const text = JSON.stringify(anns);
  assert.ok(!text.includes(first.access_token) && !text.includes('ancestors'));
  assert.equal((await running.call('GET', `${ACME}/tokens`, 'auditor')).status, 400);
  assert.equal((await running.call('GET', `${ACME}/tokens?user=${user}&login=x`, 'auditor')).status, 400);
});

test('a token of either format is found by its id and ended with its branch', async (t) => {
  const running = await startTrading(t);
  const user = await running.userId('acme', 'shop', 'ann');
  for (const resource of [RESOURCE, OPAQUE_RESOURCE]) {
    const { json } = await running.server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      resource,
    });
    const exchanged = await running.server.post('/oauth/token', 'shop', exchangeForm(json.access_token));
    const child = exchanged.json.access_token;
    const { items } = (await running.call('GET', `${ACME}/tokens?user=${user}&limit=2`, 'auditor')).json;
    const { id } = items[1];
    const shown = await running.call('GET', `${ACME}/tokens/${id}`, 'auditor');
    assert.deepEqual([shown.status, shown.json.resource], [200, resource], shown.text);
    const path = `${ACME}/tokens/${id}`;
    assert.equal((await running.call('DELETE', path, 'auditor')).status, 403);
    assert.equal((await running.call('DELETE', path, 'other')).status, 404);
    const wouldEnd = await running.call('DELETE', `${path}?dryRun=true`, 'maintainer');
    assert.deepEqual(wouldEnd.json, { dryRun: true, tokens: { living: 2, isMore: false } });
    assert.equal((await running.server.introspect(child)).active, true);
    const ended = await running.call('DELETE', path, 'maintainer');
    assert.deepEqual(ended.json, { dryRun: false, tokens: { living: 2, isMore: false } });
    for (const token of [json.access_token, child]) {
      assert.equal((await running.server.introspect(token)).active, false);
    }
    assert.equal((await running.call('GET', path, 'auditor')).json.state, 'ended');
  }
  const { entries } = await running.server.server.foundations.audit.page({ limit: 20 });
  assert.ok(entries.some(({ event }) => event === 'token.revoked'));
});

test('a login ends with all tokens that came from it', async (t) => {
  const running = await startTrading(t);
  const user = await running.userId('acme', 'shop', 'ann');
  const { json } = await logIn(running);
  const { items } = (await running.call('GET', `${ACME}/logins?user=${user}`, 'auditor')).json;
  const [login] = items;
  assert.deepEqual([items.length, login.state, login.application], [1, 'alive', 'shop']);
  const path = `${ACME}/logins/${login.id}`;
  assert.equal((await running.call('GET', path, 'auditor')).json.id, login.id);
  assert.equal((await running.call('DELETE', path, 'auditor')).status, 403);
  assert.equal((await running.call('DELETE', path, 'other')).status, 404);
  const ended = await running.call('DELETE', path, 'maintainer');
  assert.deepEqual(ended.json, { dryRun: false, tokens: { living: 1, isMore: false } });
  assert.equal((await running.server.introspect(json.access_token)).active, false);
  const { status } = await running.server.post('/oauth/token', 'shop', {
    grant_type: 'refresh_token',
    refresh_token: json.refresh_token,
  });
  assert.equal(status, 400);
  assert.equal(JSON.stringify(items).includes('current'), false, 'no hash of a refresh token is shown');
});

test("tokens of another organization are seen by the server's administrator only", async (t) => {
  const running = await start(t);
  await running.server.token('other-shop');
  const application = await running.idOf('other', 'applications', 'other-shop');
  const seen = async (organization: string, actor: object = {}) =>
    (await running.run(listTokens, { organization, actor, query: { application } })).body.items;
  assert.deepEqual(await seen('acme'), []);
  const [{ id }] = await seen('other');
  await assert.rejects(running.run(getToken, { parameters: { token: id } }), NotFound);
  await assert.rejects(running.run(endToken, { parameters: { token: id } }), NotFound);
  assert.equal((await seen('management', SERVER)).length, 1);
  const unknown = 'A'.repeat(22);
  assert.equal((await running.call('GET', `${ACME}/tokens/${unknown}`, 'owner')).status, 404);
  assert.equal((await running.call('GET', `${ACME}/tokens/x`, 'owner')).status, 404);
});

test('ending a token takes the right to end, not the rights of the token', async (t) => {
  const running = await start(t);
  const user = await running.userId('acme', 'shop', 'ann');
  await logIn(running);
  const [token] = (await running.run(listTokens, { query: { user } })).body.items;
  const [login] = (await running.run(listLogins, { query: { user } })).body.items;
  await running.run(endToken, { parameters: { token: token.id }, actor: WEAK });
  await running.run(endLogin, { parameters: { login: login.id }, actor: WEAK });
});

test('rows and columns limit which tokens are seen and ended', async (t) => {
  const running = await start(t);
  const [ann, bob] = [
    await running.userId('acme', 'shop', 'ann'),
    await running.userId('acme', 'shop', 'bob'),
  ];
  await logIn(running);
  await logIn(running, 'bob');
  const rows = { rows: { username: ['ann'] } };
  const limited = (tokens: object) => ({ actor: { permissions: permissionsOf({ tokens }) } });
  const seen = async (user: string, tokens: object) =>
    (await running.run(listTokens, { query: { user }, ...limited(tokens) })).body.items;
  assert.equal((await seen(ann, { read: rows })).length, 1);
  assert.deepEqual(await seen(bob, { read: rows }), []);
  const [columns] = await seen(ann, { read: { columns: ['user', 'scope'] } });
  assert.deepEqual(Object.keys(columns).sort(), ['id', 'scope', 'user']);
  const [{ id }] = await seen(bob, { read: true });
  const parameters = { token: id };
  await assert.rejects(
    running.run(endToken, { parameters, ...limited({ read: true, delete: rows }) }),
    NotAllowed,
  );
  await assert.rejects(
    running.run(endToken, { parameters, ...limited({ read: rows, delete: rows }) }),
    NotFound,
  );
  await assert.rejects(running.run(getToken, { parameters, ...limited({ read: rows }) }), NotFound);
});
