import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../support/until.ts';
import { startAdmin, type TestAdmin } from './support.ts';

const LIST = '/organizations/acme/probes';
const MOST = 256 * 1024;

describe('bodies of the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  const post = async (text: string | Buffer, headers = {}) => {
    const { status, json } = await admin.call('POST', `${LIST}?dryRun=true`, 'owner', { text, headers });
    return { said: `${status} ${json.code}`, json };
  };

  test('a body of 256 KB is read and a larger one is 413', async () => {
    const filled = (bytes: number) => `{"name":"x","nested":"${'n'.repeat(bytes - 24)}"}`;
    assert.equal(Buffer.byteLength(filled(MOST)), MOST);
    assert.equal((await post(filled(MOST))).said, '200 undefined');
    assert.equal((await post(filled(MOST + 1))).said, '413 content_too_large');
  });

  test('another type, a compressed body and other bytes are refused', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.equal((await post('name=x', form)).said, '415 unsupported_media_type');
    assert.equal(
      (await post('{"name":"x"}', { 'content-type': 'text/plain' })).said,
      '415 unsupported_media_type',
    );
    const merge = { 'content-type': 'application/merge-patch+json' };
    assert.equal((await post('{"name":"x"}', merge)).said, '415 unsupported_media_type');
    const gzip = { 'content-encoding': 'gzip' };
    assert.equal((await post(gzipSync('{"name":"x"}'), gzip)).said, '415 unsupported_media_type');
    assert.equal((await post(Buffer.from([0x7b, 0xff, 0x7d]))).said, '400 invalid_request');
    assert.equal(
      (await post('{"name":"x"}', { 'content-type': 'application/json; charset=utf-8' })).said,
      '200 undefined',
    );
  });

  test('DO-06 thousands of wrong members are refused quickly and in few words', async () => {
    const many = Object.fromEntries(Array.from({ length: 15_000 }, (_, at) => [`member${at}`, 1]));
    const names = Array.from({ length: 15_000 }, (_, at) => `role${at}`);
    const long = { [`n${'a'.repeat(200_000)}`]: 1 };
    const bodies = { roles: [many, long], users: [{ username: 'u', application: 'shop', roles: names }] };
    for (const [collection, all] of Object.entries(bodies)) {
      for (const body of all) {
        const path = `/organizations/acme/${collection}?dryRun=true`;
        const { status, text, json } = await admin.call('POST', path, 'owner', { json: body });
        assert.equal(status, 422);
        assert.ok(json.errors.length <= 100, `${json.errors.length} errors`);
        assert.ok(text.length < JSON.stringify(body).length + 1_000, `${text.length} bytes`);
        if (body !== long) assert.match(json.detail, /; and 14,?\d{3} more\.$/);
      }
    }
  });

  test('hostile JSON is refused', async () => {
    const deep = (levels: number) => `{"name":"x","nested":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const hostile = [
      '',
      '{',
      'name',
      '{"name":"x"}{}',
      '{"name":"x","name":"y"}',
      '{"name":"x","\\u006eame":"y"}',
      '{"name":"x","nested":{"a":1,"a":2}}',
      '{"name":"x","__proto__":{}}',
      '{"name":"x","nested":{"__proto__":{"admin":true}}}',
      '{"name":"x","nested":{"constructor":{}}}',
      deep(16),
      deep(50_000),
      `{"name":"x","nested":[${'1,'.repeat(50_000)}1]}`,
      '{"name":"x\\u0000',
    ];
    for (const text of hostile) {
      assert.equal((await post(text)).said, '400 invalid_request', text.slice(0, 60));
    }
    assert.equal((await post(deep(15))).said, '200 undefined');
    for (const text of ['[]', 'null', '"name"', '1e999']) {
      assert.equal((await post(text)).said, '422 invalid_fields', text);
    }
  });

  test('each wrong member is named by its path', async () => {
    const { said, json } = await post('{"name":5,"nam":"x"}');
    assert.equal(said, '422 invalid_fields');
    assert.deepEqual(
      json.errors.map(({ path }: any) => path),
      ['/name', '/nam'],
    );
    for (const { detail } of json.errors) assert.match(detail, /\w/);
  });

  test('a body where none is read is refused', async () => {
    const text = '{}';
    const { status } = await admin.call('GET', LIST, 'owner', { text });
    assert.equal(status, 400);
  });

  test('a client that breaks off its body leaves nothing behind', async () => {
    const { host } = new URL(admin.issuer);
    const socket = connect(admin.port);
    const head = [
      `POST /admin/api/v1${LIST} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${admin.tokens.owner}`,
      'Content-Type: application/json',
      'Content-Length: 100',
      'Idempotency-Key: broken-off',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n{"name":"half`);
    const refusals = async () =>
      (await admin.call('GET', LIST, 'owner')).json.items.map(({ name }: any) => name);
    await until('the server has taken the request', () => socket.bytesWritten > 0);
    socket.destroy();
    const { status, text } = await admin.call('POST', LIST, 'owner', {
      json: { name: 'whole' },
      headers: { 'idempotency-key': 'broken-off' },
    });
    assert.equal(status, 201, text);
    assert.ok(!(await refusals()).includes('half'));
  });
});
