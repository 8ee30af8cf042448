import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  explainRights,
  explainTokenOfOrganization,
  explainTokenOfServer,
} from '../../../src/admin/operations/explain.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { PASSWORD } from '../../support/server.ts';
import { permissionsOf, type Running, SERVER, start } from './support.ts';

const PATH = '/organizations/acme/explain';

async function logIn({ server }: Running): Promise<string> {
  const { json } = await server.post('/oauth/token', 'shop', {
    grant_type: 'password',
    username: 'bob',
    password: PASSWORD,
  });
  return json.access_token;
}

test('a token is explained cell by cell', async (t) => {
  const running = await start(t);
  const token = await logIn(running);
  const { status, json, text } = await running.call('POST', `${PATH}/token`, 'auditor', { json: { token } });
  assert.equal(status, 200, text);
  assert.equal(json.isActive, true);
  assert.deepEqual(json.permissions, { tables: { orders: { read: true } } });
  const [right] = json.rights;
  assert.deepEqual([right.table, right.action], ['orders', 'read']);
  assert.ok(right.from.includes('role reader') && right.from.includes('ceiling of application shop'), text);
  assert.ok(json.withheld.some(({ table, by }: any) => table === 'products' && by === 'roles of user bob'));
  assert.ok(json.above.some(({ what }: any) => what === 'user bob'));
  assert.equal(text.includes(token), false);
});

test("another organization's token is not explained, and a wrong one says why", async (t) => {
  const running = await start(t);
  const token = await logIn(running);
  const asked = { json: { token } };
  assert.equal(
    (await running.call('POST', '/organizations/other/explain/token', 'other', asked)).status,
    404,
  );
  const { body } = await running.run(explainTokenOfServer, { actor: SERVER, body: asked.json });
  assert.equal(body.isActive, true);
  assert.equal((await running.call('POST', '/explain/token', 'owner', asked)).status, 403);
  assert.equal((await running.call('POST', `${PATH}/token`, 'developer', asked)).status, 403);
  const wrong = await running.call('POST', `${PATH}/token`, 'auditor', { json: { token: 'nonsense' } });
  assert.deepEqual(
    [wrong.status, wrong.json.isActive, wrong.json.kind],
    [200, false, 'not a token of this server'],
  );
});

test('rights that a user would get have the reason of each', async (t) => {
  const running = await start(t);
  const application = await running.idOf('acme', 'applications', 'shop');
  const user = await running.userId('acme', 'shop', 'bob');
  const permissions = {
    tables: { orders: { read: true, create: true, delete: true }, nothing: { read: true } },
  };
  const { status, json, text } = await running.call('POST', `${PATH}/rights`, 'auditor', {
    json: { application, user, permissions, scopes: ['orders.read', 'orders.write'] },
  });
  assert.equal(status, 200, text);
  assert.equal(json.isGranted, false);
  assert.deepEqual(json.permissions, { tables: { orders: { read: true } } });
  assert.ok(json.given[0].from.includes('role reader'), text);
  assert.deepEqual(
    json.refused.map(({ table, action, because }: any) => `${table}:${action} ${because}`).sort(),
    ['nothing:read catalogue', 'orders:create roles', 'orders:delete ceiling'],
  );
  assert.deepEqual(json.scopes, [
    { scope: 'orders.read', isGiven: true },
    { scope: 'orders.write', isGiven: false },
  ]);
  const fitting = await running.call('POST', `${PATH}/rights`, 'auditor', {
    json: { application, user, permissions: { tables: { orders: { read: true } } } },
  });
  assert.equal(fitting.json.isGranted, true, fitting.text);
});

test('a limit of a role is named as the reason', async (t) => {
  const running = await start(t, {
    fixture({ organizations: [acme] }) {
      acme.resources[0].tables[0].columns = [{ name: 'country', type: 'text' }];
      acme.roles.find(({ name }: { name: string }) => name === 'reader').permissions = {
        tables: { orders: { read: { rows: { country: ['de'] } } } },
      };
    },
  });
  const application = await running.idOf('acme', 'applications', 'shop');
  const user = await running.userId('acme', 'shop', 'bob');
  const { json } = await running.call('POST', `${PATH}/rights`, 'auditor', {
    json: { application, user, permissions: { tables: { orders: { read: true } } } },
  });
  const [refused] = json.refused;
  assert.deepEqual(
    [refused.because, refused.isNarrowed, refused.leaves],
    ['roles', true, ['only those where country is de']],
  );
});

test('a user of another realm, or a disabled one, would get nothing', async (t) => {
  const running = await start(t);
  const application = await running.idOf('acme', 'applications', 'shop');
  const user = await running.userId('acme', 'web', 'ann');
  const { json } = await running.call('POST', `${PATH}/rights`, 'auditor', { json: { application, user } });
  assert.equal(json.isGranted, false);
  assert.deepEqual(json.problems, ['the application shop has the people of another realm']);
});

test('explaining takes the right to read what it speaks of', async (t) => {
  const running = await start(t);
  const application = await running.idOf('acme', 'applications', 'shop');
  const other = await running.userId('other', 'other-shop', 'ann');
  const ask = (body: object, tables?: object) =>
    running.run(explainRights, { body, ...(tables && { actor: { permissions: permissionsOf(tables) } }) });
  await assert.rejects(ask({ application, user: other }), NotFound);
  const all = { read: true };
  await ask({ application }, { applications: all, roles: all, resources: all });
  await assert.rejects(ask({ application }, { applications: all, roles: all }), NotAllowed);
  await assert.rejects(
    ask({ application }, { applications: { read: { columns: ['name'] } }, roles: all, resources: all }),
    NotAllowed,
  );
  const user = await running.userId('acme', 'shop', 'ann');
  const others = {
    applications: all,
    users: all,
    resources: all,
    roles: { read: { rows: { name: ['none'] } } },
  };
  await assert.rejects(ask({ application, user }, others), NotFound);
  const rows = { rows: { clientId: ['web'] } };
  const permissions = permissionsOf({ tokens: { read: rows } });
  await assert.rejects(
    running.run(explainTokenOfOrganization, {
      body: { token: await logIn(running) },
      actor: { permissions },
    }),
    NotFound,
  );
});
