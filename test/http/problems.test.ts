import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FieldsRefused,
  MalformedRequest,
  NotAllowed,
  TooManyAttempts,
  Unavailable,
} from '../../src/errors/domain.ts';
import { Refusal } from '../../src/http/refusal.ts';
import { StoreUnavailable, VersionConflict } from '../../src/storage/contract.ts';
import { type Reply, startShell } from './shell.ts';

const INSIDE = 'select * from users at /srv/grantable/src/x.ts';

/** @param accept as a browser sends it too */
async function answerTo(error: unknown, accept = 'application/json'): Promise<Reply> {
  const hasPath = (path: string) => path.startsWith('/api');
  const routes = () => {
    throw error;
  };
  await using shell = await startShell({ api: { hasPath, routes } });
  return await shell.ask('/api/x', { headers: { accept } });
}

test('each failure of an API is a problem with a code of its own', async () => {
  const cases: readonly (readonly [unknown, number, string, string])[] = [
    [new MalformedRequest({ description: 'No a.' }), 400, 'invalid_request', 'No a.'],
    [new NotAllowed({ description: 'No b.' }), 403, 'insufficient_scope', 'No b.'],
    [new Refusal(413, 'No c.'), 413, 'content_too_large', 'No c.'],
    [new Refusal(409, 'No d.', { error: 'conflict' }), 409, 'conflict', 'No d.'],
    [new VersionConflict(INSIDE), 409, 'conflict', 'It was changed meanwhile. Try again.'],
    [new URIError(INSIDE), 400, 'invalid_request', 'The path is not encoded properly.'],
  ];
  for (const [error, status, code, detail] of cases) {
    for (const accept of ['application/json', 'text/html']) {
      const { headers, json, ...reply } = await answerTo(error, accept);
      assert.equal(reply.status, status);
      assert.equal(headers['content-type'], 'application/problem+json');
      const { title, ...said } = json;
      assert.deepEqual(said, { type: `urn:grantable:problem:${code}`, status, detail, code });
      assert.match(title, /^[A-Z]/);
    }
  }
});

test('a problem names each wrong member of a body', async () => {
  const errors = [{ path: '/permissions', detail: 'permissions is missing' }];
  const { json } = await answerTo(new FieldsRefused(errors));
  assert.deepEqual([json.code, json.errors], ['invalid_fields', errors]);
});

test('a problem that passes says when to come again', async () => {
  for (const [error, status, code] of [
    [new StoreUnavailable(INSIDE), 503, 'temporarily_unavailable'],
    [new Unavailable(3), 503, 'temporarily_unavailable'],
    [new TooManyAttempts(3), 429, 'too_many_requests'],
  ] as const) {
    const { headers, json } = await answerTo(error);
    assert.deepEqual([json.status, json.code], [status, code]);
    assert.ok(Number(headers['retry-after']) > 0);
  }
});

test('an unforeseen problem has the request id and says nothing of the inside', async () => {
  for (const error of [new Error(INSIDE), undefined, { status: 200 }]) {
    const { headers, json, text } = await answerTo(error);
    assert.deepEqual([json.status, json.code], [500, 'server_error']);
    assert.equal(json.request_id, headers['x-request-id']);
    assert.doesNotMatch(text, /select|srv/);
  }
});

test('a request for another host is a problem too', async () => {
  await using shell = await startShell({ api: { hasPath: () => true, routes: () => undefined } });
  const { headers, json } = await shell.ask('/api/x', { headers: { Host: 'evil.example' } });
  assert.equal(headers['content-type'], 'application/problem+json');
  assert.deepEqual([json.status, json.code], [421, 'misdirected_request']);
});
