import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { openFoundations } from '../../src/server/foundations.ts';
import { startServer } from '../support/server.ts';
import { openTerminal, runBeside, type Terminal } from './run.ts';

const FIRST_PASSWORD = 'the-first-of-them-all';
const OTHER_PASSWORD = 'another-long-sentence';
const LINK = /http:\/\/localhost:\d+\/account\/first-administrator\?token=gmt_[\w-]{43}/g;

/** What a start prints, whose stop is asked for at once. */
async function serve(terminal: Terminal, isTTY: boolean, env: Record<string, string> = {}): Promise<string> {
  const said: string[] = [];
  const stdout = { isTTY, write: (text: string) => said.push(text) };
  const { code, err } = await terminal.run(['serve'], { stdout, env: { ...terminal.env, ...env } });
  assert.equal(code, 0, err);
  return said.join('');
}

async function logIn(terminal: Terminal, username: string, password: string): Promise<string | undefined> {
  await using opened = await openFoundations(loadConfig(terminal.env, { cwd: terminal.dataDir }));
  const proof = { realm: 'management', login: username, password, address: '::1', queue: 'x' } as const;
  return await opened.authenticateUser(proof).then(
    (user) => user.username,
    () => undefined,
  );
}

test('the first start on a terminal prints the link beside the demo, and not elsewhere', async (t) => {
  const terminal = await openTerminal(t);
  const said = await serve(terminal, true);
  assert.match(said, /demo-machine/);
  assert.match(said, /The link works once, and for\n15 minutes:\n {2}http/);
  assert.equal(said.match(LINK)?.length, 1);
  assert.doesNotMatch(await readFile(join(terminal.dataDir, 'quickstart.txt'), 'utf8'), LINK);
  assert.doesNotMatch(await serve(terminal, false), LINK);
});

test('every start on a terminal prints a link until there is an administrator', async (t) => {
  const terminal = await openTerminal(t);
  const [first, second] = [await serve(terminal, true), await serve(terminal, true)];
  assert.notDeepEqual(first.match(LINK), second.match(LINK));
  assert.equal((await terminal.run(['administrator', 'create', 'ada'], { input: FIRST_PASSWORD })).code, 0);
  assert.doesNotMatch(await serve(terminal, true), /administrator/);
});

test('in production a terminal gets no link', async (t) => {
  const terminal = await openTerminal(t, {
    NODE_ENV: 'production',
    GRANTABLE_ISSUER: 'https://login.acme.example',
    GRANTABLE_TRUSTED_PROXIES: '127.0.0.1',
    GRANTABLE_MASTER_KEY: randomBytes(32).toString('hex'),
    GRANTABLE_BCRYPT_COST: '12',
  });
  assert.doesNotMatch(await serve(terminal, true), /administrator/);
});

test('create takes the password from stdin or makes one, in an empty folder too', async (t) => {
  const terminal = await openTerminal(t);
  const args = ['administrator', 'create', 'ada', '--email', 'ada@acme.example'];
  const made = await terminal.run(args, { input: `${FIRST_PASSWORD}\n` });
  assert.deepEqual(made, { code: 0, out: '', err: 'Made the administrator ada.\n' });
  assert.equal(await logIn(terminal, 'ada@acme.example', FIRST_PASSWORD), 'ada');

  const generated = await terminal.run(['administrator', 'create', 'bob', '--generate']);
  assert.match(generated.err, /^The password; it is not shown again:\nMade the administrator bob\.\n$/);
  assert.match(generated.out, /^[\w-]{24}\n$/);
  assert.equal(await logIn(terminal, 'bob', generated.out.trim()), 'bob');
  const listed = await terminal.run(['administrator', 'list']);
  const found = JSON.parse(listed.out).map(({ id: _, ...rest }: { id: string }) => rest);
  assert.deepEqual(found, [
    { username: 'ada', email: 'ada@acme.example', enabled: true, secondFactor: false },
    { username: 'bob', enabled: true, secondFactor: false },
  ]);
  const said: string[] = [];
  const stdout = { isTTY: true, write: (text: string) => said.push(text) };
  assert.equal((await terminal.run(['administrator', 'list'], { stdout })).code, 0);
  assert.match(
    said.join(''),
    /^USERNAME {2}EMAIL +ENABLED {2}SECONDFACTOR\nada {7}ada@acme\.example {2}true {5}false\nbob/,
  );
});

