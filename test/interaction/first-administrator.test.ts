import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLogger } from '../../src/http/log.ts';
import type { User } from '../../src/nouns/index.ts';
import { type Browser, createBrowser, type Page } from '../support/browser.ts';
import { storageForTests } from '../support/mongodb.ts';
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts';

const FIRST_PASSWORD = 'the-first-of-them-all';
const PATH = '/account/first-administrator';

async function start(t: TestContext, options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

async function offer({ server }: TestServer): Promise<string> {
  const link = await server.foundations.firstAdministrator.offer();
  assert.ok(link);
  return link;
}

const administratorsOf = ({ server }: TestServer): Promise<User[]> =>
  Array.fromAsync(server.foundations.administrators.each());

async function fillIn(browser: Browser, page: Page, fields: Record<string, string> = {}): Promise<Page> {
  const password = fields.password ?? FIRST_PASSWORD;
  return browser.submit(page, PATH, { username: 'ada', password, repeated: password, ...fields });
}

/** The whole way of one link. */
async function use(server: TestServer, link: string, fields: Record<string, string> = {}): Promise<Page> {
  const browser = createBrowser(server.issuer);
  const page = await browser.get(link);
  return page.status === 200 ? fillIn(browser, page, fields) : page;
}

test('the link makes one administrator, who can log in, and is used up', async (t) => {
  const server = await start(t);
  const [link, another] = [await offer(server), await offer(server)];
  const browser = createBrowser(server.issuer);
  const page = await browser.get(link);
  assert.match(page.headers.get('cache-control') ?? '', /no-store/);
  const done = await fillIn(browser, page);
  assert.equal(done.status, 200, done.text);
  assert.match(done.text, /<strong>ada<\/strong> has all rights over this server/);
  const [ada, ...others] = await administratorsOf(server);
  assert.deepEqual([ada?.username, ada?.enabled, others.length], ['ada', true, 0]);
  const roles = await Promise.all(
    (ada?.roles ?? []).map((id) => server.server.foundations.store.roles.get(id)),
  );
  assert.deepEqual(
    roles.map((role) => role?.name),
    ['owner'],
  );
  const proof = {
    realm: 'management',
    login: 'ada',
    password: FIRST_PASSWORD,
    address: '::1',
    queue: 'x',
  } as const;
  assert.equal((await server.server.foundations.authenticateUser(proof)).id, ada?.id);

  for (const dead of [link, another])
    assert.equal((await createBrowser(server.issuer).get(dead)).status, 410);
  assert.equal((await fillIn(browser, page, { username: 'eve' })).status, 410);
  assert.equal(await server.server.foundations.firstAdministrator.offer(), undefined);
  const { entries } = await server.server.foundations.audit.page({ limit: 1 });
  assert.deepEqual(
    entries.map(({ event, subject, actor }) => ({ event, subject, actor })),
    [{ event: 'user.created', subject: ada?.id, actor: 'link for the first administrator' }],
  );
});

test('wrong input leaves the link as good as before', async (t) => {
  const server = await start(t);
  const browser = createBrowser(server.issuer);
  const page = await browser.get(await offer(server));
  const wrong: [Record<string, string>, RegExp, string][] = [
    [{ password: 'only14letters!' }, /The password must have at least 15 characters\./, 'password'],
    [{ password: 'passwordpassword' }, /The password is too common\./, 'password'],
    [{ repeated: 'something else' }, /The password was not repeated exactly\./, 'repeated'],
    [{ username: 'a b' }, /The username /, 'username'],
    [{ username: FIRST_PASSWORD }, /must not be the username or the email address/, 'password'],
  ];
  for (const [fields, says, field] of wrong) {
    const again = await fillIn(browser, page, fields);
    assert.equal(again.status, 400, again.text);
    assert.match(again.text, says);
    assert.match(again.text, new RegExp(`id="${field}"[^>]*aria-invalid="true"`));
    assert.doesNotMatch(
      again.text,
      /only14letters|passwordpassword|something else/,
      'no password comes back',
    );
  }
  assert.deepEqual(await administratorsOf(server), []);
  assert.equal((await fillIn(browser, page)).status, 200);
});

test('parallel uses of several links, over two servers, make one administrator', async (t) => {
  const env = await storageForTests();
  const server = await start(t, { env });
  const beside = await start(t, { env, dataDir: server.dataDir, clock: server.clock });
  const links = await Promise.all(Array.from({ length: 4 }, () => offer(server)));
  const pages = await Promise.all(
    [...links, ...links].map(async (link, index) => {
      const { issuer } = index % 2 === 0 ? server : beside;
      const browser = createBrowser(issuer);
      return { browser, page: await browser.get(link.replace(server.issuer, issuer)), index };
    }),
  );
  const answers = await Promise.all(
    pages.map(({ browser, page, index }) => fillIn(browser, page, { username: `person${index}` })),
  );
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, ...Array(7).fill(410)]);
  assert.equal((await administratorsOf(server)).length, 1);
});

