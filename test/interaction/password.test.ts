import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Browser, createBrowser, type Page } from '../support/browser.ts';
import { type Answer, PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage, isLoginPage, postRaw } from './flow.ts';

const NEW_PASSWORD = 'a-brand-new-password';
const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 100 : 8;
const PEOPLE = ['amy', 'ben', 'cat', 'dan', 'eve', 'factor', 'gus', 'race'];

function formToken({ text }: Page): string {
  return /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
}

describe('/account/password', () => {
  let server: TestServer;
  let flow: Flow;
  let url: string;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.applications.find(({ name }: { name: string }) => name === 'web').minPasswordLength = 12;
        for (const username of PEOPLE) {
          acme.users.push({ username, password: PASSWORD, application: 'web', roles: ['clerk'] });
        }
        acme.users.push({ username: 'race', password: PASSWORD, application: 'shop', roles: ['clerk'] });
      },
    });
    flow = createFlow(server);
    url = `${server.issuer}/account/password?application=web`;
  });
  after(() => server[Symbol.asyncDispose]());

  /** A person whose password has not been changed yet. */
  const changeOf = (browser: Browser, page: Page, fields: Record<string, string>) =>
    browser.submit(page, '/account/password', {
      password: PASSWORD,
      new_password: NEW_PASSWORD,
      repeated: fields.new_password ?? NEW_PASSWORD,
      ...fields,
    });
  async function change(fields: Record<string, string>): Promise<Page> {
    const browser = createBrowser(server.issuer);
    return changeOf(browser, await browser.get(url), fields);
  }
  const refresh = (refresh_token: string): Promise<Answer> =>
    server.post('/oauth/token', 'web', { grant_type: 'refresh_token', refresh_token });

  test('AC-12 RT-08 a new password ends every token and session made with the old one', async () => {
    const session = createBrowser(server.issuer);
    const offline = { scope: 'openid offline_access orders.read', prompt: 'consent' };
    const tokens = await flow.tokens(session, offline);
    const passwordBefore = { username: 'ann', password: PASSWORD };
    assert.equal((await server.introspect(tokens.access_token)).active, true);

    const done = await change({ username: 'ann' });
    assert.equal(done.status, 200);
    assert.match(done.text, /password was changed/);
    assert.deepEqual(await server.introspect(tokens.access_token), { active: false });
    assert.equal((await refresh(tokens.refresh_token)).json.error, 'invalid_grant');
    assert.equal(errorOf(await session.get(flow.request({ prompt: 'none' }).url)), 'login_required');

    const browser = createBrowser(server.issuer);
    const page = await browser.get(flow.request().url);
    assert.equal((await flow.logIn(browser, page, passwordBefore)).status, 400);
    // The engine knows to the second only when a person logged in.
    server.clock.offset += 1_000;
    const fresh = await flow.authorize(browser, page.url, { password: NEW_PASSWORD });
    assert.ok(codeOf(fresh));
    assert.equal((await server.introspect(tokens.access_token)).active, false, 'nothing comes back to life');
  });

  test('a person who changes their password 300 times in an hour has to wait', async () => {
    const { storage, throttle } = server.server.foundations;
    const web = await storage.directory.applications.findBy('clientId', 'web');
    const readGus = () => storage.directory.users.findBy('username', `${web?.realm}/gus`);
    const gus = await readGus();
    assert.ok(gus);
    for (let taken = 0; taken < 300; taken += 1) await throttle.ownChange(gus.id);
    assert.equal((await change({ username: 'gus' })).status, 429);
    assert.deepEqual(await readGus(), gus);
  });

  test('AC-12 a refused change of password changes and ends nothing', async () => {
    const { access_token } = await flow.tokens(createBrowser(server.issuer), undefined, {
      username: 'amy',
    });
    const refusals: [Record<string, string>, RegExp][] = [
      [{ password: 'wrong' }, /The username or the password is wrong\./],
      [{ password: '' }, /The username or the password is wrong\./],
      [{ new_password: 'elevenchars' }, /The new password must have at least 12 characters\./],
      [{ new_password: 'passwordpassword' }, /The new password is too common\./],
      [{ repeated: `${NEW_PASSWORD}!` }, /was not repeated exactly\./],
      [{ new_password: 'x'.repeat(1_025) }, /at most 1024 bytes\./],
    ];
    for (const [fields, sentence] of refusals) {
      const page = await change({ username: 'amy', ...fields });
      assert.equal(page.status, 400, JSON.stringify(fields).slice(0, 60));
      assert.match(page.text, sentence);
      assert.doesNotMatch(page.text, /elevenchars|passwordpassword|correct-horse/, 'no password comes back');
    }
    assert.equal((await server.introspect(access_token)).active, true);
    const browser = createBrowser(server.issuer);
    const page = await browser.get(flow.request({ prompt: 'consent' }).url);
    assert.ok(isConsentPage(await flow.logIn(browser, page, { username: 'amy' })));
  });

  test('RT-08 a login that was proved before the change cannot be finished after it', async () => {
    const held = createBrowser(server.issuer);
    const login = await held.get(flow.request().url);
    const answer = await postRaw(server, held, `${new URL(login.url).pathname}/login`, {
      form_token: formToken(login),
      username: 'ben',
      password: PASSWORD,
    });
    assert.equal(answer.status, 303);
    const atConsent = createBrowser(server.issuer);
    const consent = await flow.logIn(atConsent, await atConsent.get(flow.request().url), { username: 'ben' });
    assert.ok(isConsentPage(consent));

    assert.match((await change({ username: 'ben' })).text, /password was changed/);
    // Into the next second, so that it is not the rounding that saves the day.
    server.clock.offset += 1_000;
    assert.ok(isLoginPage(await held.get(answer.headers.get('location') ?? '')));
    assert.ok(isLoginPage(await atConsent.submit(consent, '/consent')));
  });

  test('RT-08 a code from before the change is worth nothing after it', async () => {
    const browser = createBrowser(server.issuer);
    const { url: request, pkce } = flow.request();
    const code = codeOf(await flow.authorize(browser, request, { username: 'cat' }));
    await change({ username: 'cat' });
    assert.equal((await flow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('RT-04 RT-08 nothing that is made while the password changes outlives it', async () => {
    const shopPage = url.replace('application=web', 'application=shop');
    let password = PASSWORD;
    const logIn = () =>
      server.post('/oauth/token', 'shop', { grant_type: 'password', username: 'race', password });
    for (let round = 0; round < ROUNDS; round += 1) {
      const first = (await logIn()).json;
      assert.ok(first.refresh_token, JSON.stringify(first));
      const made: string[] = [first.access_token];
      const next = `${NEW_PASSWORD}-${round}`;
      let changing = true;
      let latest: string = first.refresh_token;
      const refreshing = (async () => {
        while (changing) {
          const form = { grant_type: 'refresh_token', refresh_token: latest };
          const { json } = await server.post('/oauth/token', 'shop', form);
          if (!json.access_token) return;
          made.push(json.access_token);
          latest = json.refresh_token;
        }
      })();
      const loggingIn = Promise.all(Array.from({ length: 3 }, logIn));
      const browser = createBrowser(server.issuer);
      const page = await changeOf(browser, await browser.get(shopPage), {
        username: 'race',
        password,
        new_password: next,
      });
      assert.match(page.text, /password was changed/, page.text);
      changing = false;
      await refreshing;
      for (const { json } of await loggingIn) if (json.access_token) made.push(json.access_token);
      for (const token of made) {
        assert.deepEqual(await server.introspect(token), { active: false }, `round ${round}`);
      }
      const late = await server.post('/oauth/token', 'shop', {
        grant_type: 'refresh_token',
        refresh_token: latest,
      });
      assert.equal(late.json.error, 'invalid_grant');
      password = next;
    }
  });

  test('an account with a second factor is refused like a wrong password', async () => {
    const { changes, directory, users } = server.server.foundations;
    const { realm } = (await (await directory.view()).findApplication('web'))!.application;
    const user = await users.findByLogin(realm, 'factor');
    await changes.users.replace({ ...user!, secondFactor: true }, { actor: 'test' });
    const plain = (page: Page) => ({ status: page.status, text: page.text.replaceAll(/value="[^"]*"/g, '') });
    const right = await change({ username: 'factor' });
    assert.equal(right.status, 400);
    assert.deepEqual(plain(right), plain(await change({ username: 'factor', password: 'wrong' })));
    assert.deepEqual(plain(right), plain(await change({ username: 'nobody' })));
    assert.equal((await users.findByLogin(realm, 'factor'))?.passwordHash, user?.passwordHash);
  });

  test('WB-03 the form is good from its own page and browser only', async () => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(url);
    const stranger = createBrowser(server.issuer);
    const theirs = await stranger.get(url);
    const fields = { username: 'dan' };
    assert.equal((await changeOf(createBrowser(server.issuer), page, fields)).status, 403, 'no cookie');
    assert.equal((await changeOf(stranger, page, fields)).status, 403, 'cookie of another page');
    for (const form_token of ['', 'x', formToken(theirs)]) {
      assert.equal((await changeOf(browser, page, { ...fields, form_token })).status, 403, form_token);
    }
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const refused = await browser.submit(
        page,
        '/account/password',
        { ...fields, password: PASSWORD, new_password: NEW_PASSWORD, repeated: NEW_PASSWORD },
        headers as Record<string, string>,
      );
      assert.equal(refused.status, 403);
    }
    const signed = browser.cookies.get('account') ?? '';
    browser.cookies.set('account', `${signed.startsWith('_') ? '-' : '_'}${signed.slice(1)}`);
    assert.equal((await changeOf(browser, page, fields)).status, 403, 'cookie that we did not sign');
  });

  test('a page that is open in another tab stays good', async () => {
    const browser = createBrowser(server.issuer);
    const first = await browser.get(url);
    await browser.get(url);
    assert.match((await changeOf(browser, first, { username: 'eve' })).text, /password was changed/);
  });

  test('AC-09 an application that is unknown, disabled or not named has no page', async () => {
    for (const query of ['', '?application=', '?application=nope', '?application=web&application=spa']) {
      const page = await createBrowser(server.issuer).get(`${server.issuer}/account/password${query}`);
      assert.equal(page.status, 404, query);
    }
  });

  test('SE-03 the change is audited with who and from where, without the password', async () => {
    await change({ username: 'dan' });
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 1 });
    const [entry] = entries;
    assert.equal(entry?.event, 'user.changed');
    assert.match(String(entry?.actor), /^application:.+\/.+$/);
    assert.equal(entry?.address, '127.0.0.1');
    assert.ok(entry?.requestId);
    assert.doesNotMatch(JSON.stringify(entry), new RegExp(`${NEW_PASSWORD}|${PASSWORD}|hmac-bcrypt`));
  });
});
