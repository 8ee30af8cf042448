import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { runBeside } from '../cli/run.ts';
import { addAgent } from '../support/agents.ts';
import { createBrowser } from '../support/browser.ts';
import { chromiumMissing, startChromium } from '../support/chromium.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { createFlow, type Flow } from './flow.ts';

const LONG_NAME = 'customer_shipping_addresses';
const MARKUP = `"><img src=x onerror="document.title='run'">`;
const BIDI = 'a\u202eb\u2066c';
/** The most that a role may say of one action, with values as long as they come. */
const ALTERNATIVES = Array.from({ length: 16 }, (_, n) => ({
  columns: ['id', MARKUP, LONG_NAME.repeat(4)],
  rows: {
    [MARKUP]: [MARKUP, BIDI, `alternative ${n}`],
    [LONG_NAME.repeat(4)]: Array.from({ length: 100 }, (_, value) => `${n}-${value}-`.padEnd(256, 'x')),
  },
}));
const SIZES = [320, 360, 480, 600, 1_000];
/** As wide as fonts of people come, and with the spacing that some need (WCAG 1.4.12). */
const WIDE_FONT = '* { font-family: "DejaVu Sans", Verdana, sans-serif !important; letter-spacing: 0.12em }';

describe('pages look right in Chromium', { skip: chromiumMissing() }, () => {
  let server: TestServer;
  let flow: Flow;
  let browser: Browser;
  before(async () => {
    [browser, server] = await Promise.all([
      startChromium(),
      startServer({
        fixture({ organizations: [acme] }) {
          acme.agents = { policy: 'any', application: 'web' };
          const permissions = {
            isAdmin: false,
            tables: {
              orders: { create: true, read: true, update: true, delete: true },
              products: { read: true },
              [LONG_NAME]: { read: true },
            },
          };
          acme.resources[0].tables.push({ id: LONG_NAME, name: LONG_NAME });
          acme.roles[0].permissions = permissions;
          acme.resources[0].tables[2].columns = ['id', MARKUP, LONG_NAME.repeat(4)].map((name) => ({
            name,
            type: 'text',
          }));
          const parts = { tables: { orders: { read: true }, 'public.users': { read: ALTERNATIVES } } };
          acme.roles.push({ name: 'parts', scopes: ['orders.read'], permissions: parts });
          acme.users.push({ username: 'lena', password: PASSWORD, application: 'web', roles: ['parts'] });
          const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
          web.permissions = { tables: { ...permissions.tables, 'public.users': { read: true } } };
          web.minPasswordLength = 11;
          acme.applications.push({ ...web, name: 'long', clientId: 'long', displayName: 'W'.repeat(80) });
        },
      }),
    ]);
    flow = createFlow(server);
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  async function openLogin(parameters: Record<string, string> = {}): Promise<Page> {
    const context = await browser.newContext({ bypassCSP: true });
    const page = await context.newPage();
    await page.goto(flow.request({ prompt: 'consent', ...parameters }).url);
    return page;
  }

  async function logIn(page: Page, username: string, password: string): Promise<void> {
    await page.fill('#username', username);
    await page.fill('#password', password);
    await page.click('form[action$="/login"] button');
  }

  /** What of the page is wider than it should be, and which words are torn apart. */
  const findFaults = (page: Page): Promise<unknown> =>
    page.evaluate(`(() => {
      const card = document.querySelector('main');
      const { paddingRight } = getComputedStyle(card);
      const end = card.getBoundingClientRect().right - Number.parseFloat(paddingRight) + 1;
      const words = [...document.querySelectorAll('th, td')].flatMap((cell) => [...cell.childNodes]);
      const torn = words.filter(({ textContent }) => textContent.trim().length < 10).filter((word) => {
        const range = document.createRange();
        range.selectNodeContents(word);
        return range.getClientRects().length > 1;
      });
      return {
        beyondPage: document.documentElement.scrollWidth > document.documentElement.clientWidth,
        beyondCard: [...card.querySelectorAll('*')].filter((each) => each.getBoundingClientRect().right > end).length,
        torn: torn.map(({ textContent }) => textContent),
      };
    })()`);

  test('the table of a consent stays in its card and tears no words, with wide fonts too', async () => {
    const page = await openLogin();
    await logIn(page, 'ann', PASSWORD);
    await page.waitForSelector('table');
    for (const font of ['', WIDE_FONT]) {
      if (font !== '') await page.addStyleTag({ content: font });
      for (const width of SIZES) {
        await page.setViewportSize({ width, height: 700 });
        const faults = await findFaults(page);
        assert.deepEqual(faults, { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px ${font}`);
      }
    }
  });

  test('rights to parts of a table stay in the card, however many and long they are', async () => {
    const page = await openLogin();
    await logIn(page, 'lena', PASSWORD);
    await page.waitForSelector('table');
    assert.equal(await page.locator('ul strong[title="public.users"]').count(), 16);
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await page.title(), 'Allow access');
    const text = (await page.textContent('main')) ?? '';
    assert.ok(!/[\u202e\u2066]/.test(text) && text.includes('a\\u202eb\\u2066c'));
    assert.ok(text.includes('15-99-'), 'all values are there');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const isOpen of [false, true]) {
        await page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = ${isOpen}`);
        for (const width of SIZES) {
          await page.setViewportSize({ width, height: 700 });
          const faults = await findFaults(page);
          assert.deepEqual(faults, { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px, ${isOpen}`);
        }
      }
    }
  });

  test('a name of marks and a long host stay in their lines of the page of an agent', async () => {
    const host = `https://${'long.'.repeat(40)}example`;
    const clientId = `${host}/agent.json`;
    const redirectUri = `${host}/cb`;
    const name = `Z${'\u0352\u0310\u034b'.repeat(16)}algo ${'W'.repeat(45)}`;
    await addAgent(server, { clientId, name, redirectUris: [redirectUri] });
    const page = await openLogin({ client_id: clientId, redirect_uri: redirectUri, resource: RESOURCE });
    await logIn(page, 'ann', PASSWORD);
    await page.waitForSelector('dl');
    for (const font of ['', WIDE_FONT]) {
      if (font !== '') await page.addStyleTag({ content: font });
      for (const width of SIZES) {
        await page.setViewportSize({ width, height: 700 });
        const faults = await findFaults(page);
        assert.deepEqual(faults, { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px ${font}`);
      }
    }
    const clipped = await page.evaluate(`getComputedStyle(document.querySelector('dd')).overflowY`);
    assert.equal(clipped, 'clip');
  });

  test('the page of what has access works without JavaScript, and takes a double click', async () => {
    const host = `https://${'other.'.repeat(40)}example`;
    const clientId = `${host}/agent.json`;
    await addAgent(server, { clientId, name: 'W'.repeat(100), redirectUris: [`${host}/cb`] });
    const parameters = { client_id: clientId, redirect_uri: `${host}/cb`, resource: RESOURCE };
    await flow.authorize(createBrowser(server.issuer), flow.request(parameters).url, { username: 'lena' });
    const context = await browser.newContext({ bypassCSP: true, javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${server.issuer}/account/applications?application=web`);
    await page.fill('#username', 'lena');
    await page.fill('#password', PASSWORD);
    await page.click('button');
    await page.waitForSelector('section');
    assert.equal(await page.locator('section img').count(), 0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of SIZES) {
        await page.setViewportSize({ width, height: 700 });
        const faults = await findFaults(page);
        assert.deepEqual(faults, { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px`);
      }
    }
    // Who says what is written on a button presses it (WCAG 2.5.3).
    assert.equal(
      await page.getAttribute('section button', 'aria-label'),
      `End this access: ${'W'.repeat(100)}`,
    );
    await page.dblclick('section button');
    await page.waitForSelector('[role=status]');
    assert.equal(await page.locator('section').count(), 0);
    await page.reload();
    assert.equal(await page.locator('section').count(), 0);
    await context.close();
  });

  test('cells of a narrow table stand in the middle under their headings', async () => {
    const page = await openLogin();
    await logIn(page, 'ann', PASSWORD);
    await page.waitForSelector('table');
    await page.setViewportSize({ width: 320, height: 700 });
    const off = await page.evaluate(`(() => {
      const middleOf = (cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        const { left, right } = range.getBoundingClientRect();
        return (left + right) / 2;
      };
      const [head, ...rows] = [...document.querySelectorAll('tr')].map((row) => [...row.children].slice(1).map(middleOf));
      return Math.max(...rows.flatMap((row) => row.map((middle, column) => Math.abs(middle - head[column]))));
    })()`);
    assert.ok(Number(off) < 2, `${off} px`);
  });

  test('letters are as large as the person has set them in the browser', async () => {
    const page = await openLogin();
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Page.setFontSizes', { fontSizes: { standard: 32 } });
    await logIn(page, 'ann', PASSWORD);
    await page.waitForSelector('table');
    assert.equal(await page.evaluate('getComputedStyle(document.body).fontSize'), '32px');
    for (const width of [640, 1_000]) {
      await page.setViewportSize({ width, height: 700 });
      assert.deepEqual(await findFaults(page), { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px`);
    }
  });

  test('a logout of an application with a long name stays in its card', async () => {
    const page = await openLogin();
    await logIn(page, 'ann', PASSWORD);
    await page.waitForSelector('table');
    await page.goto(`${server.issuer}/oauth/logout?client_id=long`);
    assert.match((await page.textContent('button.plain')) ?? '', /^Log out of W{80} only$/);
    for (const width of SIZES) {
      await page.setViewportSize({ width, height: 700 });
      assert.deepEqual(await findFaults(page), { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px`);
    }
  });

  test('borders of fields have a contrast of 3 to 1 (WCAG 1.4.11)', async () => {
    const page = await openLogin();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const contrast = await page.evaluate(`(() => {
        const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const luminance = (color) => {
          pixel.fillStyle = color;
          pixel.fillRect(0, 0, 1, 1);
          const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((each) =>
            each <= 10 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4,
          );
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const border = luminance(getComputedStyle(document.querySelector('#username')).borderTopColor);
        const around = luminance(getComputedStyle(document.body).backgroundColor);
        return (Math.max(border, around) + 0.05) / (Math.min(border, around) + 0.05);
      })()`);
      assert.ok(Number(contrast) >= 3, `${colorScheme}: ${contrast}`);
    }
  });

  test('after a wrong password the cursor is in its field, which says what is wrong', async () => {
    const page = await openLogin();
    await page.waitForSelector('#username:focus');
    await logIn(page, 'ann', 'wrong');
    await page.waitForSelector('#password:focus');
    assert.equal(await page.title(), 'The username or the password is wrong. Log in');
    assert.deepEqual(
      await page.evaluate(`(({ activeElement: { id, ariaInvalid, attributes } }) => ({
        id,
        ariaInvalid,
        described: document.getElementById(attributes['aria-describedby'].value).textContent,
      }))(document)`),
      { id: 'password', ariaInvalid: 'true', described: 'The username or the password is wrong.' },
    );
    assert.equal(await page.inputValue('#username'), 'ann');
  });

  test('a login_hint leaves the password to be typed', async () => {
    const page = await openLogin({ login_hint: 'ann' });
    await page.waitForSelector('#password:focus');
  });

  test('a new password that will not do is said in the title and at its field', async () => {
    const page = await openLogin();
    await page.goto(`${server.issuer}/account/password?application=web`);
    await page.fill('#username', 'ann');
    for (const name of ['password', 'new_password']) await page.fill(`#${name}`, PASSWORD);
    await page.fill('#repeated', 'another one');
    await page.click('button');
    await page.waitForSelector('[role=alert]');
    assert.equal(await page.title(), 'The new password was not repeated exactly. Change the password');
    assert.equal(await page.getAttribute('#repeated', 'aria-invalid'), 'true');
    assert.equal(await page.getAttribute('#repeated', 'aria-describedby'), 'problem');
    await page.waitForSelector('#password:focus');
  });

  test('the page of the first administrator stays in its card and says what is wrong', async () => {
    const page = await (await browser.newContext({ bypassCSP: true })).newPage();
    await page.goto((await server.server.foundations.firstAdministrator.offer()) ?? '');
    await page.waitForSelector('#username:focus');
    await page.fill('#username', 'ada');
    await page.fill('#password', 'the-first-of-them-all');
    await page.fill('#repeated', 'the-first-of-them-all!');
    await page.click('button');
    await page.waitForSelector('#password:focus');
    assert.equal(await page.title(), 'The password was not repeated exactly. Make the first administrator');
    assert.equal(await page.getAttribute('#repeated', 'aria-describedby'), 'problem');
    for (const font of ['', WIDE_FONT]) {
      if (font !== '') await page.addStyleTag({ content: font });
      for (const width of SIZES) {
        await page.setViewportSize({ width, height: 700 });
        const faults = await findFaults(page);
        assert.deepEqual(faults, { beyondPage: false, beyondCard: 0, torn: [] }, `${width} px ${font}`);
      }
    }
  });

  test('a person is told how long a new password must be before typing one', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${server.issuer}/account/password?application=web`);
    await page.waitForSelector('text=At least 11 characters.');
    for (const [name, least] of [
      ['acme/web/lena', 11],
      ['management/ada', 15],
    ] as const) {
      if (name === 'management/ada') {
        const made = await runBeside(server, ['administrator', 'create', 'ada', '--generate']);
        assert.equal(made.code, 0, made.err);
      }
      const { out } = await runBeside(server, ['user', 'reset-password', name]);
      await page.goto(JSON.parse(out).link);
      await page.waitForSelector(`text=At least ${least} characters.`);
    }
  });
});
