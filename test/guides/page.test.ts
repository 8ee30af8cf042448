/** The application of one page of docs/clients.md, in Chromium as its reader sees it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { chromiumMissing, startChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { startServer } from '../support/server.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test('a person logs in and out in the page of docs/clients.md', { skip: chromiumMissing() }, async (t) => {
  const home = `http://localhost:${await freePort()}`;
  const text = await readFile(join(ROOT, 'docs', 'clients.md'), 'utf8');
  const [, section = ''] = text.split('## A page without a server\n');
  const block = (language: string): string =>
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm')
      .exec(section)?.[1]
      ?.replaceAll('http://localhost:8082', home) ?? '';
  const [file] = parse(block('yaml')).organizations;
  await using server = await startServer({
    fixture({ organizations: [acme] }) {
      acme.applications.push(...file.applications);
      acme.users.push(...file.users);
    },
  });
  const page = block('html').replace('http://localhost:3000', server.issuer);
  const site = createServer(async ({ url = '' }, response) => {
    const isLibrary = url.startsWith('/node_modules/');
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
    response.end(isLibrary ? await readFile(join(ROOT, url)) : page);
  });
  await new Promise<void>((resolve) => site.listen(Number(new URL(home).port), '127.0.0.1', resolve));
  const browser = await startChromium();
  t.after(async () => {
    await browser.close();
    site.closeAllConnections();
    site.close();
  });
  const tab = await browser.newPage();
  await tab.goto(home);
  await tab.waitForSelector('text=not logged in');
  await tab.click('#login');
  await tab.fill('#username', 'mia');
  await tab.fill('#password', 'correct-horse-battery');
  await tab.click('form[action$="/login"] button');
  await tab.click('text=Allow');
  await tab.waitForSelector('text=mia: openid profile orders:read');
  assert.equal(tab.url(), `${home}/`);
  await tab.click('#logout');
  await tab.click('button[name=logout]');
  await tab.waitForSelector('text=not logged in');
});
