import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listKeys, removeKey, rotateKeys } from '../../../src/admin/operations/keys.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { permissionsOf, SERVER, start } from './support.ts';

test('keys are listed without their private parts, to who administers the server', async (t) => {
  const running = await start(t);
  const { body } = await running.run(listKeys, { actor: SERVER });
  const [key] = body.items;
  assert.deepEqual(Object.keys(key).sort(), ['alg', 'createdAt', 'id', 'signsFrom', 'state']);
  assert.equal(key.state, 'active');
  for (const who of ['owner', 'auditor', 'developer'] as const) {
    assert.equal((await running.call('GET', '/keys', who)).status, 403, who);
  }
});

test('new keys are published before they sign', async (t) => {
  const running = await start(t);
  running.server.clock.stoppedAt = Date.now();
  const states = ({ items }: any): string[] => items.map(({ state }: any) => state).sort();
  const { body } = await running.run(rotateKeys, { actor: SERVER, body: { lead: 600 } });
  assert.deepEqual([...new Set(states(body))], ['active', 'next']);
  const next = body.items.find(({ state }: any) => state === 'next');
  assert.ok(Date.parse(next.signsFrom) - Date.parse(next.createdAt) >= 600_000);
  const { entries } = await running.server.server.foundations.audit.page({ limit: 5 });
  assert.ok(entries.some(({ event, actor }) => event === 'keys.rotated' && actor === 'user:tester'));
});

test('a removed key takes its tokens along', async (t) => {
  const running = await start(t);
  const { access_token } = (await running.server.token('machine')).json;
  const { kid } = JSON.parse(Buffer.from(access_token.split('.')[0], 'base64url').toString());
  const { body } = await running.run(removeKey, { actor: SERVER, parameters: { key: kid } });
  assert.ok(body.items.length > 0);
  assert.ok(body.items.every(({ id }: any) => id !== kid));
  // Other processes, and this one, read the keys again every second.
  await assert.rejects(running.run(removeKey, { actor: SERVER, parameters: { key: kid } }), NotFound);
  await running.server.restart();
  assert.equal((await running.server.introspect(access_token)).active, false);
});

test('rows limit which keys are seen and removed', async (t) => {
  const running = await start(t);
  const [key] = (await running.run(listKeys, { actor: SERVER })).body.items;
  const limited = (rows: object) => ({
    ...SERVER,
    permissions: permissionsOf({ keys: { read: true, delete: { rows } } }),
  });
  const parameters = { key: key.id };
  await assert.rejects(running.run(removeKey, { actor: limited({ alg: ['none'] }), parameters }), NotAllowed);
  const blind = { ...SERVER, permissions: permissionsOf({ keys: { read: { rows: { alg: ['none'] } } } }) };
  assert.deepEqual((await running.run(listKeys, { actor: blind })).body.items, []);
});
