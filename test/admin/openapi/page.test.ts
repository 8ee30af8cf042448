/** The page of the description in a real browser: it loads from this server only, and the browser complains of nothing. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { chromiumMissing, openTab, startChromium } from '../../support/chromium.ts';
import { startServer, type TestServer } from '../../support/server.ts';

const API = '/admin/api/v1';

describe('the served description', () => {
  let app: TestServer;
  before(async () => {
    app = await startServer();
  });
  after(() => app[Symbol.asyncDispose]());

  test('it is docs/openapi.json, and takes no token', async () => {
    const answer = await fetch(`${app.issuer}${API}/openapi.json`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    const file = new URL('../../../docs/openapi.json', import.meta.url);
    assert.equal(await answer.text(), await readFile(file, 'utf8'));
  });

  test('a client that has it already gets no body', async () => {
    for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui-bundle.js']) {
      const { headers } = await fetch(app.issuer + API + path, { method: 'HEAD' });
      const etag = headers.get('etag') ?? '';
      assert.match(etag, /^"[\w-]{22}"$/);
      assert.equal(headers.get('cache-control'), 'public, max-age=300');
      const again = await fetch(app.issuer + API + path, {
        headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' },
      });
      assert.deepEqual([again.status, await again.text()], [304, '']);
    }
  });

  test('nothing else of the package of the page can be reached', async () => {
    for (const path of ['/docs/package.json', '/docs/..%2fopenapi.json', '/docs/', '/docs/LICENSE']) {
      assert.notEqual((await fetch(app.issuer + API + path)).status, 200, path);
    }
  });

  describe('in Chromium', { skip: chromiumMissing() }, () => {
    let browser: Browser;
    before(async () => {
      browser = await startChromium();
    });
    after(() => browser.close());

    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [1_000, 360]) {
        test(`the page works in ${scheme} and ${width} pixels without a complaint`, async () => {
          await using tab = await openTab(browser, { width });
          const { page, complaints } = tab;
          const asked: string[] = [];
          page.on('request', (request) => asked.push(request.url()));
          await page.emulateMedia({ colorScheme: scheme });
          await page.goto(`${app.issuer}${API}/docs`);
          await page.getByText('Grantable administration API').first().waitFor();
          await page.locator('.opblock-tag').first().click();
          await page.locator('.opblock-summary').first().click();
          await page.locator('.opblock-body').first().waitFor();
          const isDark = await page.locator('html.dark-mode').count();
          assert.equal(isDark, scheme === 'dark' ? 1 : 0);
          const shots = process.env.GRANTABLE_TEST_SHOTS;
          if (shots) await page.screenshot({ path: `${shots}/docs-${scheme}-${width}.png` });
          assert.deepEqual(complaints, []);
          assert.deepEqual(
            asked.filter((url) => !url.startsWith(app.issuer) && !url.startsWith('data:')),
            [],
          );
        });
      }
    }

    test('the page sends a request with the token that a person pasted', async () => {
      await using tab = await openTab(browser);
      const { page } = tab;
      await page.goto(`${app.issuer}${API}/docs`);
      await page.locator('button.authorize').click();
      await page.locator('input#auth-bearer-value').fill('gat_of_nobody');
      await page
        .locator('.auth-container', { has: page.locator('input#auth-bearer-value') })
        .locator('button.authorize')
        .click();
      await page.locator('button.btn-done').first().click();
      await page.locator('.opblock-tag').first().click();
      await page.locator('.opblock-summary').first().click();
      await page.getByRole('button', { name: 'Try it out' }).click();
      const sent = page.waitForRequest((request) => request.headers().authorization !== undefined);
      await page.getByRole('button', { name: 'Execute' }).click();
      assert.equal((await sent).headers().authorization, 'Bearer gat_of_nobody');
    });
  });
});
