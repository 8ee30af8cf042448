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
  /** Ends what the application may do, at the page of the person's applications. @returns the page's text before */
  end(issuer: string, application: string): Promise<string>;
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
    await page.click('form[action$="/login"] button');
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
    async end(issuer, application) {
      await page.goto(`${issuer}/account/applications`);
      await logInIfAsked();
      const before = await shown();
      await page.locator('section', { hasText: application }).locator('button').click();
      return before;
    },
    [Symbol.asyncDispose]: () => tab[Symbol.asyncDispose](),
  };
}