test('the link is good for 15 minutes', async (t) => {
  const server = await start(t);
  server.clock.stoppedAt = Date.now();
  const link = await offer(server);
  server.clock.stoppedAt += 15 * 60_000 - 1;
  assert.equal((await createBrowser(server.issuer).get(link)).status, 200);
  server.clock.stoppedAt += 1;
  const { status, text } = await createBrowser(server.issuer).get(link);
  assert.equal(status, 410);
  assert.match(text, /grantable administrator create USERNAME/);
});

test('an administrator made in another way makes the link useless', async (t) => {
  const server = await start(t);
  const link = await offer(server);
  const browser = createBrowser(server.issuer);
  const page = await browser.get(link);
  const { apply } = server.server.foundations;
  await apply({ administrators: [{ username: 'adm', password: FIRST_PASSWORD }] } as never);
  assert.equal((await fillIn(browser, page)).status, 410);
  assert.equal((await createBrowser(server.issuer).get(link)).status, 410);
  assert.deepEqual(
    (await administratorsOf(server)).map(({ username }) => username),
    ['adm'],
  );
});

test('WB-03 the form is taken from its own page only', async (t) => {
  const server = await start(t);
  const link = await offer(server);
  const browser = createBrowser(server.issuer);
  const page = await browser.get(link);
  const stranger = createBrowser(server.issuer);
  assert.equal((await fillIn(stranger, page)).status, 403, 'another browser');
  assert.equal(
    (await fillIn(browser, page, { form_token: 'x' })).status,
    403,
    'without the token of the form',
  );
  const fields = { username: 'ada', password: FIRST_PASSWORD, repeated: FIRST_PASSWORD };
  const foreign = await browser.submit(page, PATH, fields, { origin: 'https://evil.example' });
  assert.equal(foreign.status, 403);
  assert.deepEqual(await administratorsOf(server), []);
});

test('an address that tries many links has to wait', async (t) => {
  const server = await start(t, { env: { GRANTABLE_ADDRESS_LIMIT: '3/15m' } });
  const wrong = `${server.issuer}${PATH}?token=gmt_${'A'.repeat(43)}`;
  const statuses: number[] = [];
  for (let tried = 0; tried < 4; tried += 1)
    statuses.push((await createBrowser(server.issuer).get(wrong)).status);
  assert.deepEqual(statuses, [410, 410, 410, 429]);
});

test('the log holds neither the link nor the password', async (t) => {
  const lines: string[] = [];
  const log = createLogger({
    level: 'trace',
    destination: { write: (line: string) => void lines.push(line) },
  });
  const server = await start(t, { log });
  const link = await offer(server);
  await use(server, link, { password: 'too short' });
  assert.equal((await use(server, link)).status, 200);
  assert.equal((await use(server, link)).status, 410);
  const token = new URL(link).searchParams.get('token') ?? '';
  const logged = lines.join('');
  assert.match(logged, /"path":"\/account\/first-administrator"/);
  for (const secret of [token, token.slice(4), FIRST_PASSWORD, 'too short'])
    assert.ok(!logged.includes(secret));
});
