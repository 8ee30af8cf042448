/** Any bytes that a stranger's server can answer with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGetJson, FetchFailed } from '../../src/outgoing/get-json.ts';
import { createTargets } from '../../src/outgoing/targets.ts';
import fc from '../support/properties.ts';
import { startPublisher } from './publisher.ts';
import { resolving } from './resolving.ts';

const line = fc.constantFrom(
  ...[
    'Content-Type: application/json',
    'content-type: application/a+json; charset=utf-8',
    'Content-Type: text/html',
  ],
  ...['Content-Length: 2', 'Content-Length: 9', 'Content-Length: -1', 'Content-Length: 99999999999999999999'],
  ...[
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Content-Encoding: gzip',
    'Expires: x',
  ],
  ...['Content-Encoding: identity', 'Cache-Control: max-age=1e9', 'Age: -1', 'Location: https://10.0.0.1/'],
  ...['Connection: keep-alive', 'Set-Cookie: a=b', 'Trailer: A', ': x', 'A', 'A: \u0000', ' folded'],
);

const body = fc.oneof(
  fc.constantFrom(
    '{}',
    '2\r\n{}\r\n0\r\n\r\n',
    '2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\n',
    'fffffffff\r\n{}',
    '[1',
    '',
  ),
  fc.constantFrom('\uFEFF{}', '{"a":"\\ud800"}', `"${'x'.repeat(6_000)}"`, 'x\r\n', '{}{}'),
  fc.json(),
  fc.string({ unit: 'binary' }),
);

const answer = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'HTTP/1.1 200 OK',
          'HTTP/1.0 200',
          'HTTP/1.1 302 Found',
          'HTTP/2 200',
          'HTTP/1.1 99 A',
        ),
        fc.array(line, { maxLength: 4 }),
        body,
      )
      .map(([status, lines, end]) => [status, ...lines, '', end].join('\r\n')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
);

test('each answer is a small JSON document or a refusal in one sentence', async (t) => {
  const publisher = await startPublisher();
  t.after(() => publisher[Symbol.asyncDispose]());
  const targets = createTargets({
    listed: publisher.hosts,
    option: 'GRANTABLE_AGENT_HOSTS',
    resolve: resolving({ 'agent.example': ['127.0.0.1'] }),
  });
  const getJson = createGetJson({ targets, maxBytes: 5_120, ca: publisher.ca, now: () => 0 });
  let understood = 0;
  const understand = async (bytes: string): Promise<void> => {
    publisher.answer = ({ socket }) => {
      socket.on('error', () => undefined);
      socket.end(bytes);
    };
    try {
      const { json, freshSeconds = 0 } = await getJson(publisher.urlOf('/a'), AbortSignal.timeout(20_000));
      assert.ok(JSON.stringify(json).length <= 3 * 5_120);
      assert.ok(freshSeconds >= 0 && Number.isFinite(freshSeconds));
      understood += 1;
    } catch (error) {
      assert.ok(error instanceof FetchFailed, String(error));
      assert.match(error.message, /^[^\p{Cc}\p{Bidi_Control}]{10,400}\.$/u);
    }
  };
  await understand('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}');
  assert.equal(understood, 1);
  await fc.assert(fc.asyncProperty(answer, understand), { numRuns: 150 });
});
