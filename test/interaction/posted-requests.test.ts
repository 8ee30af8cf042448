import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { createLogger } from '../../src/http/log.ts';
import { type Browser, createBrowser, createPkce } from '../support/browser.ts';
import { REDIRECT_URI, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage } from './flow.ts';

const BYE = 'https://app.acme.example/bye';
const AUTHORIZE = '/oauth/authorize';
const LOGOUT = '/oauth/logout';

describe('requests that are posted', () => {
  const lines: string[] = [];
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    const destination = { write: (line: string) => lines.push(line) };
    server = await startServer({ log: createLogger({ level: 'trace', destination }) });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  /** The parameters of an authorization request. */
  function asked(parameters: Record<string, string> = {}, pkce = createPkce()): Record<string, string> {
    return Object.fromEntries(new URL(flow.request(parameters, pkce).url).searchParams);
  }

  /** What a browser without cookies is answered, and the cookies it has from then on. */
  async function post(path: string, form: Record<string, string> | URLSearchParams) {
    const browser = createBrowser(server.issuer);
    const body = new URLSearchParams(form);
    const response = await fetch(server.issuer + path, { method: 'POST', redirect: 'manual', body });
    const location = response.headers.get('location') ?? '';
    const cookies = response.headers.getSetCookie();
    for (const cookie of cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      browser.cookies.set(name, value);
    }
    return { browser, location, cookies, status: response.status };
  }

  const continued = async (browser: Browser, location: string): Promise<number> =>
    (
      await fetch(new URL(location, server.issuer), {
        redirect: 'manual',
        headers: { cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') },
      })
    ).status;

  test('a posted authorization request ends with a code, and all its parameters count', async () => {
    const browser = createBrowser(server.issuer);
    const pkce = createPkce();
    let page = await browser.post(server.issuer + AUTHORIZE, asked({ state: 's & t', nonce: 'n0nce' }, pkce));
    page = await flow.logIn(browser, page);
    const answer = new URL((await browser.submit(page, '/consent')).url);
    assert.equal(answer.searchParams.get('state'), 's & t');
    const { json } = await flow.redeem(codeOf(answer), pkce.verifier);
    const claims = JSON.parse(Buffer.from(json.id_token.split('.')[1], 'base64url').toString());
    assert.equal(claims.nonce, 'n0nce');
    assert.equal((await server.introspect(json.access_token)).scope, 'openid orders.read');
  });

  test('the 303 carries an id and the client_id, and sets a cookie of 60 s', async () => {
    const { status, location, cookies } = await post(AUTHORIZE, asked());
    assert.equal(status, 303);
    const { pathname, searchParams } = new URL(location, server.issuer);
    assert.equal(pathname, AUTHORIZE);
    assert.deepEqual([...searchParams.keys()].sort(), ['client_id', 'posted_request']);
    assert.equal(searchParams.get('client_id'), 'web');
    assert.match(searchParams.get('posted_request') ?? '', /^[\w-]{22}$/);
    assert.equal(cookies.length, 1);
    assert.match(cookies[0] ?? '', /; samesite=lax/i);
    assert.match(cookies[0] ?? '', /; httponly/i);
    const expires = Date.parse(/expires=([^;]+)/i.exec(cookies[0] ?? '')?.[1] ?? '');
    assert.ok(expires > Date.now() && expires <= Date.now() + 60_000);
  });

  test('the session of the browser counts although the POST came without its cookie', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser);
    const { browser: posted, location } = await post(AUTHORIZE, asked({ prompt: 'none' }));
    for (const [name, value] of posted.cookies) browser.cookies.set(name, value);
    codeOf(new URL((await browser.get(location)).url));
  });

  test('an id is good once, however many ask at once', async () => {
    const { browser, location } = await post(AUTHORIZE, asked());
    const answers = await Promise.all(Array.from({ length: 20 }, () => continued(browser, location)));
    assert.deepEqual(answers.sort(), [303, ...Array.from({ length: 19 }, () => 400)]);
  });

  test('an id does not work in another browser, and stays good in its own', async () => {
    const { browser, location } = await post(AUTHORIZE, asked());
    const { browser: other } = await post(AUTHORIZE, asked());
    assert.equal(await continued(createBrowser(server.issuer), location), 400);
    const [[name]] = [...browser.cookies] as [[string, string]];
    const [[, value]] = [...other.cookies] as [[string, string]];
    other.cookies.set(name, value);
    assert.equal(await continued(other, location), 400);
    assert.equal(await continued(browser, location), 303);
  });

  test('nothing can be added to a posted request', async () => {
    const { browser, location } = await post(AUTHORIZE, asked());
    for (const changed of [
      `${location}&scope=openid`,
      `${location}&posted_request=x`,
      location.replace('client_id=web', 'client_id=spa'),
      location.replace('client_id=web&', ''),
      location.replace(AUTHORIZE, LOGOUT),
    ]) {
      assert.equal(await continued(browser, changed), 400, changed);
    }
    assert.equal(await continued(browser, location), 303);
  });

  test('a malformed id is refused like an expired one', async () => {
    for (const id of [
      '',
      '(',
      'x'.repeat(8_000),
      '%00',
      '%0d%0aset-cookie:a=b',
      '__proto__',
      '%F0%9F%92%A5',
    ]) {
      for (const query of [`posted_request=${id}`, `posted_request=${id}&posted_request=${id}`]) {
        const { status, headers } = await fetch(`${server.issuer}${LOGOUT}?${query}`);
        assert.equal(status, 400, query);
        assert.deepEqual(headers.getSetCookie(), [], query);
      }
    }
  });

  test('after 60 s an id is not good, and the sweeper removes what it stood for', async () => {
    const { browser, location } = await post(AUTHORIZE, asked());
    server.clock.offset += 60_000;
    assert.equal(await continued(browser, location), 400);
    const { storage, now } = server.server.foundations;
    while ((await storage.sweep(now(), 500)) === 500);
    for await (const row of storage.dump.export()) {
      assert.ok(!('model' in row && row.model === 'PostedRequest'), JSON.stringify(row));
    }
  });

  test('neither the id nor the cookie nor a parameter can be read in the store', async () => {
    const { browser, location } = await post(AUTHORIZE, asked({ login_hint: 'h1nt-of-ann' }));
    const id = new URL(location, server.issuer).searchParams.get('posted_request') ?? '';
    const rows: string[] = [];
    for await (const row of server.server.foundations.storage.dump.export()) rows.push(JSON.stringify(row));
    assert.ok(rows.some((row) => row.includes('PostedRequest')));
    for (const secret of [id, ...browser.cookies.values(), 'h1nt-of-ann']) {
      assert.ok(!rows.some((row) => row.includes(secret)), secret);
    }
  });

  test('AZ-07 parameters in the query of a POST are refused, also beside a body', async () => {
    for (const path of [AUTHORIZE, LOGOUT]) {
      for (const form of [asked(), {}]) {
        assert.equal((await post(`${path}?client_id=web`, form)).status, 400, path);
      }
    }
  });

  test('AZ-07 a parameter that is posted twice is refused', async () => {
    const form = new URLSearchParams(asked());
    form.append('scope', 'openid');
    const { browser, location } = await post(AUTHORIZE, form);
    const page = await browser.get(location);
    assert.equal(errorOf(page), 'invalid_request');
    assert.match(new URL(page.url).searchParams.get('error_description') ?? '', /scope/);
  });

  test('only forms of at most 16 KB are taken, by GET and POST only', async () => {
    for (const path of [AUTHORIZE, LOGOUT]) {
      const ask = (init: RequestInit) => fetch(server.issuer + path, { redirect: 'manual', ...init });
      const json = { 'content-type': 'application/json' };
      const statuses = [
        (await ask({ method: 'POST', headers: json, body: JSON.stringify(asked()) })).status,
        (await ask({ method: 'POST' })).status,
        (await post(path, { ...asked(), state: 'x'.repeat(16_384) })).status,
        (await post(path, { ...asked(), state: 'x'.repeat(60_000) })).status,
      ];
      assert.deepEqual(statuses, [415, 415, 413, 413], path);
      for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const { status, headers } = await ask({ method });
        assert.equal(status, 405, `${method} ${path}`);
        assert.equal(headers.get('allow'), 'GET, POST');
      }
    }
  });

  test('an address that posts more than 120 a minute is told to come again', async () => {
    await using other = await startServer({ env: { GRANTABLE_AUTHORIZATION_LIMIT: '120/1m' } });
    const body = new URLSearchParams({ client_id: 'web' });
    const ask = () => fetch(other.issuer + AUTHORIZE, { method: 'POST', redirect: 'manual', body });
    const answers = await Promise.all(Array.from({ length: 125 }, ask));
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(answers.filter(({ status }) => status === 303).length, 120);
    assert.equal(refused.length, 5);
    assert.ok(Number(refused[0]?.headers.get('retry-after')) >= 1);
    other.clock.offset += 60_000;
    assert.equal((await ask()).status, 303);
  });

  test('a posted logout ends the session and leads to the registered address', async () => {
    const browser = createBrowser(server.issuer);
    const { access_token, id_token } = await flow.tokens(browser);
    const form = { id_token_hint: id_token, post_logout_redirect_uri: BYE, state: 'bye' };
    const page = await browser.post(server.issuer + LOGOUT, form);
    assert.match(page.text, /web asks to log you out/);
    const done = await browser.submit(page, '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal(done.url, `${BYE}?state=bye`);
    assert.deepEqual(await server.introspect(access_token), { active: false });
  });

  test('a posted id_token_hint stands in no URL, no line of the log and no row', async () => {
    const browser = createBrowser(server.issuer);
    const { id_token } = await flow.tokens(browser);
    const [head = '', payload = '', signature = ''] = id_token.split('.');
    // One that is refused too: reasons quote what was wrong.
    for (const hint of [id_token, `${head}.${payload}.${signature.toLowerCase()}`]) {
      const { browser: posted, location, status } = await post(LOGOUT, { id_token_hint: hint });
      assert.equal(status, 303);
      assert.deepEqual([...new URL(location, server.issuer).searchParams.keys()], ['posted_request']);
      for (const [name, value] of posted.cookies) browser.cookies.set(name, value);
      const page = await browser.get(location);
      assert.equal(page.status, hint === id_token ? 200 : 400);
      assert.ok(!page.text.includes(payload) && !page.url.includes(payload));
    }
    const rows: string[] = [];
    for await (const row of server.server.foundations.storage.dump.export()) rows.push(JSON.stringify(row));
    assert.ok(lines.length > 0);
    assert.ok(![...lines, ...rows].some((text) => text.includes(payload)));
  });

  test('the id_token_hint of a login that waits for a person stands in no row', async () => {
    const browser = createBrowser(server.issuer);
    const { id_token } = await flow.tokens(browser);
    const form = asked({ id_token_hint: id_token, prompt: 'login' });
    const page = await browser.post(server.issuer + AUTHORIZE, form);
    for await (const row of server.server.foundations.storage.dump.export()) {
      assert.ok(!JSON.stringify(row).includes(id_token), JSON.stringify(row));
    }
    const answer = await flow.logIn(browser, page);
    codeOf(new URL(answer.url));
  });

  test('a posted resource in its other spelling is taken, and stands in no URL', async () => {
    for (const more of [{}, { prompt: 'select_account' }]) {
      const browser = createBrowser(server.issuer);
      const pkce = createPkce();
      const form = asked({ resource: RESOURCE.replace(/\/$/, ''), ...more }, pkce);
      let page = await browser.post(server.issuer + AUTHORIZE, form);
      assert.equal(page.status, 200, page.text);
      page = await flow.logIn(browser, page);
      const answer = isConsentPage(page) ? await browser.submit(page, '/consent') : page;
      const { json } = await flow.redeem(codeOf(new URL(answer.url)), pkce.verifier);
      assert.equal((await server.introspect(json.access_token)).aud, RESOURCE);
    }
  });

  test('a posted authorization request can be answered by form_post', async () => {
    const browser = createBrowser(server.issuer);
    const form = asked({ response_mode: 'form_post', prompt: 'none' });
    const page = await browser.post(server.issuer + AUTHORIZE, form);
    assert.match(page.text, /name="error" value="login_required"/);
    assert.ok(page.text.includes(`action="${REDIRECT_URI}"`));
  });
});

test('WB-02 with an https issuer the cookie of a posted request is Secure and __Host-', async () => {
  const issuer = 'https://id.acme.example';
  await using server = await startServer({
    env: { GRANTABLE_ISSUER: issuer, GRANTABLE_TRUSTED_PROXIES: '127.0.0.1' },
  });
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const type = 'application/x-www-form-urlencoded';
    request(
      `${server.issuer}/oauth/authorize`,
      { method: 'POST', headers: { host: 'id.acme.example', 'content-type': type } },
      (response) => {
        response.resume();
        resolve(response.headers);
      },
    )
      .on('error', reject)
      .end('client_id=web');
  });
  assert.match(String(headers['set-cookie']), /^__Host-posted-[\w-]=[\w-]{22}; path=\/; .*secure/i);
  assert.match(String(headers.location), /^\/oauth\/authorize\?client_id=web&posted_request=/);
});
