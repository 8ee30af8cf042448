import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';
import { until } from '../support/until.ts';
import { ALL, assertRefused, type Client, createClient, loginOf, start } from './fusio-client.ts';

/** Names of the mails that have been sent. */
async function mailsOf({ dataDir }: TestServer): Promise<ReadonlySet<string>> {
  return new Set(await readdir(join(dataDir, 'mail')).catch(() => []));
}

/** The mail that comes after those that were there. It is whole when it ends with an end of line. */
async function nextText(server: TestServer, before: ReadonlySet<string>): Promise<string> {
  return until('a mail comes', async () => {
    const [name] = (await mailsOf(server)).difference(before);
    const mail = name && (await readFile(join(server.dataDir, 'mail', name), 'utf8'));
    return mail?.endsWith('\n') && mail;
  });
}

/** The next mail, with the token in it. */
async function nextMail(
  server: TestServer,
  before: ReadonlySet<string>,
): Promise<{ mail: string; token: string }> {
  const mail = await nextText(server, before);
  const token = /^Token: (\S+)$/m.exec(mail)?.[1];
  assert.ok(token, mail);
  return { mail, token };
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

  test('HD-01 a stranger registers, activates by mail and logs in', async () => {
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

  test('a refused registration is told as the original tells it', async () => {
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
      [{ ...ok, name: 'ann', email: 'ann@acme.example' }, 'User name already exists'],
    ] as const) {
      assertRefused(await register(body), 400, message);
    }
    assert.deepEqual([await countUsers(), (await mailsOf(server)).size], [before, mails]);
  });

  test('a registration whose mail cannot be sent leaves no user', async () => {
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

  /** Answers that are asked for and the mail that comes then. */
  async function mailAfter(work: () => Promise<{ status: number; text: string }>) {
    const before = await mailsOf(server);
    const { status, text } = await work();
    assert.equal(status, 200, text);
    return nextMail(server, before);
  }
  const askReset = (email: string) => client.send('POST', '/consumer/password_reset', { email });
  const setPassword = (token: string, newPassword: string) =>
    client.send('PUT', '/consumer/password_reset', { token, newPassword });
  /** A mail says that it was done. */
  async function setAnother(token: string, newPassword: string): Promise<string> {
    const before = await mailsOf(server);
    assert.equal((await setPassword(token, newPassword)).status, 200);
    return nextText(server, before);
  }
  const readUser = async (name: string) => {
    const { users, applications } = server.server.foundations.storage.directory;
    const shop = await applications.findBy('clientId', 'shop');
    const user = await users.findBy('username', `${shop?.realm}/${name}`);
    assert.ok(user);
    return user;
  };
  const changeEmail = async (name: string, email: string) =>
    server.server.foundations.changes.users.replace(
      { ...(await readUser(name)), email, canonicalEmail: email },
      { actor: 'test' },
    );
  /** Without those that were written while the clock was ahead. */
  const lastEntries = async (event: string) => {
    const until = Date.now() + server.clock.offset + 1;
    const { audit } = server.server.foundations.storage;
    return (await audit.page({ event, until, limit: 100 })).entries;
  };

  test('an activation is good for an hour and in its own organization', async () => {
    const first = await mailAfter(() => register({ name: 'gil', email: 'gil@acme.example' }));
    assert.match(first.mail, /It is good once, for one hour\./);
    assertRefused(await activate(first.token, { Host: 'other.localhost' }), 400, 'Invalid token provided');
    const second = await mailAfter(() => register({ name: 'hal', email: 'hal@acme.example' }));
    server.clock.offset = 3_590_000;
    assert.equal((await activate(second.token)).status, 200);
    const third = await mailAfter(() => register({ name: 'ian', email: 'ian@acme.example' }));
    server.clock.offset = 7_200_000;
    assertRefused(await activate(third.token), 400, 'Invalid token provided');
    server.clock.offset = 0;
    loginOf(await login('hal', 'foobar!123'));
  });

  test('registering with a stranger’s address never gives access', async () => {
    const first = await mailAfter(() =>
      register({ name: 'mallory', email: 'victim@acme.example', password: 'attacker!123' }),
    );
    const { mail, token } = await mailAfter(() => askReset('victim@acme.example'));
    assert.match(mail, /^Subject: Set a new password$/m);
    assertRefused(await activate(token), 400, 'Invalid token provided');
    const told = await setAnother(token, 'victims!own1');
    assert.match(told, /^To: victim@acme\.example$/m);
    assert.match(told, /^Subject: Your password was changed$/m);
    assert.doesNotMatch(told, /Token|victims!own1/);
    const user = await readUser('mallory');
    assert.deepEqual([user.pending, user.emailVerified], [undefined, true]);
    assertRefused(await login('victim@acme.example', 'attacker!123'), 400, 'Invalid name or password');
    loginOf(await login('victim@acme.example', 'victims!own1'));
    assertRefused(await activate(first.token), 400, 'Invalid token provided');
  });

  test('AC-10 a reset is good for 15 minutes, and the mail says so', async () => {
    const { token } = await mailAfter(() => register({ name: 'joe', email: 'joe@acme.example' }));
    await activate(token);
    const early = await mailAfter(() => askReset('joe@acme.example'));
    assert.match(early.mail, /It is good once, for 15 minutes\./);
    server.clock.offset = 890_000;
    await setAnother(early.token, 'another!123');
    const late = await mailAfter(() => askReset('joe@acme.example'));
    server.clock.offset = 1_800_000;
    assertRefused(await setPassword(late.token, 'third!12345'), 400, 'Invalid token provided');
    server.clock.offset = 0;
  });

  test('AC-10 a token that was mailed to a former address is good for nothing', async () => {
    const activation = await mailAfter(() => register({ name: 'kim', email: 'kim@acme.example' }));
    await changeEmail('kim', 'boss@acme.example');
    assertRefused(await activate(activation.token), 400, 'Invalid token provided');
    assert.deepEqual([(await readUser('kim')).pending, (await readUser('kim')).emailVerified], [true, false]);
    const reset = await mailAfter(() => askReset('boss@acme.example'));
    await changeEmail('kim', 'kim@acme.example');
    assertRefused(await setPassword(reset.token, 'another!123'), 400, 'Invalid token provided');
  });

  test('AC-09 a registration with a taken address is answered like any other', async () => {
    const { mail: welcome } = await mailAfter(() => register({ name: 'lea', email: 'lea@acme.example' }));
    const [users, before] = [await countUsers(), await mailsOf(server)];
    const fresh = await register({ name: 'max', email: 'max@acme.example' });
    await nextMail(server, before);
    const between = await mailsOf(server);
    const taken = await register({ name: 'lea-2', email: 'LEA@acme.example' });
    assert.deepEqual([taken.status, taken.text], [fresh.status, fresh.text]);
    const text = await nextText(server, between);
    assert.match(text, /^To: lea@acme\.example$/m, 'as the account has it');
    assert.match(text, /^Subject: You have an account already$/m);
    assert.ok(!/Token|gmt_|https?:/.test(text), text);
    assert.match(welcome, /If it was not you who registered, do nothing/);
    assert.equal(await countUsers(), users + 1);
    const [entry] = await lastEntries('registration.refused');
    assert.deepEqual([entry?.outcome, entry?.subject], ['denied', (await readUser('lea')).id]);
    // The welcome counts too, or one mail more would tell that the account is new.
    for (const name of ['lea-3', 'lea-4', 'lea-5']) {
      const again = await register({ name, email: 'lea@acme.example' });
      assert.deepEqual([again.status, again.text], [fresh.status, fresh.text]);
    }
    assert.equal((await mailsOf(server)).size, between.size + 2);
  });

  test('SE-05 refused tokens and requested mails are in the audit log', async () => {
    const wrong = `gmt_${'a'.repeat(43)}`;
    await activate(wrong);
    await setPassword(wrong, 'another!123');
    const { token } = await mailAfter(() => register({ name: 'ned', email: 'ned@acme.example' }));
    await activate(token);
    const { id } = await readUser('ned');
    const reset = await mailAfter(() => askReset('ned@acme.example'));
    await changeEmail('ned', 'ned2@acme.example');
    await setPassword(reset.token, 'another!123');
    const events = ['activation.refused', 'password_reset.refused', 'password_reset.requested'];
    const [activation, refused, requested] = await Promise.all(events.map(lastEntries));
    assert.deepEqual(
      [activation?.[0]?.outcome, activation?.[0]?.reason, activation?.[0]?.subject],
      ['denied', 'no such one-time token', undefined],
    );
    assert.deepEqual(
      refused?.slice(0, 2).map(({ outcome, reason, subject }) => [outcome, reason, subject]),
      [
        ['denied', 'the email address was changed since', id],
        ['denied', 'no such one-time token', undefined],
      ],
    );
    assert.deepEqual([requested?.[0]?.outcome, requested?.[0]?.subject], ['allowed', id]);
    for (const entry of [activation?.[0], refused?.[0], requested?.[0]]) {
      assert.ok(entry?.address && entry.requestId && entry.client && entry.organization);
      const text = JSON.stringify(entry);
      assert.ok(![wrong, reset.token, 'ned@'].some((secret) => text.includes(secret)), text);
    }
  });

  test('DO-09 an address with too many refused tokens is blocked before any write', async () => {
    await using small = await start({}, { GRANTABLE_ADDRESS_LIMIT: '3/2m' });
    const there = createClient(small);
    const tries = [];
    for (let at = 0; at < 6; at += 1) {
      tries.push((await there.send('POST', '/consumer/activate', { token: `foobar${at}` })).status);
    }
    assert.deepEqual(tries, [400, 400, 400, 403, 403, 403]);
    const { entries } = await small.server.foundations.storage.audit.page({ limit: 100 });
    assert.equal(entries.filter(({ event }) => event === 'activation.refused').length, 3);
  });

  test('a forgotten password is set by mail to an address and ends all tokens', async () => {
    const pair = loginOf(await client.login());
    const before = await mailsOf(server);
    const answers = [];
    for (const email of ['nobody@acme.example', 'no address', 'gone', 'bob', 'ann', 'ann@acme.example']) {
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
