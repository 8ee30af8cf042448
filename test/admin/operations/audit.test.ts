import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toCsvLines } from '../../../src/admin/audit-export.ts';
import { auditOfOrganization, auditOfServer } from '../../../src/admin/operations/audit.ts';
import { NotFound } from '../../../src/errors/domain.ts';
import { permissionsOf, type Running, SERVER, start } from './support.ts';

const ACME = '/organizations/acme/audit';
const [listAudit, getAuditEntry, , exportAudit] = auditOfServer;
const [listOrganizationAudit, , countOrganizationAudit, exportOrganizationAudit] = auditOfOrganization;

/** Entries of acme, and one of the other organization. */
async function fill({ server }: Running): Promise<void> {
  const { audit, store, now } = server.server.foundations;
  const [acme, other] = [
    (await store.organizations.findBy('name', 'acme'))?.id as string,
    (await store.organizations.findBy('name', 'other'))?.id as string,
  ];
  for (let i = 0; i < 3; i += 1) {
    const at = now() + i;
    const facts = { at, outcome: 'changed', actor: `user:${i}`, organization: acme } as const;
    await audit.append({ ...facts, event: 'thing.changed', subject: 'thing' });
  }
  await audit.append({ at: now(), event: 'thing.refused', outcome: 'denied', organization: other });
}

test('the audit log is filtered by actor, target, event, outcome and time', async (t) => {
  const running = await start(t);
  await fill(running);
  const list = async (query: string) => {
    const { status, json, text } = await running.call('GET', `${ACME}?${query}`, 'auditor');
    assert.equal(status, 200, text);
    return json;
  };
  const { items } = await list('event=thing.changed');
  assert.deepEqual(
    items.map(({ actor }: any) => actor),
    ['user:2', 'user:1', 'user:0'],
  );
  const [newest] = items;
  assert.equal(newest.organization, 'acme');
  assert.equal((await list('event=thing.&actor=user:1')).items.length, 1);
  assert.equal((await list('target=thing&outcome=changed')).items.length, 3);
  assert.equal((await list('event=thing.&outcome=denied')).items.length, 0);
  assert.equal((await list(`event=thing.&since=${newest.at}`)).items.length, 1);
  assert.equal((await list(`event=thing.&until=${newest.at}`)).items.length, 2);
  const first = await list('event=thing.&limit=2');
  assert.equal(first.items.length, 2);
  const rest = await list(`event=thing.&limit=2&after=${encodeURIComponent(first.next)}`);
  assert.deepEqual(
    rest.items.map(({ actor }: any) => actor),
    ['user:0'],
  );
  const counted = await running.call('GET', `${ACME}/count?event=thing.`, 'auditor');
  assert.deepEqual(counted.json, { count: 3, isMore: false }, counted.text);
  const one = await running.call('GET', `${ACME}/entries/${newest.id}`, 'auditor');
  assert.deepEqual(one.json, newest);
  assert.equal((await running.call('GET', ACME, 'developer')).status, 403);
  assert.equal((await running.call('GET', ACME, 'other')).status, 404);
  assert.equal((await running.call('GET', `${ACME}?since=yesterday`, 'auditor')).status, 400);
});

test("entries of another organization are seen by the server's administrator only", async (t) => {
  const running = await start(t);
  await fill(running);
  const query = { event: 'thing.refused' };
  assert.deepEqual((await running.run(listOrganizationAudit, { query })).body.items, []);
  const [refused] = (await running.run(listAudit, { actor: SERVER, query })).body.items;
  assert.equal(refused.organization, 'other');
  const { status } = await running.call('GET', `${ACME}/entries/${refused.id}`, 'owner');
  assert.equal(status, 404);
  const parameters = { entry: refused.id };
  assert.equal((await running.run(getAuditEntry, { actor: SERVER, parameters })).body.event, 'thing.refused');
  await assert.rejects(running.run(getAuditEntry, { actor: SERVER, parameters: { entry: '0' } }), NotFound);
});

