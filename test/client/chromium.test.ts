import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { World } from '../datasources/fixture.ts';
import { chromiumMissing, type Site, startChromium, startSite } from '../support/chromium.ts';
import type { TestServer } from '../support/server.ts';
import { PASSWORD, startClientWorld } from './world.ts';

const SOURCE = join(import.meta.dirname, '..', '..', 'src', 'client');

describe('the client in Chromium', { skip: chromiumMissing() }, () => {
  let site: Site;
  let elsewhere: Site;
  let world: World;
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    [site, elsewhere, browser] = await Promise.all([startSite(), startSite(), startChromium()]);
    world = await startClientWorld([site.origin]);
    server = world.server;
  });
  after(async () => {
    await browser.close();
    await world[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
    await elsewhere[Symbol.asyncDispose]();
  });

  /** A page with a client in it, whose clock is `ahead` of the machine's. */
  async function open(origin: string): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.route(`${origin}/client/*.ts`, async (route) => {
      const file = new URL(route.request().url()).pathname.replace('/client/', '');
      const body = stripTypeScriptTypes(readFileSync(join(SOURCE, file), 'utf8'));
      await route.fulfill({ contentType: 'text/javascript', body });
    });
    await page.goto(origin);
    // As text, because the page's own names are not known here.
    await page.evaluate(`(async () => {
      const { createClient } = await import('/client/index.ts');
      globalThis.ahead = 0;
      globalThis.told = [];
      globalThis.client = createClient({
        issuer: ${JSON.stringify(server.issuer)},
        clientId: 'page',
        origins: [${JSON.stringify(site.origin)}],
        now: () => Date.now() + ahead,
        onToken: (tokens) => told.push(tokens?.accessToken),
      });
    })()`);
    return { page, complaints };
  }

  const login = `client.login('ann', ${JSON.stringify(PASSWORD)})`;

  test('a page of a listed origin logs in, refreshes, fetches and revokes', async () => {
    const { page, complaints } = await open(site.origin);
    const first = await page.evaluate<string>(`${login}.then(() => client.getToken())`);
    assert.equal((await server.introspect(first)).username, 'ann');

    server.clock.offset += 3_590_000;
    const tokens = await page.evaluate<string[]>(`(() => {
      ahead = ${server.clock.offset};
      return Promise.all(Array.from({ length: 50 }, () => client.getToken()));
    })()`);
    assert.equal(new Set(tokens).size, 1);
    const [second = ''] = tokens;
    assert.notEqual(second, first);
    assert.equal((await server.introspect(second)).active, true);

    const [request] = await Promise.all([
      page.waitForRequest(`${site.origin}/orders`),
      page.evaluate(`client.fetch('/orders').then((response) => response.text())`),
    ]);
    assert.equal((await request.allHeaders()).authorization, `Bearer ${second}`);
    const refused = await page.evaluate<string>(
      `client.fetch(${JSON.stringify(elsewhere.origin)}).catch(({ name }) => name)`,
    );
    assert.equal(refused, 'TypeError');

    await page.evaluate(`client.revoke()`);
    for (const token of [first, second]) {
      assert.deepEqual(await server.introspect(token), { active: false });
    }
    assert.deepEqual(await page.evaluate(`told`), [first, second, undefined]);
    assert.deepEqual(complaints, []);
    const why = await page.evaluate<string>(
      `client.login('ann', 'wrong').catch(({ error, status }) => error + status)`,
    );
    assert.equal(why, 'invalid_grant400', 'the page can read why');
  });

  test('a page of another origin gets nothing', async () => {
    const { page } = await open(elsewhere.origin);
    const thrown = await page.evaluate<string>(
      `${login}.catch(({ error, message }) => error + ' ' + message)`,
    );
    assert.match(thrown, /^network_error /);
    assert.ok(!thrown.includes(PASSWORD));
    assert.equal(await page.evaluate(`client.tokens === undefined`), true);
  });
});
