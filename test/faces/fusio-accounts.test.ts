import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';
import { ALL, assertRefused, type Client, createClient, loginOf, start } from './fusio-client.ts';

/** Names of the mails that have been sent. */
async function mailsOf({ dataDir }: TestServer): Promise<ReadonlySet<string>> {
  return new Set(await readdir(join(dataDir, 'mail')).catch(() => []));
}

/** The mail that comes after those that were there, with the token in it. */
async function nextMail(
  server: TestServer,
  before: ReadonlySet<string>,
): Promise<{ mail: string; token: string }> {
  for (let tries = 0; tries < 200; tries += 1) {
    const [name] = (await mailsOf(server)).difference(before);
    const mail = name && (await readFile(join(server.dataDir, 'mail', name), 'utf8'));
    const token = mail && /^Token: (\S+)$/m.exec(mail)?.[1];
    if (mail && token) return { mail, token };
    await sleep(10);
  }
  throw new Error('no mail came');
}

describe('Fusio, registration and forgotten passwords', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await start(
      {
        activationUrl: 'https://portal.acme.example/activate/{token}',
        passwordResetUrl: 'https://portal.acme.example/reset?token={token}',
      },
      { GRANTABLE_REGISTRATION_LIMIT: '100/1h' },
    );
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const register = (body: object, headers = {}) =>
    client.send('POST', '/consumer/register', { password: 'foobar!123', ...body }, headers);
  const activate = (token: unknown, headers = {}) =>
    client.send('POST', '/consumer/activate', { token }, headers);
  const login = (username: string, password: string) =>
    client.send('POST', '/consumer/login', { username, password });
  const countUsers = async () =>
    (await server.server.foundations.storage.directory.users.page({ limit: 500 })).items.length;

  test('HD-01 a stranger registers, gets a mail whose link is the configured one, and logs in after activating', async () => {
    const before = await mailsOf(server);
    const hostile = { 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' };
    const answer = await register(
      { name: 'eve', email: 'eve@acme.example', captcha: 'x', roleId: 1 },
      hostile,
    );
    assert.deepEqual(
      [answer.status, answer.json],
      [200, { success: true, message: 'Registration successful' }],
    );
    const { mail, token } = await nextMail(server, before);
    assert.match(mail, /^To: eve@acme\.example$/m);
    assert.ok(mail.includes(`https://portal.acme.example/activate/${token}`));
    assert.ok(!mail.includes('evil') && !mail.includes('localhost:'));
    assertRefused(await login('eve', 'foobar!123'), 400, 'Invalid name or password');
    for (const wrong of ['foobar', tampered(token), '', undefined, { $ne: 1 }]) {
      const message =
        typeof wrong === 'string' && wrong !== '' ? 'Invalid token provided' : 'No token provided';
      assertRefused(await activate(wrong), 400, message);
    }
    const done = await activate(token);
    assert.deepEqual([done.status, done.json], [200, { success: true, message: 'Activation successful' }]);
    assertRefused(await activate(token), 400, 'Invalid token provided');
    const eve = loginOf(await login('eve', 'foobar!123'));
    assert.equal(eve.scope, ALL, 'those of the default role');
    assert.deepEqual(tablesOf(await server.introspect(eve.token)), { orders: 'cru', products: 'r' });
    assert.equal((await client.whoami(eve.token)).json.email, 'eve@acme.example');
  });

  test('what cannot be registered is told as the original tells it, and nothing is written', async () => {
    const [before, mails] = [await countUsers(), (await mailsOf(server)).size];
    const ok = { name: 'baz', email: 'baz@acme.example' };
    for (const [body, message] of [
      [{ email: ok.email }, 'No username was provided'],
      [{ name: ok.name }, 'No email was provided'],
      [{ ...ok, password: '' }, 'No password was provided'],
      [{ ...ok, name: 'a b' }, 'Invalid user name'],
      [{ ...ok, name: 'bob@acme.example' }, 'Invalid user name'],
      [{ ...ok, email: 'baz' }, 'Invalid email format'],
      [{ ...ok, email: 'baz@acme.example\r\nBcc: x@y.example' }, 'Invalid email format'],
      [{ ...ok, password: 'foo!12' }, 'Password must have at least 8 characters'],
      [{ ...ok, password: 'foobar foobar' }, 'Password must contain only printable ascii characters'],
      [{ ...ok, password: 'fööbär!123' }, 'Password must contain only printable ascii characters'],
      [{ ...ok, password: 'password1' }, 'Password is too common'],
      [
        { ...ok, name: 'baz-baz-baz', password: 'baz-baz-baz' },
        'Password must not be the username or the email address',
      ],
      [{ ...ok, name: 'ann' }, 'User name already exists'],
      [{ ...ok, name: 'ANN' }, 'User name already exists'],
      [{ ...ok, email: 'ann@acme.example' }, 'User name already exists'],
    ] as const) {
      assertRefused(await register(body), 400, message);
    }
    assert.deepEqual([await countUsers(), (await mailsOf(server)).size], [before, mails]);
  });

  test('a registration whose mail cannot be sent leaves nobody behind', async () => {
    const folder = join(server.dataDir, 'mail');
    const before = await countUsers();
    await rm(folder, { recursive: true, force: true });
    await writeFile(folder, 'in the way');
    const refused = await register({ name: 'fay', email: 'fay@acme.example' });
    assert.deepEqual([refused.status, refused.json.success], [503, false]);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(await countUsers(), before);
    await rm(folder);
    assert.equal((await register({ name: 'fay', email: 'fay@acme.example' })).status, 200);
  });

  test('an activation is good for an hour and in its own organization, and asking for a password sends it anew', async () => {
    const before = await mailsOf(server);
    await register({ name: 'gil', email: 'gil@acme.example' });
    const { token } = await nextMail(server, before);
    server.clock.offset = 3_601_000;
    assertRefused(await activate(token), 400, 'Invalid token provided');
    const second = await mailsOf(server);
    const reset = await client.send('POST', '/consumer/password_reset', { email: 'gil@acme.example' });
    assert.equal(reset.status, 200);
    const again = await nextMail(server, second);
    assert.match(again.mail, /^Subject: Activate your account$/m);
    assertRefused(
      await client.send('PUT', '/consumer/password_reset', {
        token: again.token,
        newPassword: 'another!123',
      }),
      400,
      'Invalid token provided',
    );
    const third = await mailsOf(server);
    await client.send('POST', '/consumer/password_reset', { email: 'gil@acme.example' });
    const last = await nextMail(server, third);
    assertRefused(await activate(last.token, { Host: 'other.localhost' }), 400, 'Invalid token provided');
    assert.equal((await activate(again.token)).status, 200);
    server.clock.offset = 0;
    loginOf(await login('gil', 'foobar!123'));
  });

  test('a forgotten password is set with a mail, which ends all that was, and nobody learns who is there', async () => {
    const pair = loginOf(await client.login());
    const before = await mailsOf(server);
    const answers = [];
    for (const email of ['nobody@acme.example', 'no address', 'gone', 'ann@acme.example']) {
      answers.push((await client.send('POST', '/consumer/password_reset', { email })).text);
    }
    assert.deepEqual([...new Set(answers)], ['{"success":true,"message":"Password reset email was send"}']);
    assertRefused(await client.send('POST', '/consumer/password_reset', {}), 400, 'No email was provided');
    const { mail, token } = await nextMail(server, before);
    assert.match(mail, /^To: ann@acme\.example$/m);
    assert.ok(mail.includes(`https://portal.acme.example/reset?token=${token}`));
    assert.equal((await mailsOf(server)).size, before.size + 1);
    const put = (body: object) => client.send('PUT', '/consumer/password_reset', body);
    assertRefused(await put({ token: 'foobar', newPassword: 'another!123' }), 400, 'Invalid token provided');
    assertRefused(await put({ newPassword: 'another!123' }), 400, 'No token was provided');
    assertRefused(await put({ token }), 400, 'Provided no new password');
    assertRefused(
      await put({ token, newPassword: 'short' }),
      400,
      'Password must have at least 8 characters',
    );
    const tries = await Promise.all(
      Array.from({ length: 5 }, () => put({ token, newPassword: 'another!123' })),
    );
    const [done, ...others] = tries.sort((one, other) => one.status - other.status);
    assert.ok(done);
    for (const other of others) assertRefused(other, 400, 'Invalid token provided');
    assert.deepEqual(
      [done.status, done.json],
      [200, { success: true, message: 'Password successful changed' }],
    );
    assertRefused(await put({ token, newPassword: 'third!12345' }), 400, 'Invalid token provided');
    assertRefused(await client.whoami(pair.token), 401, 'Invalid access token');
    assertRefused(await client.renew(pair.refresh_token), 400, 'Invalid refresh token');
    assertRefused(await client.login(), 400, 'Invalid name or password');
    loginOf(await login('ann', 'another!123'));
  });

  test('registration is off unless it is on, and limited by address', async () => {
    await using closed = await start({ registration: false });
    const body = { name: 'eve', email: 'eve@acme.example', password: 'foobar!123' };
    const off = await createClient(closed).send('POST', '/consumer/register', body);
    assertRefused(off, 503, 'Registration is switched off');
    await using small = await start({}, { GRANTABLE_REGISTRATION_LIMIT: '2/1h' });
    const there = createClient(small);
    const post = (name: string) =>
      there.send('POST', '/consumer/register', { ...body, name, email: `${name}@acme.example` });
    for (const name of ['one-1', 'two-2']) assert.equal((await post(name)).status, 200);
    const text = 'Your IP has sent to many requests please try again later';
    assertRefused(await post('three-3'), 403, text);
    const mail = await there.send('POST', '/consumer/password_reset', { email: 'ann@acme.example' });
    assertRefused(mail, 403, text);
  });
});