test('rows and columns limit what is listed, counted and exported', async (t) => {
  const running = await start(t);
  await fill(running);
  const read = { rows: { actor: ['user:1'] }, columns: ['event', 'actor'] };
  const actor = { permissions: permissionsOf({ audit: { read } }) };
  const query = { event: 'thing.' };
  const { items } = (await running.run(listOrganizationAudit, { actor, query })).body;
  assert.deepEqual(
    items.map(({ id: _, ...rest }: any) => rest),
    [{ event: 'thing.changed', actor: 'user:1' }],
  );
  const { body } = await running.run(countOrganizationAudit, { actor, query });
  assert.deepEqual(body, { count: 1, isMore: false });
  const { lines } = await running.run(exportOrganizationAudit, { actor, query });
  const exported = await Array.fromAsync(lines?.('application/x-ndjson') ?? []);
  assert.equal(exported.length, 1);
});

/** A log of which the actor may read nothing, and that goes on until something else had its turn. */
function readUntilOthersHadTheirTurn() {
  const read = { rows: { actor: ['user:1'] } };
  let pages = 0;
  let isOver = false;
  setImmediate(() => {
    isOver = true;
  });
  const page = async () => {
    pages += 1;
    return { entries: [], ...(!isOver && pages < 1_000 && { next: 'more' }) };
  };
  return {
    call: { actor: { permissions: permissionsOf({ audit: { read } }) }, organization: {}, query: {} },
    deps: { store: {}, audit: { page } },
    pages: () => pages,
  };
}

test('other requests have their turn while entries are read that are not shown', async () => {
  const { call, deps, pages } = readUntilOthersHadTheirTurn();
  await countOrganizationAudit.run(call as never, deps as never);
  assert.ok(pages() < 100, `${pages()} pages`);
});

test('a count of entries that may not be read ends', async () => {
  const { call, deps } = readUntilOthersHadTheirTurn();
  const page = async () => ({ entries: [], next: 'more' });
  const endless = { ...deps, audit: { page } };
  const { body } = await countOrganizationAudit.run(call as never, endless as never);
  assert.deepEqual(body, { count: 0, isMore: true });
});

test('the whole log is exported as lines of JSON and as CSV, and that is recorded', async (t) => {
  const running = await start(t);
  await fill(running);
  const query = { event: 'thing.' };
  const take = async (media: string) => {
    const { lines } = await running.run(exportAudit, { actor: SERVER, query });
    return Array.fromAsync(lines?.(media) ?? []);
  };
  const json = (await take('application/x-ndjson')).map((line) => JSON.parse(line));
  assert.deepEqual(new Set(json.map(({ organization }) => organization)), new Set(['acme', 'other']));
  const csv = await take('text/csv');
  assert.equal(csv.length, 5);
  assert.match(csv[0] ?? '', /^"id","at","event","outcome"/);
  const { items } = (await running.run(listAudit, { actor: SERVER, query: { event: 'audit.exported' } }))
    .body;
  assert.equal(items.length, 2);
  assert.equal((await running.call('GET', `${ACME}/export`, 'developer')).status, 403);
});

test('spreadsheets compute no cell of an export', async () => {
  const hostile = ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', ' =1', '\uFF1D1'];
  async function* entries() {
    for (const actor of hostile) yield { event: 'login.refused', actor };
    yield { event: 'a "quoted", one', actor: 'a-b=c' };
  }
  const [, ...lines] = await Array.fromAsync(toCsvLines(entries()));
  const cells = lines.map((line) => /^"","",(".*?"),"","",(".*?"),""/s.exec(line)?.slice(1));
  assert.deepEqual(
    cells.map((found) => found?.[1]),
    [...hostile.map((text) => `"'${text}"`), '"a-b=c"'],
  );
  assert.ok(lines.at(-1)?.includes('"a ""quoted"", one"'));
  assert.ok(lines.every((line) => line.endsWith('\r\n')));
});