test('create and reset refuse what will not do, and change nothing', async (t) => {
  const terminal = await openTerminal(t);
  assert.equal((await terminal.run(['administrator', 'create', 'ada'], { input: FIRST_PASSWORD })).code, 0);
  const wrong: [string[], string, number, RegExp][] = [
    [['create', 'bob'], 'only14letters!', 1, /^The password must have at least 15 characters\.\n$/],
    [['create', 'bob'], '', 2, /^No password was given\. Pipe one in, or use --generate\.\n/],
    [['reset', 'ada'], '', 2, /^No password was given\./],
    [
      ['create', 'ADA'],
      OTHER_PASSWORD,
      1,
      /^An administrator has that username or email address already\.\n$/,
    ],
    [['create', 'a b'], OTHER_PASSWORD, 1, /^The username .*\n$/],
    [['create', 'bob', '--email', 'x'], OTHER_PASSWORD, 1, /^The email address does not look like one\.\n$/],
    [['reset', 'ada'], 'only14letters!', 1, /^The password must have at least 15 characters\.\n$/],
    [['reset', 'bob'], OTHER_PASSWORD, 1, /^There is no administrator bob\.\n$/],
    [['reset', 'ada', '--email', 'x'], '', 2, /^Unknown option '--email'/],
    [['make'], '', 2, /^Say what to do with administrators: use create, reset or list\./],
    [['create'], '', 2, /^An argument is missing\./],
  ];
  for (const [args, input, exit, says] of wrong) {
    const { code, out, err } = await terminal.run(['administrator', ...args], { input });
    assert.deepEqual([code, out], [exit, ''], args.join(' '));
    assert.match(err, says, args.join(' '));
  }
  const left = JSON.parse((await terminal.run(['administrator', 'list'])).out);
  assert.deepEqual(
    left.map(({ username }: { username: string }) => username),
    ['ada'],
  );
  assert.equal(await logIn(terminal, 'ada', FIRST_PASSWORD), 'ada');
});

test('reset and list do not make a store', async (t) => {
  const terminal = await openTerminal(t);
  for (const args of [['reset', 'ada'], ['list']]) {
    const { code, err } = await terminal.run(['administrator', ...args], { input: FIRST_PASSWORD });
    assert.equal(code, 1);
    assert.match(err, /^There is no store at /);
  }
  assert.deepEqual(await readdir(terminal.dataDir), []);
});

test('reset gives a locked account back, ends its logins and is audited', async () => {
  await using server = await startServer({
    fixture(file) {
      file.administrators = [{ username: 'ada', password: FIRST_PASSWORD, organizations: ['acme'] }];
    },
  });
  const { foundations } = server.server;
  const find = async () => (await foundations.store.users.findBy('username', 'management/ada'))!;
  const locked = { ...(await find()), enabled: false, secondFactor: true };
  await foundations.changes.users.replace(locked, { actor: 'test' });
  const { code, err, out } = await runBeside(server, ['administrator', 'reset', 'ada', '--generate']);
  assert.equal(code, 0, err);
  const after = await find();
  assert.deepEqual([after.enabled, after.secondFactor], [true, false]);
  const roles = await Promise.all(after.roles.map((id) => foundations.store.roles.get(id)));
  assert.deepEqual(
    roles.map((role) => role?.name),
    ['owner'],
  );
  const proof = { realm: 'management', login: 'ada', address: '::1', queue: 'x' } as const;
  assert.equal((await foundations.authenticateUser({ ...proof, password: out.trim() })).id, after.id);
  await assert.rejects(foundations.authenticateUser({ ...proof, password: FIRST_PASSWORD }));
  const [node] = await foundations.nodes.read([after.id]);
  assert.ok(node?.revokedAt !== undefined && node.restoredAt !== undefined);
  const { entries } = await foundations.audit.page({ limit: 2 });
  const reset = entries.find(({ event }) => event === 'administrator.reset');
  assert.match(reset?.actor ?? '', /^command line/);
  assert.deepEqual(reset?.details, { name: 'ada', wasEnabled: false, hadSecondFactor: true });
});
