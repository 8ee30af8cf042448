import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { linkPasswordReset, mailPasswordReset, unlockUser } from '../../../src/admin/operations/users.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { createBrowser } from '../../support/browser.ts';
import { PASSWORD } from '../../support/server.ts';
import { permissionsOf, type Running, start, WEAK } from './support.ts';

const NEW_PASSWORD = 'an-entirely-new-one';

const logIn = ({ server }: Running, password = PASSWORD, username = 'ann') =>
  server.post('/oauth/token', 'shop', { grant_type: 'password', username, password });

async function pathOf(running: Running, what: string): Promise<string> {
  return `/organizations/acme/users/${await running.userId('acme', 'shop', 'ann')}/${what}`;
}

test('an account that wrong passwords hold up is shown and unlocked', async (t) => {
  const running = await start(t);
  const state = await pathOf(running, 'state');
  const unlock = await pathOf(running, 'unlock');
  const before = await running.call('GET', state, 'auditor');
  assert.equal(before.status, 200, before.text);
  assert.deepEqual(
    [before.json.enabled, before.json.hasPassword, before.json.isPending, before.json.throttledUntil],
    [true, true, false, undefined],
  );
  for (let i = 0; i < 11; i += 1) await logIn(running, 'wrong');
  assert.equal((await logIn(running)).status, 429);
  const locked = await running.call('GET', state, 'auditor');
  assert.ok(Date.parse(locked.json.throttledUntil) > Date.now(), locked.text);

  assert.equal((await running.call('POST', unlock, 'auditor')).status, 403);
  assert.equal((await running.call('POST', unlock, 'developer')).status, 403);
  assert.equal((await running.call('POST', unlock, 'other')).status, 404);
  assert.equal((await logIn(running)).status, 429, 'nothing was unlocked');
  assert.equal((await running.call('POST', unlock, 'maintainer')).status, 403, 'it may hand out nothing');
  assert.equal((await running.call('POST', unlock, 'owner')).status, 204);
  assert.equal((await running.call('GET', state, 'auditor')).json.throttledUntil, undefined);
  assert.equal((await logIn(running)).status, 200);
  const { entries } = await running.server.server.foundations.audit.page({ limit: 20 });
  assert.ok(entries.some(({ event }) => event === 'user.unlocked'));
});

test("another organization's user is unknown", async (t) => {
  const running = await start(t);
  const other = await running.userId('other', 'other-shop', 'ann');
  for (const [method, what] of [
    ['GET', 'state'],
    ['POST', 'unlock'],
    ['POST', 'revoke'],
    ['POST', 'password-reset/mail'],
  ] as const) {
    const { status } = await running.call(method, `/organizations/acme/users/${other}/${what}`, 'owner');
    assert.equal(status, 404, what);
  }
});

test('all tokens of a user end, and a dry run says how many', async (t) => {
  const running = await start(t);
  const revoke = await pathOf(running, 'revoke');
  const tokens = [(await logIn(running)).json.access_token, (await logIn(running)).json.access_token];
  const wouldEnd = await running.call('POST', `${revoke}?dryRun=true`, 'maintainer');
  assert.deepEqual(wouldEnd.json, { dryRun: true, tokens: { living: 2, isMore: false } }, wouldEnd.text);
  assert.equal((await running.server.introspect(tokens[0])).active, true);
  assert.equal((await running.call('POST', revoke, 'auditor')).status, 403);
  const ended = await running.call('POST', revoke, 'maintainer');
  assert.deepEqual(ended.json, { dryRun: false, tokens: { living: 2, isMore: false } });
  for (const token of tokens) assert.equal((await running.server.introspect(token)).active, false);
  assert.equal((await logIn(running)).status, 200, 'a new login is possible');
});

