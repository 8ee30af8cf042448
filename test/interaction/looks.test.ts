import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumMissing, startChromium } from '../support/chromium.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { createFlow, type Flow } from './flow.ts';

const LONG_NAME = 'customer_shipping_addresses';
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
          acme.applications.find(({ name }: { name: string }) => name === 'web').permissions = permissions;
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
});
