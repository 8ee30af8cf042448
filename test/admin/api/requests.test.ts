import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Answer } from '../../support/server.ts';
import { ORIGIN, startAdmin, type TestAdmin } from './support.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const LIST = '/organizations/acme/probes';

/** @returns the body without what is said in words */
function problemOf({ status, headers, json }: Answer): string {
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(json.status, status);
  assert.equal(json.type, `urn:grantable:problem:${json.code}`);
  assert.match(json.detail, /^[A-Z].*\.$/);
  assert.equal(json.request_id, undefined);
  return `${status} ${json.code}`;
}

describe('requests to the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  test('a token lists what its organization has', async () => {
    const { status, json } = await admin.call('GET', LIST, 'auditor');
    assert.equal(status, 200);
    assert.deepEqual(json.items.map(({ name }: any) => name).sort(), ['clerk', 'reader']);
  });

  test('HEAD is answered as GET without a body', async () => {
    const { status, headers, text } = await admin.call('HEAD', LIST, 'auditor');
    assert.deepEqual([status, text], [200, '']);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
  });

  test('a path that is not there is 404 without a token', async () => {
    for (const path of ['', '/', '/nothing', `${LIST}/`, `${LIST}/a/b/c`, '/../v2/probes']) {
      assert.equal(problemOf(await admin.call('GET', path, undefined)), '404 not_found', path);
    }
  });

  test('another method is 405 and says which are allowed', async () => {
    const answer = await admin.call('DELETE', LIST, undefined);
    assert.equal(problemOf(answer), '405 method_not_allowed');
    assert.equal(answer.headers.get('allow'), 'GET, HEAD, POST, OPTIONS');
    assert.equal(problemOf(await admin.call('PUT', LIST, undefined)), '405 method_not_allowed');
  });

  test('a parameter that is not a UUID is 404', async () => {
    for (const id of ['1', 'a%2Fb', '%00', `${randomUUID()}x`]) {
      assert.equal(problemOf(await admin.call('GET', `${LIST}/${id}`, 'owner')), '404 not_found', id);
    }
    assert.equal(problemOf(await admin.call('GET', `${LIST}/%zz`, 'owner')), '400 invalid_request');
  });

  test('MT-01 another organization is told of as an unknown one', async () => {
    const { request_id: _, ...unknown } = (await admin.call('GET', '/organizations/nothing/probes', 'owner'))
      .json;
    for (const name of ['other', 'management', 'OTHER', 'acme%20']) {
      const answer = await admin.call('GET', `/organizations/${name}/probes`, 'owner');
      assert.equal(problemOf(answer), '404 not_found');
      assert.deepEqual(answer.json, unknown);
    }
    assert.equal(problemOf(await admin.call('GET', LIST, 'other')), '404 not_found');
  });

  test('a token of the server reads every organization', async () => {
    for (const name of ['acme', 'other']) {
      const { status } = await admin.call('GET', `/organizations/${name}/probes`, 'server');
      assert.equal(status, 200);
    }
    assert.equal(
      problemOf(await admin.call('GET', '/organizations/nothing/probes', 'server')),
      '404 not_found',
    );
  });

  test('operations on the whole server take a token of the server', async () => {
    assert.equal(problemOf(await admin.call('GET', '/probes', 'owner')), '403 insufficient_scope');
  });

  test('a request without a token is told how to send one', async () => {
    const answer = await admin.call('GET', LIST, undefined);
    assert.equal(problemOf(answer), '401 missing_token');
    assert.equal(answer.headers.get('www-authenticate'), `Bearer realm="${admin.issuer}/admin"`);
  });

  test('a token that is not for this API is refused', async () => {
    const foreign = (await admin.server.token('machine')).json.access_token;
    for (const token of ['nothing', foreign, `${admin.tokens.owner}x`]) {
      const answer = await admin.call('GET', LIST, undefined, { token });
      assert.equal(problemOf(answer), '401 invalid_token');
      assert.match(
        answer.headers.get('www-authenticate') ?? '',
        /^Bearer realm="[^"]+", error="invalid_token", /,
      );
    }
  });

  test('a token anywhere but in the header is not read', async () => {
    const token = admin.tokens.owner;
    const cookie = await admin.call('GET', LIST, undefined, { headers: { cookie: `access_token=${token}` } });
    assert.equal(problemOf(cookie), '401 missing_token');
    const basic = await admin.call('GET', LIST, undefined, { headers: { authorization: `Basic ${token}` } });
    assert.equal(problemOf(basic), '401 invalid_token');
    const query = await admin.call('GET', `${LIST}?access_token=${token}`, undefined);
    assert.equal(problemOf(query), '401 missing_token');
  });

  test('a token without the right is told which one is missing', async () => {
    const answer = await admin.call('POST', LIST, 'auditor', { json: { name: 'x' } });
    assert.equal(problemOf(answer), '403 insufficient_scope');
    assert.match(answer.json.detail, /roles:create/);
    assert.match(answer.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);
  });

  test('a machine does dangerous things only where its application may', async () => {
    const permissions = JSON.stringify({ isAdmin: false, tables: { '*': ALL } });
    const machine = await admin.server.token('admin-owner', { permissions });
    const token = machine.json.access_token;
    const path = `${LIST}/${randomUUID()}/dangerous`;
    const answer = await admin.call('POST', path, undefined, { token });
    assert.equal(problemOf(answer), '403 insufficient_scope');
    assert.match(answer.json.detail, /dangerous: true/);
  });

  test('a person does dangerous things within five minutes of a login', async () => {
    const path = `${LIST}/${randomUUID()}/dangerous`;
    const token = await admin.token('owner');
    assert.equal((await admin.call('POST', path, undefined, { token })).status, 204);
    admin.server.clock.offset += 301_000;
    const answer = await admin.call('POST', path, undefined, { token });
    admin.server.clock.offset -= 301_000;
    assert.equal(problemOf(answer), '401 insufficient_user_authentication');
    const said = answer.headers.get('www-authenticate') ?? '';
    assert.match(said, /error="insufficient_user_authentication".* max_age="300"/);
  });

  test('refused requests are in the audit log', async () => {
    const { headers } = await admin.call('POST', LIST, 'auditor', { json: { name: 'x' } });
    const { entries } = await admin.server.server.foundations.audit.page({ limit: 5 });
    const entry = entries.find(({ requestId }) => requestId === headers.get('x-request-id'));
    assert.equal(entry?.event, 'request.refused');
    assert.equal(entry?.outcome, 'denied');
    assert.equal(entry?.client, 'admin-auditor');
    assert.match(entry?.reason ?? '', /roles:create/);
  });

  test('unknown, repeated and wrong query parameters are refused', async () => {
    for (const query of [
      'limi=1',
      'limit=1&limit=1',
      'limit=0',
      'limit=201',
      'limit=x',
      'dryRun=true',
      'word=%00',
    ]) {
      assert.equal(
        problemOf(await admin.call('GET', `${LIST}?${query}`, 'owner')),
        '400 invalid_request',
        query,
      );
    }
    const { json } = await admin.call('GET', `${LIST}?limi=1`, 'owner');
    assert.equal(json.detail, 'Unknown query parameter "limi" (did you mean limit?).');
  });

  test('a type that the answer does not have is 406', async () => {
    const answer = await admin.call('GET', LIST, 'owner', { headers: { accept: 'text/html' } });
    assert.equal(problemOf(answer), '406 not_acceptable');
  });

  test('pages of the listed origins of the application read the answer', async () => {
    const preflight = await admin.call('OPTIONS', LIST, undefined, { headers: { origin: ORIGIN } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), ORIGIN);
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /If-Match/);
    const of = async (origin: string): Promise<string | null> => {
      const { headers } = await admin.call('GET', LIST, 'owner', { headers: { origin } });
      return headers.get('access-control-allow-origin');
    };
    assert.equal(await of(ORIGIN), ORIGIN);
    assert.equal(await of('https://app.acme.example'), null);
    assert.equal(await of('https://evil.example'), null);
  });

  test('a dry run changes nothing', async () => {
    const answer = await admin.call('POST', `${LIST}?dryRun=true`, 'owner', { json: { name: 'dry' } });
    assert.equal(answer.status, 200);
    const { json } = await admin.call('GET', LIST, 'owner');
    assert.ok(!json.items.some(({ name }: any) => name === 'dry'));
  });
});

