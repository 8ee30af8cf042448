import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { testDatasourceOperation } from '../../../src/admin/operations/datasources.ts';
import { NotAllowed, NotFound, TooManyAttempts } from '../../../src/errors/domain.ts';
import { crmDatasource, writeCrm } from '../../support/crm.ts';
import { permissionsOf, type Running, start, WEAK } from './support.ts';

const PASSWORD = 'password-of-eve';

async function withCrm(t: TestContext): Promise<Running & { readonly parameters: { datasource: string } }> {
  const running = await start(t, {
    fixture({ organizations }) {
      organizations[0].datasources = [crmDatasource('shop')];
      organizations[1].datasources = [{ ...crmDatasource('other-shop'), userTables: [] }];
    },
  });
  return { ...running, parameters: { datasource: await running.idOf('acme', 'datasources', 'crm') } };
}

test('CN-06 a datasource is tried out step by step, and tells no reason of a host', async (t) => {
  const running = await withCrm(t);
  const { parameters } = running;
  const tryOut = async (body: object) =>
    (await running.run(testDatasourceOperation, { parameters, body })).body;
  assert.deepEqual(await tryOut({}), {
    isGood: false,
    steps: [{ isGood: false, says: 'It does not answer as a database, or not with these credentials.' }],
  });
  writeCrm(running.server.dataDir, PASSWORD);
  const found = await tryOut({ username: 'eve@acme.example', password: PASSWORD });
  assert.equal(found.isGood, true, JSON.stringify(found));
  assert.ok(found.steps.some(({ says }: any) => says === 'The password is right.'));
  const wrong = await tryOut({ username: 'eve@acme.example', password: 'wrong' });
  assert.equal(wrong.isGood, false);
  assert.equal(JSON.stringify(wrong).includes('$2b$'), false, 'no stored password is shown');
});

test('CN-06 an organization tries its datasources ten times a minute', async (t) => {
  const running = await withCrm(t);
  const tryOut = () => running.run(testDatasourceOperation, { parameters: running.parameters, body: {} });
  for (let i = 0; i < 10; i += 1) await tryOut();
  await assert.rejects(tryOut(), TooManyAttempts);
  running.server.clock.offset += 60_000;
  await tryOut();
});

test('a datasource is tried out only by who may change it', async (t) => {
  const running = await withCrm(t);
  const { parameters } = running;
  const attempt = (actor: object, id = parameters.datasource) =>
    running.run(testDatasourceOperation, { parameters: { datasource: id }, body: {}, actor });
  await assert.rejects(attempt(WEAK), NotAllowed);
  await assert.rejects(attempt({ permissions: permissionsOf({ datasources: { read: true } }) }), NotAllowed);
  const rows = { rows: { name: ['erp'] } };
  await assert.rejects(
    attempt({ permissions: permissionsOf({ datasources: { read: rows, update: rows } }) }),
    NotFound,
  );
  await assert.rejects(attempt({}, await running.idOf('other', 'datasources', 'crm')), NotFound);
  const path = `/organizations/acme/datasources/${parameters.datasource}/test`;
  assert.equal((await running.call('POST', path, 'auditor', { json: {} })).status, 403);
});
