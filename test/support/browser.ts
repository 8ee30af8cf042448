/** A browser as far as forms, cookies and redirects go. */
import { createHash, randomBytes } from 'node:crypto';

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface Browser {
  readonly cookies: Map<string, string>;
  /** Follows redirects within the server; stops at the first that leaves it. */
  get(url: string): Promise<Page>;
  /** Sends the form of the page whose action contains `action`. */
  submit(
    page: Page,
    action: string,
    fields?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Page>;
  post(url: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Page>;
}

const decodeEntities = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** The hidden fields of a form. */
function hiddenFields(page: Page, action: string): { action: string; fields: Record<string, string> } {
  for (const [form] of page.text.matchAll(/<form[\s\S]*?<\/form>/g)) {
    const target = decodeEntities(/action="([^"]*)"/.exec(form)?.[1] ?? '');
    if (!target.includes(action)) continue;
    const fields: Record<string, string> = {};
    for (const [input] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      fields[decodeEntities(/name="([^"]*)"/.exec(input)?.[1] ?? '')] = decodeEntities(
        /value="([^"]*)"/.exec(input)?.[1] ?? '',
      );
    }
    return { action: target, fields };
  }
  throw new Error(`no form with action ${action} on ${page.url}:\n${page.text}`);
}

export function createBrowser(issuer: string): Browser {
  const cookies = new Map<string, string>();

  async function request(url: string, init: RequestInit): Promise<Page> {
    const target = new URL(url, issuer);
    const response = await fetch(target, {
      ...init,
      redirect: 'manual',
      headers: {
        accept: 'text/html',
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...init.headers,
      },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location) {
      const next = new URL(location, target);
      if (next.origin === new URL(issuer).origin) return request(next.href, { method: 'GET' });
      return { url: next.href, status: response.status, headers: response.headers, text: '' };
    }
    return {
      url: target.href,
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    };
  }

  const browser: Browser = {
    cookies,
    get: (url) => request(url, { method: 'GET' }),
    post: (url, fields, headers = {}) =>
      request(url, { method: 'POST', body: new URLSearchParams(fields), headers }),
    submit(page, action, fields = {}, headers = {}) {
      const form = hiddenFields(page, action);
      return browser.post(new URL(form.action, page.url).href, { ...form.fields, ...fields }, headers);
    },
  };
  return browser;
}

export interface Pkce {
  readonly verifier: string;
  readonly challenge: string;
}

export function createPkce(): Pkce {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

/** The address of an authorization request. */
export function authorizeUrl(
  issuer: string,
  pkce: Pkce,
  parameters: Record<string, string | undefined>,
): string {
  const all = {
    response_type: 'code',
    code_challenge: pkce.challenge,
    code_challenge_method: 'S256',
    state: 'st4te',
    ...parameters,
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `${issuer}/oauth/authorize?${new URLSearchParams(given)}`;
}
