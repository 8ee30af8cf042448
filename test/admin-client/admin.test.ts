/** What the typed client sends, retries, reads and throws. Types are held by the type check of this file. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAdminOver } from '../../src/admin-client/admin.ts';
import { AdminError, type AdminOptions, createAdmin } from '../../src/admin-client/index.ts';
import type { Table } from '../../src/admin-client/requests.ts';
import { declared } from './operations.ts';

const table: Table = Object.fromEntries(declared.map((facts) => [facts.id, facts]));
const ID = '4fa52dcb-4b9c-4a0f-9a4c-0f9b9b1f1f11';
const ROLE = { id: ID, version: 3, name: 'clerk' };

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
}

type Scripted = (() => Response) | Error;

/** A client whose requests are answered in order. */
function createProbe(answers: readonly Scripted[], options: Partial<AdminOptions> = {}) {
  const sent: Sent[] = [];
  const waited: number[] = [];
  const left = [...answers];
  const admin = createAdminOver<(typeof declared)[number]>(table, {
    issuer: 'https://login.example/',
    token: 'gat_1',
    fetch: async (input, init = {}) => {
      const { pathname, search } = new URL(String(input));
      const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
      sent.push({
        method: init.method ?? '',
        path: pathname + search,
        headers: new Headers(init.headers),
        body,
      });
      const answer = left.shift();
      if (!answer) throw new Error('one request too many');
      if (answer instanceof Error) throw answer;
      return answer();
    },
    wait: async (ms) => void waited.push(ms),
    ...options,
  });
  return { admin, sent, waited, last: () => sent.at(-1) as Sent };
}

const json =
  (body: unknown, status = 200, headers = {}) =>
  () =>
    Response.json(body, { status, headers });
const problem = (status: number, code: string, more: object = {}, headers = {}) =>
  json({ type: `urn:grantable:problem:${code}`, title: 'x', status, code, ...more }, status, headers);
const cut = new TypeError('fetch failed');

