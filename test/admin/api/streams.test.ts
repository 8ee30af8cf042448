import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { until } from '../../support/until.ts';
import { streams } from './probes.ts';
import { startAdmin, type TestAdmin } from './support.ts';

const LINES = '/organizations/acme/probes/lines';

describe('streams of the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  const ask = (accept: string, method = 'GET') =>
    admin.call(method, `${LINES}?count=3`, 'owner', { headers: { accept } });

  /** One that does not read the answer. */
  function open(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { host: new URL(admin.issuer).host, authorization: `Bearer ${admin.tokens.owner}` };
      get({ port: admin.port, path: `/admin/api/v1${LINES}`, headers }, resolve).on('error', reject);
    });
  }

  test('Accept chooses the type of the lines', async () => {
    const csv = await ask('text/csv');
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
    assert.equal(csv.text, '0\r\n1\r\n2\r\n');
    const ndjson = await ask('*/*');
    assert.match(ndjson.headers.get('content-type') ?? '', /^application\/x-ndjson/);
    assert.equal(ndjson.text.split('\n').length, 4);
    assert.equal((await ask('text/html')).status, 406);
    assert.equal((await ask('text/csv;q=0, text/html')).status, 406);
  });

  test('HEAD makes no lines', async () => {
    const before = streams.lines;
    const { status, headers } = await ask('text/csv', 'HEAD');
    assert.deepEqual([status, headers.get('allow'), streams.lines], [405, 'GET, OPTIONS', before]);
  });

  test('a client that does not read stops the reading', async () => {
    const [before, ended] = [streams.lines, streams.ended];
    const response = await open();
    let last = -1;
    await until('no further line is read', () => {
      const stands = streams.lines === last;
      last = streams.lines;
      return stands && last > before;
    });
    assert.ok(last - before < 2_000_000, String(last - before));
    assert.equal(streams.ended, ended);
    response.destroy();
    await until('the reading has ended', () => streams.ended === ended + 1);
  });
});
