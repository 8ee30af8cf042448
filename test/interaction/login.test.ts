import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { authorizeUrl, createBrowser, createPkce, type Page } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage, isLoginPage, postRaw } from './flow.ts';

const OTHER_REDIRECT_URI = 'https://app.other.example/callback';
const NO_SUCH_LOGIN = 'The username or the password is wrong.';

function formToken({ text }: Page): string {
  return /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
}

/** What a stranger can see of the answer: ids of this very attempt left out. */
function shape({ status, text }: Page): { status: number; text: string } {
  return { status, text: text.replaceAll(/value="[^"]*"|interaction\/[\w-]+/g, '') };
}

describe('login', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        for (const username of ['disabled', 'factor', 'guessed', 'held', 'typed']) {
          acme.users.push({ username, password: PASSWORD, application: 'web', roles: ['clerk'] });
        }
        acme.users.find(({ username }: { username: string }) => username === 'disabled').enabled = false;
      },
    });
    flow = createFlow(server);
    await changeUser('factor', { secondFactor: true });
  });
  after(() => server[Symbol.asyncDispose]());

  async function changeUser(username: string, change: Record<string, unknown>): Promise<void> {
    const { changes, directory, users } = server.server.foundations;
    const web = await (await directory.view()).findApplication('web');
    const user = await users.findByLogin(web!.application.realm, username);
    await changes.users.replace({ ...user!, ...change }, { actor: 'test' });
  }

  const otherUrl = (parameters: Record<string, string> = {}, pkce = createPkce()) =>
    authorizeUrl(server.issuer, pkce, {
      client_id: 'other-web',
      redirect_uri: OTHER_REDIRECT_URI,
      scope: 'openid',
      ...parameters,
    });
  async function loginPage(parameters: Record<string, string> = {}) {
    const browser = createBrowser(server.issuer);
    return { browser, page: await browser.get(flow.request(parameters).url) };
  }

  test('AZ-12 a login that was begun in one browser cannot be finished in another', async () => {
    const attacker = await loginPage();
    const fresh = createBrowser(server.issuer);
    const busy = (await loginPage()).browser;
    for (const victim of [fresh, busy]) {
      const shown = await victim.get(attacker.page.url);
      assert.equal(shown.status, 400);
      assert.match(shown.text, /begun in another browser/);
      assert.equal((await flow.logIn(victim, attacker.page)).status, 400);
      assert.equal((await victim.submit(attacker.page, '/abort')).status, 400);
    }
  });

  test('AZ-12 a login finished by the attacker cannot go on in another browser', async () => {
    const { browser, page } = await loginPage();
    const answer = await postRaw(server, browser, `${new URL(page.url).pathname}/login`, {
      form_token: formToken(page),
      username: 'ann',
      password: PASSWORD,
    });
    const next = answer.headers.get('location') ?? '';
    assert.match(next, /\/oauth\/authorize\//);
    const victim = createBrowser(server.issuer);
    assert.equal((await victim.get(next)).status, 400);
    assert.equal(victim.cookies.get('session'), undefined);
  });

  test('AZ-14 after login and after turning it down the browser is sent on with 303', async () => {
    for (const step of ['login', 'abort']) {
      const { browser, page } = await loginPage();
      const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => form);
      const form_token = formToken({ ...page, text: forms.find((form) => form.includes(`/${step}"`)) ?? '' });
      const answer = await postRaw(server, browser, `${new URL(page.url).pathname}/${step}`, {
        form_token,
        username: 'ann',
        password: PASSWORD,
      });
      assert.equal(answer.status, 303, step);
    }
  });

  test('AZ-18 repeated, malformed, too many or no possible scopes are refused', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => `s${index}`).join(' ');
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    for (const scope of [
      'orders.write',
      'openid orders.read orders.read',
      'openid  orders.read',
      `openid ${many}`,
      'openid\torders.read',
      'openid orders.read\u0000',
      'openid "orders.read"',
      'OPENID ORDERS.READ',
    ]) {
      for (const prompt of ['login', 'none']) {
        const page = await browser.get(flow.request({ scope, prompt }).url);
        assert.equal(errorOf(page), 'invalid_scope', `${prompt} ${JSON.stringify(scope.slice(0, 40))}`);
      }
    }
  });

  test('WB-01 the session id changes at every login, and the one before is dead', async () => {
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    const first = new Map(browser.cookies);
    assert.ok((first.get('session') ?? '').length >= 22, '128 bits or more');
    const page = await browser.get(flow.request({ prompt: 'login' }).url);
    assert.ok(isLoginPage(page));
    await flow.logIn(browser, page);
    assert.ok(browser.cookies.get('session'));
    assert.notEqual(browser.cookies.get('session'), first.get('session'));

    const thief = createBrowser(server.issuer);
    for (const [name, value] of first) thief.cookies.set(name, value);
    const silent = flow.request({ prompt: 'none' }).url;
    assert.equal(errorOf(await thief.get(silent)), 'login_required');
    codeOf(new URL((await browser.get(silent)).url));
  });

  test('WB-01 a session id chosen by an attacker is not taken over', async () => {
    const { browser, page } = await loginPage();
    const chosen = 'a'.repeat(43);
    browser.cookies.set('session', chosen);
    browser.cookies.set('session.sig', 'b'.repeat(27));
    await flow.logIn(browser, page);
    assert.ok(browser.cookies.get('session'));
    assert.notEqual(browser.cookies.get('session'), chosen);
  });

  test('WB-03 forms of other pages, origins and without a token are refused', async () => {
    const { browser, page } = await loginPage({ prompt: 'consent' });
    const other = await loginPage();
    const credentials = { username: 'ann', password: PASSWORD };
    for (const form_token of ['', 'x', formToken(other.page)]) {
      assert.equal((await flow.logIn(browser, page, { form_token })).status, 403, form_token);
    }
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: `${server.issuer}.evil.example` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const refused = await browser.submit(page, '/login', credentials, headers as Record<string, string>);
      assert.equal(refused.status, 403, JSON.stringify(headers));
    }
    assert.equal((await browser.post(`${page.url}/login`, credentials)).status, 403);
    const json = await fetch(`${page.url}/login`, {
      method: 'POST',
      headers: {
        'content-type': 'text/plain',
        cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      },
      body: JSON.stringify({ ...credentials, form_token: formToken(page) }),
    });
    assert.equal(json.status, 403);
    assert.equal(browser.cookies.get('session'), undefined, 'nobody was logged in');
    const own = { origin: server.issuer, 'sec-fetch-site': 'same-origin' };
    assert.ok(isConsentPage(await browser.submit(page, '/login', credentials, own)));
  });

  test('WB-06 a login_hint and a mistyped name fill the field and nothing else', async () => {
    const markup = '"><script>alert(1)</script>';
    const { browser, page } = await loginPage({ login_hint: markup });
    const escaped = 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"';
    assert.ok(page.text.includes(escaped));
    const again = await flow.logIn(browser, page, { username: `${markup}!`, password: 'wrong' });
    assert.ok(again.text.includes(escaped.replace(/"$/, '!"')));
    for (const { text } of [page, again]) assert.doesNotMatch(text, /<script/);
  });

  test('WB-09 no step can be skipped or taken out of turn', async () => {
    const { browser, page } = await loginPage({ prompt: 'consent' });
    assert.equal((await browser.post(`${page.url}/consent`, { form_token: formToken(page) })).status, 400);
    assert.equal((await browser.post(`${page.url}/consent`, {})).status, 400);
    const resumed = await browser.get(page.url.replace('/interaction/', '/oauth/authorize/'));
    assert.ok(isLoginPage(resumed), 'nothing was decided, so login is still due');
    const consent = await flow.logIn(browser, resumed);
    const late = await browser.post(`${consent.url}/login`, { username: 'ann', password: PASSWORD });
    assert.equal(late.status, 400);
    const back = await browser.get(`${consent.url}/consent`);
    assert.ok(isConsentPage(back), 'reloading the address of a form shows the step that is due');
  });

  test('AC-09 every reason to refuse a login shows the same page', async () => {
    const attempts = [
      { username: 'ann', password: 'wrong' },
      { username: 'nobody', password: PASSWORD },
      { username: 'disabled', password: PASSWORD },
      { username: 'bob', password: PASSWORD },
      { username: 'factor', password: PASSWORD },
      { username: 'factor', password: 'wrong' },
      { username: '', password: '' },
    ];
    const shapes = [];
    for (const attempt of attempts) {
      const { browser, page } = await loginPage();
      const answer = await flow.logIn(browser, page, attempt);
      assert.ok(answer.text.includes(NO_SUCH_LOGIN), JSON.stringify(attempt));
      assert.equal(browser.cookies.get('session'), undefined);
      shapes.push(shape(answer));
    }
    for (const other of shapes) assert.deepEqual(other, shapes[0]);
    assert.equal(shapes[0]?.status, 400);
  });

  test('a person logs in by email address and in any case of the name', async () => {
    for (const username of ['ANN@acme.example', 'Ann']) {
      const { browser, page } = await loginPage({ prompt: 'consent' });
      assert.ok(isConsentPage(await flow.logIn(browser, page, { username })), username);
    }
  });

  test('DO-02 guesses are throttled across pages and grants', async () => {
    const { browser, page } = await loginPage();
    let answer = page;
    for (let guess = 0; guess < 10; guess += 1) {
      answer = await flow.logIn(browser, page, { username: 'guessed', password: `wrong-${guess}` });
      assert.equal(answer.status, 400);
    }
    answer = await flow.logIn(browser, page, { username: 'guessed' });
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.match(answer.text, /Too many attempts\. Try again in 1 minute\./);
    assert.match(answer.text, /<title>Too many attempts/);
    const account = await browser.get(`${server.issuer}/account/password?application=web`);
    const change = await browser.submit(account, '/account/password', {
      username: 'guessed',
      password: PASSWORD,
      new_password: 'a-brand-new-password',
      repeated: 'a-brand-new-password',
    });
    assert.equal(change.status, 429);
    const unknown = await loginPage();
    for (let guess = 0; guess < 10; guess += 1) {
      await flow.logIn(unknown.browser, unknown.page, { username: 'nobody-here', password: 'wrong' });
    }
    const locked = await flow.logIn(unknown.browser, unknown.page, { username: 'nobody-here' });
    assert.deepEqual(
      shape(locked),
      shape({ ...answer, text: answer.text.replaceAll('guessed', 'nobody-here') }),
      'AC-09',
    );
  });

  test('DO-04 an account that is disabled in the middle of a login gets no code', async () => {
    const { browser, page } = await loginPage();
    const consent = await flow.logIn(browser, page, { username: 'held' });
    assert.ok(isConsentPage(consent));
    await changeUser('held', { enabled: false });
    const reloaded = await browser.get(consent.url);
    assert.doesNotMatch(reloaded.text, /held/);
    const done = await browser.submit(reloaded, '/consent');
    assert.ok(isLoginPage(done), done.url);
    const refused = await flow.logIn(browser, done, { username: 'held' });
    assert.ok(refused.text.includes(NO_SUCH_LOGIN));
  });

  test('MT-11 a session of one realm does not log in at a client of another', async () => {
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    assert.equal(errorOf(await browser.get(otherUrl({ prompt: 'none' }))), 'login_required');
    const page = await browser.get(otherUrl());
    assert.match(page.text, /Log in to other-web/);
    assert.doesNotMatch(page.text, /logged in as/);
    codeOf(new URL((await browser.get(flow.request({ prompt: 'none' }).url)).url));
  });

  test('MT-11 logging in at another realm ends the session of the first', async () => {
    const browser = createBrowser(server.issuer);
    const mine = await flow.tokens(browser);
    const pkce = createPkce();
    const change = await flow.logIn(browser, await browser.get(otherUrl({}, pkce)));
    const consent = await browser.submit(change, '/oauth/logout/confirm');
    assert.ok(isConsentPage(consent), consent.text);
    const answer = new URL((await browser.submit(consent, '/consent')).url);
    assert.equal(answer.origin + answer.pathname, OTHER_REDIRECT_URI);
    const { json } = await flow.redeem(codeOf(answer), pkce.verifier, 'other-web', {
      redirect_uri: OTHER_REDIRECT_URI,
    });
    const info = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${json.access_token}` },
    });
    assert.equal(info.status, 200);
    assert.equal(errorOf(await browser.get(flow.request({ prompt: 'none' }).url)), 'login_required');
    assert.deepEqual(await server.introspect(mine.access_token), { active: false });
  });

  test('the session is kept on the device only if the person says so', async () => {
    for (const remember of [undefined, 'yes']) {
      const { browser, page } = await loginPage();
      const { pathname } = new URL(page.url);
      const answer = await postRaw(server, browser, `${pathname}/login`, {
        form_token: formToken(page),
        username: 'ann',
        password: PASSWORD,
        ...(remember && { remember }),
      });
      const resumed = await fetch(answer.headers.get('location') ?? '', {
        redirect: 'manual',
        headers: { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      });
      const cookie = resumed.headers.getSetCookie().find((text) => text.startsWith('session='));
      assert.match(String(cookie), /; path=\/; samesite=lax; httponly/i);
      assert.equal(/expires=/i.test(String(cookie)), remember === 'yes');
    }
  });

  test('SE-03 a refused login is audited without what was typed', async () => {
    // The other tests have used up what is written for this address in a minute.
    server.clock.offset += 60_000;
    const { browser, page } = await loginPage();
    await flow.logIn(browser, page, { username: 'my-passw0rd-by-mistake', password: 'and-an0ther' });
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 1 });
    const [entry] = entries;
    assert.equal(entry?.event, 'login.refused');
    assert.equal(entry?.outcome, 'denied');
    assert.equal(entry?.client, 'web');
    const shop = await server.server.foundations.storage.directory.applications.findBy('clientId', 'web');
    const realm = `application:${shop?.id}`;
    assert.equal(entry?.reason, `unknown user, among the users of one application (realm ${realm})`);
    assert.equal(entry?.address, '127.0.0.1');
    assert.doesNotMatch(JSON.stringify(entry), /passw0rd|an0ther/);
  });
});

test('logins beyond the hash queue are told when to come again', async () => {
  await using server = await startServer({
    env: { GRANTABLE_HASH_QUEUE: '10', GRANTABLE_BCRYPT_COST: '10' },
  });
  const flow = createFlow(server);
  const attempts = Array.from({ length: 30 }, async (_, index) => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(flow.request().url);
    return flow.logIn(browser, page, { username: `nobody-${index}`, password: 'wrong' });
  });
  const answers = await Promise.all(attempts);
  const busy = answers.filter(({ status }) => status === 503);
  assert.ok(busy.length > 0 && busy.length < answers.length, `${busy.length} of ${answers.length}`);
  for (const { headers, text } of busy) {
    assert.ok(Number(headers.get('retry-after')) >= 1);
    assert.match(text, /Too many people are logging in/);
  }
});

test('WB-02 under an https issuer every cookie is for https only and bound to the host', async () => {
  const port = await freePort();
  await using server = await startServer({
    env: {
      GRANTABLE_PORT: String(port),
      GRANTABLE_ISSUER: 'https://id.acme.example',
      GRANTABLE_TRUSTED_PROXIES: '127.0.0.1',
    },
  });
  const jar = new Map<string, string>();
  const set: string[] = [];
  const ask = (path: string, form?: Record<string, string>): Promise<{ location?: string; text: string }> =>
    new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        {
          host: '127.0.0.1',
          port,
          path,
          method: form ? 'POST' : 'GET',
          headers: {
            host: 'id.acme.example',
            accept: 'text/html',
            cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
            ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
          },
        },
        async (response) => {
          for (const cookie of response.headers['set-cookie'] ?? []) {
            set.push(cookie);
            const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
            jar.set(name, value);
          }
          const chunks: Buffer[] = await response.toArray();
          const { location } = response.headers;
          resolve({ text: Buffer.concat(chunks).toString(), ...(location !== undefined && { location }) });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(form && new URLSearchParams(form).toString());
    });
  const pathOf = (location = '') => new URL(location, 'https://id.acme.example');

  await ask('/account/password?application=web');
  const { url } = createFlow(server).request();
  const { location } = await ask(pathOf(url).pathname + pathOf(url).search);
  const interaction = pathOf(location).pathname;
  const { text } = await ask(interaction);
  const form_token = /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
  const loggedIn = await ask(`${interaction}/login`, { form_token, username: 'ann', password: PASSWORD });
  assert.equal(pathOf(loggedIn.location).origin, 'https://id.acme.example');
  await ask(pathOf(loggedIn.location).pathname);

  const names = new Set(set.map((cookie) => cookie.split('=')[0]));
  for (const name of ['__Host-account', '__Host-session', 'interaction', 'resume']) {
    assert.ok(names.has(name), name);
    assert.ok(names.has(`${name}.sig`), `${name} is signed`);
  }
  for (const cookie of set) {
    assert.match(cookie, /; secure/i);
    assert.match(cookie, /; httponly/i);
    assert.match(cookie, /; samesite=lax/i);
    assert.doesNotMatch(cookie, /domain=/i);
    if (cookie.startsWith('__Host-')) assert.match(cookie, /; path=\/;/);
  }
});