describe('a call', () => {
  test('it goes to the path of its operation, with the token', async () => {
    const { admin, last } = createProbe([json(ROLE)]);
    const role = await admin.roles.get({ organization: 'acme', role: ID });
    assert.equal(role.name satisfies string, 'clerk');
    assert.equal(last().path, `/admin/api/v1/organizations/acme/roles/${ID}`);
    assert.equal(last().headers.get('authorization'), 'Bearer gat_1');
  });

  test('call() does the same by the id of the operation', async () => {
    const { admin, last } = createProbe([json({ items: [ROLE] })]);
    const page = await admin.call('roles.list', { organization: 'acme', query: { limit: 2, name: 'a&b' } });
    assert.deepEqual(page.items, [ROLE]);
    assert.equal(last().path, '/admin/api/v1/organizations/acme/roles?limit=2&name=a%26b');
  });

  test('a token of a function is asked for before each request', async () => {
    let count = 0;
    const token = async () => `gat_${++count}`;
    const { admin, last } = createProbe([json(ROLE), json(ROLE)], { token });
    await admin.roles.get({ organization: 'acme', role: ID });
    await admin.roles.get({ organization: 'acme', role: ID });
    assert.equal(last().headers.get('authorization'), 'Bearer gat_2');
  });

  test('a change sends a merge patch with the version of the object', async () => {
    const { admin, last } = createProbe([
      json({ ...ROLE, version: 4 }),
      json({ dryRun: true, effect: 'none' }),
    ]);
    const next = await admin.roles.change({ organization: 'acme', role: ROLE, body: { name: 'lead' } });
    assert.equal(last().headers.get('if-match'), '"3"');
    assert.equal(last().headers.get('content-type'), 'application/merge-patch+json');
    const told = await admin.roles.change({ organization: 'acme', role: next, dryRun: true, body: {} });
    assert.equal(told.effect satisfies string, 'none');
    assert.equal(last().headers.get('if-match'), '"4"');
    assert.match(last().path, /\?dryRun=true$/);
  });

  test('a change without a version is not sent', async () => {
    const { admin, sent } = createProbe([]);
    await assert.rejects(
      admin.roles.remove({ organization: 'acme', role: ID }),
      /TypeError: roles\.remove needs the version/,
    );
    assert.deepEqual(sent, []);
  });

  test('an answer without a body gives undefined', async () => {
    const { admin } = createProbe([() => new Response(null, { status: 204 })]);
    const nothing: undefined = await admin.roles.remove({ organization: 'acme', role: ID, version: 3 });
    assert.equal(nothing, undefined);
  });

  test('values of the path cannot lead to another operation', async () => {
    const { admin, last } = createProbe([json(ROLE)]);
    await admin.roles.get({ organization: 'a/../b', role: ID });
    assert.match(last().path, /organizations\/a%2F\.\.%2Fb\/roles/);
    for (const role of ['', '.', '..']) {
      await assert.rejects(admin.roles.get({ organization: 'acme', role }), TypeError);
    }
  });

  test('a stream comes in pieces of the media type that was chosen', async () => {
    const { admin, last } = createProbe([() => new Response('a,b\n'), () => new Response('{}\n')]);
    const pieces = await admin.audit.export({ accept: 'text/csv' });
    assert.equal((await Array.fromAsync(pieces)).join(''), 'a,b\n');
    assert.equal(last().headers.get('accept'), 'text/csv');
    await admin.audit.export();
    assert.equal(last().headers.get('accept'), 'application/x-ndjson');
  });

  test('a call that no declaration allows does not compile', () => {
    const { admin } = createProbe([]);
    const never = () => [
      // @ts-expect-error a name of the path is missing
      admin.roles.get({ organization: 'acme' }),
      // @ts-expect-error the operation is not there
      admin.roles.rename({ organization: 'acme' }),
      // @ts-expect-error the member of the query is not there
      admin.roles.list({ organization: 'acme', query: { offset: 1 } }),
      // @ts-expect-error the body is missing
      admin.roles.create({ organization: 'acme' }),
      // @ts-expect-error a list only has \`each\`
      admin.keys.each(),
    ];
    assert.equal(typeof never, 'function');
  });
});

describe('each()', () => {
  test('it goes through all pages and keeps the query', async () => {
    const { admin, sent } = createProbe([json({ items: [ROLE, ROLE], next: 'c1' }), json({ items: [ROLE] })]);
    const names: string[] = [];
    for await (const { name } of admin.roles.each({ organization: 'acme', query: { limit: 2 } }))
      names.push(name);
    assert.deepEqual(names, ['clerk', 'clerk', 'clerk']);
    assert.deepEqual(
      sent.map(({ path }) => path.split('?')[1]),
      ['limit=2', 'limit=2&after=c1'],
    );
  });

  test('it asks for no page that the caller does not reach', async () => {
    const { admin, sent } = createProbe([json({ items: [ROLE, ROLE], next: 'c1' })]);
    for await (const _ of admin.roles.each({ organization: 'acme' })) break;
    assert.equal(sent.length, 1);
    const { admin: second } = createProbe([json({ items: ['a'] })]);
    assert.deepEqual(await Array.fromAsync(second.roles.notes.each({ organization: 'acme', role: ROLE })), [
      'a',
    ]);
  });
});

