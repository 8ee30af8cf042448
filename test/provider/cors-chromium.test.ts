/** What a page of another origin can read, decided by a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromiumMissing, openTab, startChromium, startSite } from '../support/chromium.ts';
import { startServer } from '../support/server.ts';

type Asked = readonly [
  method: string,
  path: string,
  body?: string | undefined,
  headers?: Record<string, string>,
];

const JSON_TYPE = { 'content-type': 'application/json' };
const REQUESTS: readonly Asked[] = [
  ['GET', '/oauth/userinfo', undefined, { authorization: 'Bearer x' }],
  [
    'POST',
    '/oauth/token',
    'grant_type=x&client_id=unknown',
    { 'content-type': 'application/x-www-form-urlencoded' },
  ],
  ['POST', '/oauth/token', '{}', JSON_TYPE],
  ['GET', '/oauth/token'],
  ['PUT', '/acme/shop/token', '{}', JSON_TYPE],
  ['POST', '/acme/shop/token', '{', JSON_TYPE],
  ['DELETE', '/acme/nothing/token'],
];

test('a page of a listed origin reads failures, one of another origin reads none', {
  skip: chromiumMissing(),
}, async () => {
  await using listed = await startSite();
  await using unlisted = await startSite();
  await using server = await startServer({
    fixture({ organizations: [acme] }) {
      const spa = acme.applications.find(({ name }: { name: string }) => name === 'spa');
      spa.allowedOrigins = [listed.origin];
      acme.faces = { usergrid: {} };
    },
  });
  const browser = await startChromium();
  try {
    const statusesAt = async (origin: string) => {
      await using tab = await openTab(browser);
      await tab.page.goto(origin);
      const asked = [server.issuer, REQUESTS] as const;
      return await tab.page.evaluate(
        async ([issuer, requests]) =>
          Promise.all(
            requests.map(([method, path, body, headers]) =>
              fetch(issuer + path, { method, ...(body && { body }), ...(headers && { headers }) }).then(
                ({ status }) => status,
                () => 'unreadable',
              ),
            ),
          ),
        asked,
      );
    };
    assert.deepEqual(await statusesAt(listed.origin), [401, 401, 400, 405, 404, 400, 404]);
    assert.deepEqual(
      await statusesAt(unlisted.origin),
      REQUESTS.map(() => 'unreadable'),
    );
  } finally {
    await browser.close();
  }
});
