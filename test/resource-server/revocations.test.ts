/** The follower of the revocation feed, against a feed that answers as the test says, with a clock that stands still. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { followRevocations } from '../../src/resource-server/revocations.ts';

const RESOURCE = 'https://api.example/';
const NOW = Date.UTC(2030, 0);
const { privateKey, publicKey } = await generateKeyPair('ES256');

/** The answer of a feed without news. */
async function answerNothing(request: IncomingMessage, response: ServerResponse, issuer: string) {
  const { searchParams } = new URL(request.url ?? '', issuer);
  const after = searchParams.get('after') ?? '0';
  const claims = { nonce: searchParams.get('nonce'), resources: [RESOURCE], after, next: after, nodes: [] };
  const page = new SignJWT({ ...claims, more: false, reset: false })
    .setProtectedHeader({ alg: 'ES256', typ: 'revocations+jwt' })
    .setIssuer(issuer)
    .setAudience('api')
    .setIssuedAt(NOW / 1000);
  response.end(await page.sign(privateKey));
}

/** @returns the pauses (milliseconds) of a follower up to the count, and the errors that it told */
async function follow(
  answer: typeof answerNothing,
  count: number,
): Promise<{ pauses: number[]; errors: unknown[]; url: string }> {
  const feed = createServer((request, response) => answer(request, response, url));
  await once(feed.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(feed.address() as AddressInfo).port}`;
  const pauses: number[] = [];
  const errors: unknown[] = [];
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const following = followRevocations({
    issuer: url,
    server: url,
    resource: RESOURCE,
    clientId: 'api',
    clientSecret: 'secret',
    keys: async () => publicKey,
    maxFeedSilence: 30,
    now: () => NOW,
    onError: (error) => errors.push(error),
    async pause(ms) {
      if (pauses.push(ms) >= count) {
        resolve();
        following.close();
      }
    },
  });
  await enough;
  feed.closeAllConnections();
  feed.close();
  return { pauses, errors, url };
}

test('a feed that answers long polls at once is asked less and less often', async () => {
  const { pauses, errors } = await follow(answerNothing, 6);
  assert.deepEqual(pauses, [100, 200, 400, 800, 1000, 1000]);
  assert.deepEqual(errors, []);
});

test('an error of following names the URL of the feed', async () => {
  const { pauses, errors, url } = await follow(async (_request, response) => {
    response.destroy();
  }, 2);
  assert.deepEqual(pauses, [100, 200]);
  assert.match(String(errors[0]), new RegExp(`^Error: ${url}/oauth/revocations: `));
});