describe('retries', () => {
  const make = { organization: 'acme', body: { name: 'clerk' } };

  test('a creation that got no answer is sent again under the same key', async () => {
    const { admin, sent, waited } = createProbe([cut, cut, json(ROLE, 201)]);
    await admin.roles.create(make);
    const keys = sent.map(({ headers }) => headers.get('idempotency-key'));
    assert.match(keys[0] ?? '', /^[0-9a-f-]{36}$/);
    assert.deepEqual(new Set(keys).size, 1);
    assert.deepEqual(waited, [250, 500]);
  });

  test('the caller may name the key', async () => {
    const { admin, last } = createProbe([json(ROLE, 201)]);
    await admin.roles.create(make, { idempotencyKey: 'row-17' });
    assert.equal(last().headers.get('idempotency-key'), 'row-17');
  });

  test('it waits as long as the server says', async () => {
    const { admin, waited } = createProbe([
      problem(429, 'too_many_requests', {}, { 'retry-after': '7' }),
      problem(503, 'temporarily_unavailable', {}, { 'retry-after': '2' }),
      json(ROLE),
    ]);
    await admin.roles.get({ organization: 'acme', role: ID });
    assert.deepEqual(waited, [7_000, 2_000]);
  });

  test('a wait of more than a minute is left to the caller', async () => {
    const { admin, waited } = createProbe([problem(429, 'too_many_requests', {}, { 'retry-after': '90' })]);
    await assert.rejects(admin.roles.get({ organization: 'acme', role: ID }), {
      status: 429,
      retryAfter: 90,
    });
    assert.deepEqual(waited, []);
  });

  test('it ends after four tries', async () => {
    const { admin, sent } = createProbe([cut, cut, cut, cut, json(ROLE)]);
    await assert.rejects(admin.roles.get({ organization: 'acme', role: ID }), {
      code: 'network_error',
      status: 0,
    });
    assert.equal(sent.length, 4);
  });

  test('a change that may have happened is not sent again', async () => {
    const unavailable = problem(503, 'temporarily_unavailable', {}, { 'retry-after': '1' });
    for (const answer of [cut, unavailable]) {
      const { admin, sent } = createProbe([answer, json({})]);
      await assert.rejects(admin.keys.rotate({ body: {} }), AdminError);
      assert.equal(sent.length, 1);
    }
    const { admin, sent } = createProbe([cut, json({})]);
    await assert.rejects(admin.roles.change({ organization: 'acme', role: ROLE, body: {} }), AdminError);
    assert.equal(sent.length, 1);
  });
});

describe('failures', () => {
  test('problem details are an AdminError with the code and the fields', async () => {
    const errors = [{ path: '/name', detail: 'is empty' }];
    const { admin } = createProbe([
      problem(422, 'invalid_fields', { detail: 'One field is wrong.', errors }),
    ]);
    const failure = await admin.roles
      .create({ organization: 'acme', body: { name: '' } })
      .catch((error: AdminError) => error);
    assert.ok(failure instanceof AdminError);
    assert.deepEqual([failure.code, failure.status, failure.errors], ['invalid_fields', 422, errors]);
    assert.equal(failure.message, 'invalid_fields: One field is wrong.');
  });

  test('a failure of the server names the line in its log', async () => {
    const { admin } = createProbe([problem(500, 'server_error', { request_id: 'r1' })]);
    await assert.rejects(admin.roles.get({ organization: 'acme', role: ID }), { requestId: 'r1' });
  });

  test('a page of a proxy is not taken for an answer', async () => {
    const page = () => new Response('<html>', { status: 502 });
    const { admin } = createProbe([page, () => new Response('<html>')]);
    await assert.rejects(admin.roles.get({ organization: 'acme', role: ID }), {
      code: 'unexpected_answer',
      status: 502,
    });
    await assert.rejects(admin.roles.get({ organization: 'acme', role: ID }), { code: 'unexpected_answer' });
  });

  test('an aborted call throws the reason and is not sent again', async () => {
    const stopped = new AbortController();
    const { admin, sent } = createProbe([
      () => {
        stopped.abort(new Error('the person left'));
        return problem(429, 'too_many_requests', {}, { 'retry-after': '1' })();
      },
    ]);
    const given = { organization: 'acme', role: ID };
    await assert.rejects(admin.roles.get(given, { signal: stopped.signal }), /the person left/);
    await assert.rejects(admin.roles.get(given, { signal: stopped.signal }), /the person left/);
    assert.equal(sent.length, 1);
  });

  test('an issuer without TLS is refused', () => {
    assert.throws(() => createAdmin({ issuer: 'http://login.example', token: 'x' }), TypeError);
  });
});
