import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { approveAgent, endAgent, withdrawAgentApproval } from '../../../src/admin/operations/agents.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { addAgent, addLogin, documentOf } from '../../support/agents.ts';
import { permissionsOf, start, WEAK } from './support.ts';

const URL_ID = 'https://agent.example/oauth/client.json';
const OTHER = 'https://other.example/client.json';
/** Of what the agent says of itself: at first, and later. */
const [FIRST, SECOND] = [documentOf('Claude'), documentOf('Claude 2')];
const ALL = '/organizations/acme/agents';

async function startWithAgents(t: TestContext) {
  const running = await start(t);
  const { foundations } = running.server.server;
  const agent = await addAgent(running.server, { clientId: URL_ID });
  const other = await addAgent(running.server, { clientId: OTHER });
  const registered = await addAgent(running.server, { clientId: 'dcr-1' });
  const list = async (query = '', who: 'auditor' | 'other' = 'auditor') =>
    (await running.call('GET', `${ALL}${query}`, who)).json.items.map((each: any) => each.clientId);
  return { ...running, foundations, agent, other, registered, list };
}

test('agents are listed by kind, publisher and approval, and found by client id', async (t) => {
  const { list, call, agent, server } = await startWithAgents(t);
  await addLogin(server, agent);
  await addLogin(server, agent);
  assert.deepEqual(await list(), [URL_ID, OTHER, 'dcr-1']);
  assert.deepEqual(await list('?kind=registered'), ['dcr-1']);
  assert.deepEqual(await list('?publisher=agent.example'), [URL_ID]);
  assert.deepEqual(await list('?approved=true'), []);
  assert.deepEqual(await list(`?clientId=${encodeURIComponent(OTHER)}`), [OTHER]);
  assert.deepEqual(await list('?clientId=shop'), [], 'an application that is not an agent');
  const first = (await call('GET', `${ALL}?limit=2`, 'auditor')).json;
  assert.equal(first.items.length, 2);
  assert.deepEqual(await list(`?after=${first.next}`), ['dcr-1']);
  const { json } = await call('GET', `${ALL}/${agent.id}`, 'auditor');
  assert.deepEqual(
    [json.name, json.publisher, json.kind, json.document, json.approved, json.logins, json.people],
    [
      'Claude',
      'agent.example',
      'document',
      FIRST,
      false,
      { count: 2, isMore: false },
      { count: 1, isMore: false },
    ],
  );
  assert.equal((await call('GET', ALL, 'other')).status, 404);
});

test('an application that is not an agent has no place among agents', async (t) => {
  const { call, idOf } = await startWithAgents(t);
  const shop = await idOf('acme', 'applications', 'shop');
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/approve'],
    ['POST', '/withdraw-approval'],
    ['DELETE', ''],
  ] as const) {
    const json = path === '/approve' ? { document: FIRST } : undefined;
    const answer = await call(method, `${ALL}/${shop}${path}`, 'owner', json && { json });
    assert.equal(answer.status, 404, answer.text);
  }
});

test('an approval is of the document that the administrator looked at', async (t) => {
  const { call, list, agent, foundations } = await startWithAgents(t);
  const approve = (document: string) =>
    call('POST', `${ALL}/${agent.id}/approve`, 'owner', { json: { document } });
  const early = await approve('hash-0');
  assert.deepEqual([early.status, early.json.code], [409, 'conflict'], early.text);
  const approved = await approve(FIRST);
  assert.equal(approved.status, 200, approved.text);
  assert.equal(approved.json.approved, true);
  assert.match(approved.json.approval.by, /^user:/);
  assert.deepEqual(await list('?approved=true'), [URL_ID]);
  const { store, changes } = foundations;
  const current = await store.applications.get(agent.id);
  assert.ok(current);
  const changed = { ...current, agent: { kind: 'document', id: randomUUID(), document: SECOND } } as const;
  await changes.applications.replace(changed, { actor: 'user:ann' });
  const { json } = await call('GET', `${ALL}/${agent.id}`, 'auditor');
  assert.deepEqual([json.approved, json.approval.document], [false, FIRST]);
  assert.equal((await approve(FIRST)).status, 409);
  assert.equal((await approve(SECOND)).json.approved, true);
  const withdrawn = await call('POST', `${ALL}/${agent.id}/withdraw-approval`, 'owner');
  assert.deepEqual([withdrawn.json.approved, withdrawn.json.approval], [false, undefined], withdrawn.text);
  const { entries } = await foundations.storage.audit.page({ subject: agent.id, limit: 10 });
  assert.deepEqual(entries.map(({ event, client }) => [event, client]).reverse(), [
    ['agent.registered', URL_ID],
    ['agent.approved', URL_ID],
    ['agent.changed', URL_ID],
    ['agent.approved', URL_ID],
    ['agent.approval_withdrawn', URL_ID],
  ]);
});

