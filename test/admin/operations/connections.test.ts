import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { dropEarlierConnectionTokens, rotateConnection } from '../../../src/admin/operations/connections.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { RESOURCE } from '../../support/server.ts';
import { permissionsOf, type Running, start, WEAK } from './support.ts';

const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:grantable:token-type:connection',
};

async function withConnection(
  t: TestContext,
): Promise<Running & { readonly id: string; readonly path: string }> {
  const running = await start(t, {
    fixture({ organizations }) {
      for (const [index, application] of [
        [0, 'machine'],
        [1, 'other-shop'],
      ] as const) {
        const of = organizations[index];
        const named = of.applications.find(({ name }: { name: string }) => name === application);
        named.grants.push('token_exchange');
        of.connections = [
          {
            name: 'nightly',
            application,
            resource: named.resource,
            permissions: { tables: { orders: { read: true } } },
          },
        ];
      }
    },
  });
  const id = await running.idOf('acme', 'connections', 'nightly');
  return { ...running, id, path: `/organizations/acme/connections/${id}` };
}

const exchange = ({ server }: Running, subject_token: string) =>
  server.post('/oauth/token', 'machine', { ...EXCHANGE, subject_token, resource: RESOURCE });

test('a rotated connection has two good tokens until the earlier is dropped', async (t) => {
  const running = await withConnection(t);
  const parameters = { connection: running.id };
  const first = (await running.run(rotateConnection, { parameters })).body.token;
  const { access_token } = (await exchange(running, first)).json;
  const second = (await running.run(rotateConnection, { parameters })).body.token;
  for (const token of [first, second]) assert.equal((await exchange(running, token)).status, 200);
  const use = await running.call('GET', `${running.path}/use`, 'auditor');
  assert.equal(use.status, 200, use.text);
  assert.deepEqual(
    [use.json.state, use.json.secrets.length, use.json.tokens, use.json.lastUse.networks.length],
    ['alive', 2, { count: 3, isMore: false }, 1],
  );
  assert.equal(use.text.includes('hash'), false);
  assert.equal((await running.call('POST', `${running.path}/drop-earlier`, 'auditor')).status, 403);
  assert.equal((await running.call('POST', `${running.path}/drop-earlier`, 'developer')).status, 204);
  assert.equal((await exchange(running, first)).status, 400);
  assert.equal((await exchange(running, second)).status, 200);
  assert.equal((await running.server.introspect(access_token)).active, false);
});

test("another organization's connection is unknown", async (t) => {
  const running = await withConnection(t);
  const other = await running.idOf('other', 'connections', 'nightly');
  assert.equal(
    (await running.call('GET', `/organizations/acme/connections/${other}/use`, 'owner')).status,
    404,
  );
  assert.equal((await running.call('GET', `${running.path}/use`, 'other')).status, 404);
  assert.equal(
    (await running.call('GET', `/organizations/other/connections/${other}/use`, 'server')).status,
    200,
  );
});

test('a connection is rotated only by who has its rights, rows and columns', async (t) => {
  const running = await withConnection(t);
  const parameters = { connection: running.id };
  await assert.rejects(running.run(rotateConnection, { parameters, actor: WEAK }), NotAllowed);
  await running.run(dropEarlierConnectionTokens, { parameters, actor: WEAK });
  const withRights = (connections: object) => ({ actor: { permissions: permissionsOf({ connections }) } });
  const other = { rows: { name: ['daily'] } };
  const hidden = withRights({ read: other, update: other });
  await assert.rejects(running.run(rotateConnection, { parameters, ...hidden }), NotFound);
  const described = withRights({ read: true, update: { columns: ['description'] } });
  await assert.rejects(running.run(rotateConnection, { parameters, ...described }), NotAllowed);
});