describe('limits of the administration API', () => {
  test('an actor has a limit over all its tokens, told in headers', async () => {
    await using admin = await startAdmin({
      env: { GRANTABLE_ADMINISTRATION_LIMIT: '3/1m' },
      clock: { offset: 0, stoppedAt: Date.now() },
    });
    const first = await admin.call('GET', LIST, 'owner');
    assert.equal(first.headers.get('ratelimit-policy'), '"default";q=3;w=60');
    assert.equal(first.headers.get('ratelimit'), '"default";r=2;t=60');
    const token = await admin.token('owner');
    await admin.call('GET', LIST, undefined, { token });
    await admin.call('GET', `${LIST}/x`, undefined, { token });
    const refused = await admin.call('GET', LIST, undefined, { token });
    assert.equal(problemOf(refused), '429 too_many_requests');
    assert.equal(refused.headers.get('retry-after'), '60');
    assert.equal(refused.headers.get('ratelimit'), '"default";r=0;t=60');
    assert.equal((await admin.call('GET', LIST, 'auditor')).status, 200);
  });

  test('guesses of tokens count for the address, expired tokens do not', async () => {
    await using admin = await startAdmin({ env: { GRANTABLE_ADDRESS_LIMIT: '2/2m' } });
    admin.server.clock.offset += 601_000;
    const fresh = await admin.token('owner');
    for (let count = 0; count < 4; count += 1) {
      assert.equal(problemOf(await admin.call('GET', LIST, 'owner')), '401 invalid_token');
    }
    for (let count = 0; count < 2; count += 1) {
      await admin.call('GET', LIST, undefined, { token: `gat_${randomUUID()}` });
    }
    const answer = await admin.call('GET', LIST, undefined, { token: fresh });
    assert.equal(problemOf(answer), '429 too_many_requests');
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  });
});