test('to approve takes the rights of the application that agents come through', async (t) => {
  const { run, agent, foundations } = await startWithAgents(t);
  const parameters = { agent: agent.id };
  const body = { document: FIRST };
  const { store, changes } = foundations;
  await assert.rejects(run(approveAgent, { parameters, body, actor: WEAK }), NotAllowed);
  // What the agent itself has says nothing of what it may come to have.
  const current = await store.applications.get(agent.id);
  assert.ok(current);
  const { resource: _, ...unbound } = current;
  await changes.applications.replace({ ...unbound, ceilings: [] }, { actor: 'test' });
  await assert.rejects(run(approveAgent, { parameters, body, actor: WEAK }), NotAllowed);
  await assert.rejects(run(withdrawAgentApproval, { parameters, actor: WEAK }), NotAllowed);
  const columns = { tables: { applications: { read: true, update: { columns: ['description'] } } } };
  const permissions = permissionsOf(columns.tables);
  await assert.rejects(run(approveAgent, { parameters, body, actor: { permissions } }), NotAllowed);
});

test('an end takes all that an agent holds, with the right to remove applications only', async (t) => {
  const { run, call, agent, other, registered, list, server, foundations } = await startWithAgents(t);
  await addLogin(server, agent);
  const parameters = { agent: agent.id };
  const reads = { permissions: permissionsOf({ applications: { read: true, update: true } }) };
  await assert.rejects(run(endAgent, { parameters, actor: reads }), NotAllowed);
  await assert.rejects(run(endAgent, { parameters, organization: 'other' }), NotFound);
  await run(endAgent, { parameters, actor: WEAK, dryRun: true });
  assert.deepEqual(await list(), [URL_ID, OTHER, 'dcr-1']);
  await run(endAgent, { parameters, actor: WEAK });
  assert.deepEqual(await list(), [OTHER, 'dcr-1']);
  const ended = await call('DELETE', `${ALL}/${registered.id}`, 'developer');
  assert.equal(ended.status, 200, ended.text);
  assert.deepEqual(await list(), [OTHER]);
  const [mark] = await foundations.storage.nodes.read([agent.id]);
  assert.ok(mark?.revokedAt !== undefined);
  const { entries } = await foundations.storage.audit.page({ subject: agent.id, limit: 10 });
  assert.deepEqual(entries.map(({ event }) => event).reverse(), ['agent.registered', 'agent.ended']);
  assert.ok(await foundations.store.applications.get(other.id));
});

test('administrators disable an agent, and change nothing that it says of itself', async (t) => {
  const { call, agent } = await startWithAgents(t);
  const path = `/organizations/acme/applications/${agent.id}`;
  const { json: found } = await call('GET', path, 'auditor');
  assert.deepEqual([found.agent.kind, found.agent.document], ['document', FIRST]);
  const patch = async (json: object, version = 1) =>
    call('PATCH', path, 'owner', { json, headers: { 'if-match': `"${version}"` } });
  for (const change of [
    { name: 'bank' },
    { displayName: 'Bank' },
    { redirectUris: ['https://evil.example/'] },
    { grants: ['password'] },
    { scopes: null },
    { firstParty: true },
    { permissions: { isAdmin: true } },
    { agent: { kind: 'document', document: SECOND } },
  ]) {
    const refused = await patch(change);
    assert.equal(refused.status, 422, `${JSON.stringify(change)} ${refused.text}`);
    assert.match(refused.text, /cannot be changed/);
  }
  const disabled = await patch({ enabled: false, description: 'It asked for too much.' });
  assert.deepEqual([disabled.status, disabled.json.enabled], [200, false], disabled.text);
  const { json } = await call(
    'GET',
    `/organizations/acme/applications?clientId=${encodeURIComponent(URL_ID)}`,
    'auditor',
  );
  assert.deepEqual(
    json.items.map(({ id }: any) => id),
    [agent.id],
  );
});

test('columns of rights decide what is shown of an agent', async (t) => {
  const { run, agent } = await startWithAgents(t);
  const permissions = permissionsOf({ applications: { read: { columns: ['clientId', 'enabled'] } } });
  const { getAgent, listAgents } = await import('../../../src/admin/operations/agents.ts');
  const { body } = await run(getAgent, { parameters: { agent: agent.id }, actor: { permissions } });
  assert.deepEqual(Object.keys(body).sort(), ['clientId', 'enabled', 'id', 'version']);
  const listed = await run(listAgents, { query: { approved: 'false' }, actor: { permissions } });
  assert.deepEqual(listed.body.items, [], 'a list tells no more than its objects');
});
