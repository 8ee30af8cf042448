import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirror, startShell } from './shell.ts';

const FRESH = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test('HD-05 X-Forwarded-For of anybody is ignored', async () => {
  await using shell = await startShell({ trustedProxies: ['192.0.2.1'], routes: [mirror] });
  const { json } = await shell.ask('/', {
    headers: { 'X-Forwarded-For': '203.0.113.9', 'X-Real-IP': '203.0.113.9', Forwarded: 'for=203.0.113.9' },
  });
  assert.equal(json.address, '127.0.0.1');
  assert.equal(json.ip, '127.0.0.1');
  assert.deepEqual(json.ips, []);
});

test('HD-05 of a trusted proxy the right-most address that is not trusted counts', async (t) => {
  await using shell = await startShell({
    trustedProxies: ['127.0.0.1', '10.0.0.0/8', '2001:db8:aa::/48'],
    routes: [mirror],
  });
  const cases: readonly (readonly [string, string])[] = [
    ['203.0.113.9', '203.0.113.9'],
    ['1.2.3.4, 203.0.113.9', '203.0.113.9'],
    ['1.2.3.4, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['203.0.113.9,10.1.2.3,10.4.5.6', '203.0.113.9'],
    ['203.0.113.9, 2001:db8:aa::1', '203.0.113.9'],
    ['10.1.2.3, 10.4.5.6', '10.1.2.3'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:cb00:7109', '203.0.113.9'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    // What is not an address ends the way: the last hop that was one is as far as the header can be believed.
    ['203.0.113.9, unknown', '127.0.0.1'],
    ['203.0.113.9, ', '127.0.0.1'],
    ['203.0.113.9, 10.0.0.1"; drop', '127.0.0.1'],
    ['evil\t, 10.1.2.3', '10.1.2.3'],
    ['203.0.113.999', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['', '127.0.0.1'],
    [`${'9.9.9.9,'.repeat(1_500)}10.0.0.1`, '9.9.9.9'],
  ];
  for (const [header, address] of cases) {
    await t.test(`${header.slice(0, 40)} is ${address}`, async () => {
      const { json } = await shell.ask('/', { headers: { 'X-Forwarded-For': header } });
      assert.equal(json.address, address);
      assert.equal(json.ip, address);
    });
  }
});

test('the request id is fresh and random, in the header, for the routes and in the log', async () => {
  await using shell = await startShell({ routes: [mirror] });
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => shell.ask('/', { headers: { 'X-Request-Id': 'chosen' } })),
  );
  const ids = replies.map(({ headers, json }) => {
    assert.equal(headers['x-request-id'], json.requestId);
    assert.match(json.requestId, FRESH);
    return json.requestId;
  });
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(new Set(shell.log.map(({ requestId }) => requestId)), new Set(ids));
});

test('a trusted proxy may choose the request id, if it looks like one', async () => {
  await using shell = await startShell({ trustedProxies: ['127.0.0.1'], routes: [mirror] });
  const idFor = async (given: string) =>
    (await shell.ask('/', { headers: { 'X-Request-Id': given } })).headers['x-request-id'];
  assert.equal(await idFor('edge-7.A_b'), 'edge-7.A_b');
  for (const given of ['', 'a b', 'x'.repeat(65), '<script>', 'a,b', '../..']) {
    assert.match(String(await idFor(given)), FRESH, given);
  }
});