test('a link sets a new password once, and ends all logins', async (t) => {
  const running = await start(t);
  const parameters = { user: await running.userId('acme', 'shop', 'ann') };
  const { access_token } = (await logIn(running)).json;
  const { body } = await running.run(linkPasswordReset, { parameters });
  const browser = createBrowser(running.issuer);
  const page = await browser.get(body.link);
  assert.equal(page.status, 200, page.text);
  assert.match(page.text, /<strong>ann<\/strong>/);
  const submit = (password: string, repeated = password) =>
    browser.submit(page, '/account/new-password', { password, repeated });
  assert.match((await submit(NEW_PASSWORD, 'another')).text, /not repeated exactly/);
  assert.match((await submit('short')).text, /at least 8 characters/);
  assert.match((await submit(NEW_PASSWORD)).text, /is set/);
  assert.equal((await running.server.introspect(access_token)).active, false);
  assert.equal((await logIn(running)).status, 400);
  assert.equal((await logIn(running, NEW_PASSWORD)).status, 200);
  assert.equal((await submit('yet-another-password')).status, 410, 'the link is used up');
  assert.equal((await createBrowser(running.issuer).get(body.link)).status, 410);
});

test('a link is dead after an hour, and once the password was changed', async (t) => {
  const running = await start(t);
  const parameters = { user: await running.userId('acme', 'shop', 'ann') };
  const open = async (link: string) => (await createBrowser(running.issuer).get(link)).status;
  const [first, second] = [
    (await running.run(linkPasswordReset, { parameters })).body.link,
    (await running.run(linkPasswordReset, { parameters })).body.link,
  ];
  const browser = createBrowser(running.issuer);
  const page = await browser.get(first);
  running.server.clock.offset += 1_000;
  await browser.submit(page, '/account/new-password', { password: NEW_PASSWORD, repeated: NEW_PASSWORD });
  assert.equal(await open(second), 410);
  const third = (await running.run(linkPasswordReset, { parameters })).body.link;
  assert.equal(await open(third), 200);
  running.server.clock.offset += 3_600_000;
  assert.equal(await open(third), 410);
});

test('a mailed link goes to the address of the user only', async (t) => {
  const running = await start(t);
  const mail = await pathOf(running, 'password-reset/mail');
  const sent = await running.call('POST', mail, 'owner');
  assert.equal(sent.status, 200, sent.text);
  assert.equal(sent.text.includes('token='), false);
  const folder = join(running.server.dataDir, 'mail');
  const [letter = ''] = await readdir(folder);
  const text = await readFile(join(folder, letter), 'utf8');
  assert.match(text, /To: ann@acme\.example/i);
  const link = /http:\S+\?token=\S+/.exec(text.replaceAll('=\n', ''))?.[0] ?? '';
  assert.equal((await createBrowser(running.issuer).get(link)).status, 200, link);
  const bob = `/organizations/acme/users/${await running.userId('acme', 'shop', 'bob')}/password-reset/mail`;
  const without = await running.call('POST', bob, 'owner');
  assert.equal(without.status, 400);
  assert.match(without.json.detail, /The user bob has no email address/);
});

test('a link takes the right to change users', async (t) => {
  const running = await start(t);
  const { status } = await running.call('POST', await pathOf(running, 'password-reset/link'), 'developer');
  assert.equal(status, 403);
});

test('the password of a user with more rights than the actor is not reset', async (t) => {
  const running = await start(t);
  const parameters = { user: await running.userId('acme', 'shop', 'ann') };
  for (const operation of [linkPasswordReset, mailPasswordReset, unlockUser]) {
    await assert.rejects(running.run(operation, { parameters, actor: WEAK }), NotAllowed);
  }
});

test('rows and columns limit which users are unlocked and reset', async (t) => {
  const running = await start(t);
  const parameters = { user: await running.userId('acme', 'shop', 'ann') };
  const withRights = (users: object) => ({ parameters, actor: { permissions: permissionsOf({ users }) } });
  const [ann, bob] = [{ rows: { username: ['ann'] } }, { rows: { username: ['bob'] } }];
  await running.run(unlockUser, withRights({ read: ann, update: ann }));
  await assert.rejects(running.run(unlockUser, withRights({ read: bob, update: bob })), NotFound);
  await assert.rejects(running.run(unlockUser, withRights({ read: true, update: bob })), NotAllowed);
  const named = { columns: ['displayName'] };
  await assert.rejects(running.run(linkPasswordReset, withRights({ read: true, update: named })), NotAllowed);
  const password = { columns: ['password'] };
  await running.run(linkPasswordReset, withRights({ read: true, update: password }));
});
