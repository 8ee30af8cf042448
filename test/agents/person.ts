/** A person with a browser of their own, who does what the pages of the server ask. */
import type { Browser } from 'playwright-core';
import { openTab } from '../support/chromium.ts';
import type { Person } from './official-client.ts';

export interface PersonOptions {
  readonly username: string;
  readonly password: string;
}

export interface PersonAtBrowser extends AsyncDisposable {
  /** Logs in if asked, and allows what the page shows. */
  readonly allow: Person;
  /** The text of the last consent page. */
  readonly consent: string;
  /**
   * Ends the access of an application at the page that shows what has access.
   * @param page its address @param application as the page calls it @returns the text of the page before
   */
  end(page: string, application: string): Promise<string>;
}

export async function openPerson(
  chromium: Browser,
  { username, password }: PersonOptions,
): Promise<PersonAtBrowser> {
  const tab = await openTab(chromium);
  const { page } = tab;
  const shown = async (): Promise<string> => (await page.innerText('body')).replaceAll(/\s+/g, ' ');
  let consent = '';

  async function logInIfAsked(): Promise<void> {
    if ((await page.locator('input[name=password]').count()) === 0) return;
    await page.fill('input[name=username]', username);
    await page.fill('input[name=password]', password);
    await page
      .locator('form', { has: page.locator('input[name=password]') })
      .locator('button')
      .click();
  }

  return {
    get consent() {
      return consent;
    },
    async allow(url) {
      await page.goto(url.href);
      await logInIfAsked();
      consent = await shown();
      await page.click('form[action$="/consent"] button');
      await page.waitForURL((landed) => landed.origin !== url.origin);
      return new URL(page.url());
    },
    async end(address, application) {
      await page.goto(address);
      await logInIfAsked();
      const before = await shown();
      await page.locator('section', { hasText: application }).locator('button').click();
      await page.waitForSelector('[role=status]');
      return before;
    },
    [Symbol.asyncDispose]: () => tab[Symbol.asyncDispose](),
  };
}
