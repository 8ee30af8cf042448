import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startAdmin, type TestAdmin } from './support.ts';

const LIST = '/organizations/acme/probes';
const PARALLEL = 50;

describe('versions of objects in the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  async function make(name: string): Promise<string> {
    const { status, json, headers } = await admin.call('POST', LIST, 'owner', { json: { name } });
    assert.equal(status, 201);
    assert.equal(headers.get('etag'), '"1"');
    assert.equal(headers.get('location'), `/admin/api/v1${LIST}/${json.id}`);
    return `${LIST}/${json.id}`;
  }
  const patch = (path: string, tag: string | undefined, name = 'changed') =>
    admin.call('PATCH', path, 'owner', {
      json: { name },
      ...(tag !== undefined && { headers: { 'if-match': tag } }),
    });

  test('a change without If-Match is 428 and with an old one 412', async () => {
    const path = await make('needs a version');
    const said = async (tag: string | undefined) => {
      const { status, json } = await patch(path, tag, 'needs a version too');
      return `${status} ${json.code}`;
    };
    assert.equal(await said(undefined), '428 precondition_required');
    assert.equal(await said('"7"'), '412 precondition_failed');
    assert.equal(await said('"another"'), '412 precondition_failed');
    assert.equal(await said('"0"'), '412 precondition_failed');
    for (const tag of ['*', 'W/"1"', '"1", "2"', '1', '"1']) {
      assert.equal(await said(tag), '400 invalid_request', tag);
    }
    assert.equal(await said('"1"'), '200 undefined');
    assert.equal(await said('"1"'), '412 precondition_failed');
    const removed = await admin.call('DELETE', path, 'owner', { headers: { 'if-match': '"1"' } });
    assert.equal(removed.status, 412);
    const again = await admin.call('DELETE', path, 'owner', { headers: { 'if-match': '"2"' } });
    assert.deepEqual([again.status, again.text], [204, '']);
    assert.equal((await admin.call('GET', path, 'owner')).status, 404);
  });

  test('a version that the client has already is 304', async () => {
    const path = await make('read twice');
    const ask = (tag: string) => admin.call('GET', path, 'owner', { headers: { 'if-none-match': tag } });
    for (const tag of ['"1"', 'W/"1"', '"0", "1"', '*']) {
      const { status, text, headers } = await ask(tag);
      assert.deepEqual([status, text, headers.get('etag')], [304, '', '"1"'], tag);
    }
    assert.equal((await ask('"2"')).status, 200);
  });

  test(`MT-09 of ${PARALLEL} changes with one If-Match, one wins`, async () => {
    const path = await make('much wanted');
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, (_, index) => patch(path, '"1"', `winner ${index}`)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array.from({ length: PARALLEL - 1 }, () => 412)]);
    const winner = answers.findIndex(({ status }) => status === 200);
    const { json, headers } = await admin.call('GET', path, 'owner');
    assert.deepEqual([json.name, headers.get('etag')], [`winner ${winner}`, '"2"']);
  });

  test('a name that is taken is 409', async () => {
    await make('taken');
    const { status, json } = await admin.call('POST', LIST, 'owner', { json: { name: 'taken' } });
    assert.deepEqual([status, json.code], [409, 'conflict']);
    assert.match(json.detail, /name/);
  });
});
