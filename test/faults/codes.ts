/** Authorization codes, made as a browser makes them. */
import { authorizeUrl, createBrowser, createPkce } from '../support/browser.ts';
import { PASSWORD, REDIRECT_URI } from '../support/server.ts';
import type { Code } from './history.ts';

export async function createCode(issuer: string): Promise<Code> {
  const pkce = createPkce();
  const browser = createBrowser(issuer);
  const parameters = { client_id: 'web', redirect_uri: REDIRECT_URI, scope: 'openid orders.read' };
  let page = await browser.get(authorizeUrl(issuer, pkce, parameters));
  page = await browser.submit(page, '/login', { username: 'ann', password: PASSWORD });
  // Agreed to before, it is not asked again.
  if (page.text !== '') page = await browser.submit(page, '/consent');
  return { value: new URL(page.url).searchParams.get('code') ?? '', verifier: pkce.verifier };
}
