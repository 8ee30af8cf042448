import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parseApplyFile } from '../../src/apply/file.ts';
import { createLogger } from '../../src/http/log.ts';
import { freePort } from '../support/free-port.ts';
import { childEnv } from '../support/programs.ts';
import { basic, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { MAIN, openTerminal, start, type Terminal } from './run.ts';

const SECRET = 's3cret-of-32-or-more-characters-x';
const RESOURCE = 'https://api.acme.example/';
const orders = { tables: { orders: { create: true, read: true } } };

const file = {
  organizations: [
    {
      name: 'acme',
      resources: [{ identifier: RESOURCE, tables: [{ id: 'orders' }] }],
      roles: [{ name: 'clerk', permissions: orders }],
      applications: [
        {
          name: 'shop',
          clientId: 'shop',
          clientSecret: SECRET,
          grants: ['client_credentials', 'password', 'refresh_token'],
          resource: RESOURCE,
          permissions: orders,
          introspects: [RESOURCE],
        },
      ],
      users: [{ username: 'ann', password: 'correct-horse-battery', application: 'shop', roles: ['clerk'] }],
    },
  ],
};

interface Running {
  readonly terminal: Terminal;
  readonly issuer: string;
  readonly server: ReturnType<typeof start>;
  post(path: string, form: Record<string, string>): Promise<Record<string, string>>;
}

/** The real process, ready; killed at the end of the test if it still runs. */
async function serve(t: TestContext, env: Record<string, string> = {}): Promise<Running> {
  const port = await freePort();
  const terminal = await openTerminal(t, { GRANTABLE_PORT: String(port), ...env });
  await writeFile(join(terminal.dataDir, 'apply.json'), `${JSON.stringify(file)}\n`);
  const server = start(terminal, ['serve']);
  t.after(() => server.child.kill('SIGKILL'));
  const issuer = `http://localhost:${port}`;
  await untilReady(issuer, server);
  return {
    terminal,
    issuer,
    server,
    async post(path, form) {
      const response = await fetch(issuer + path, {
        method: 'POST',
        headers: { authorization: basic('shop', SECRET) },
        body: new URLSearchParams(form),
      });
      const text = await response.text();
      return text === '' ? {} : JSON.parse(text);
    },
  };
}

async function untilReady(issuer: string, { child, said }: ReturnType<typeof start>): Promise<void> {
  await until('the server is ready', async () => {
    assert.equal(child.exitCode, null, said());
    const response = await fetch(`${issuer}/readyz`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.status === 200;
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`the first start makes the demo, and ${signal} stops the server`, async (t) => {
    const { terminal, server, issuer } = await serve(t);
    const path = join(terminal.dataDir, 'quickstart.txt');
    const text = await readFile(path, 'utf8');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok(server.said().includes(text.trim()));
    server.child.kill(signal);
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.said());
    await assert.rejects(fetch(issuer));
  });
}

test('the output of the first start is a shell script', async (t) => {
  const { terminal } = await serve(t);
  const run = promisify(execFile);
  const path = join(terminal.dataDir, 'quickstart.txt');
  const ofDatabase = (await readFile(path, 'utf8')).split('\n').find((line) => line.includes('instance=crm'));
  assert.ok(ofDatabase);
  // What reads the database is a process of its own. A busy machine starts it later than a login waits for it.
  await until('the database of the demo is read', async () =>
    (await run('sh', ['-c', ofDatabase])).stdout.includes('access_token'),
  );
  const { stdout, stderr } = await run('sh', ['-e', path]);
  assert.equal(stderr, '');
  const answers = stdout.split('\n').filter((line) => line.startsWith('{'));
  // A revocation is answered with an empty object.
  const kinds = answers.map((answer) => Object.keys(JSON.parse(answer))[0] ?? 'nothing');
  assert.deepEqual(kinds, [
    ...['access_token', 'active', 'nothing', 'active', 'access_token', 'error'],
    ...['active', 'access_token', 'active', 'success', 'access_token', 'accessToken', 'token'],
    ...['authorization_endpoint', 'keys'],
  ]);
  const actives = answers.map((answer) => JSON.parse(answer).active).filter((active) => active !== undefined);
  assert.deepEqual(actives, [true, false, true, true]);
});

test('E16 a request under way is answered before the process ends', async (t) => {
  const { server, issuer } = await serve(t, { GRANTABLE_APPLY: 'apply.json' });
  const form = 'grant_type=password&username=ann&password=correct-horse-battery';
  const sent = request(`${issuer}/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: basic('shop', SECRET),
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': form.length,
      // Answered when the request has begun, so the signal comes in the middle of it.
      expect: '100-continue',
    },
  });
  sent.flushHeaders();
  await once(sent, 'continue');
  server.child.kill('SIGTERM');
  await untilRefused(issuer);
  sent.end(form);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const body = (await answer.toArray()).join('');
  assert.equal(answer.statusCode, 200, body);
  assert.ok(JSON.parse(body).access_token);
  assert.deepEqual(await server.ended, { code: 0, signal: null });
});

/** New connections are refused as soon as the process has understood the signal. */
async function untilRefused(issuer: string): Promise<void> {
  await until('connections are refused', async () => {
    const response = await fetch(`${issuer}/healthz`, { headers: { connection: 'close' } }).catch(
      () => undefined,
    );
    await response?.body?.cancel();
    return !response;
  });
}

for (const workers of ['1', '2']) {
  test(`a stop that is asked for while ${workers} start is not lost`, { timeout: 60_000 }, async (t) => {
    const terminal = await openTerminal(t, { GRANTABLE_WORKERS: workers });
    const server = start(terminal, ['serve']);
    t.after(() => server.child.kill('SIGKILL'));
    await until('it has begun', () => {
      assert.equal(server.child.exitCode, null, server.said());
      return existsSync(join(terminal.dataDir, 'grantable.db'));
    });
    server.child.kill('SIGTERM');
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.said());
  });
}

test('a port in use is one sentence and exit code 1, and nothing was made', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  const terminal = await openTerminal(t, { GRANTABLE_PORT: String(port) });
  const { code, out, err } = await terminal.spawn(['serve']);
  assert.equal(code, 1);
  assert.equal(out, '');
  assert.match(err, new RegExp(`^Cannot listen on 127\\.0\\.0\\.1\\D+${port}: the port is in use\\.\n$`));
  assert.equal(existsSync(join(terminal.dataDir, 'grantable.db')), false);
});

test('SE-06 a broken configuration is exit code 2, and nothing is started or made', async (t) => {
  const terminal = await openTerminal(t, { GRANTABLE_PORT: 'x', GRANTABLE_MASTER_KEY: 'short' });
  const { code, err } = await terminal.spawn(['serve']);
  assert.equal(code, 2);
  assert.match(
    err,
    /^The configuration has 2 problems:\n {2}GRANTABLE_PORT.*\n {2}GRANTABLE_MASTER_KEY.*\n$/,
  );
  assert.ok(!err.includes('short'), 'no secret is shown');
  assert.ok(!existsSync(join(terminal.dataDir, 'grantable.db')));
});

test('SE-02 keys rotated beside a running server are published by it', async (t) => {
  const { terminal, issuer, post } = await serve(t, { GRANTABLE_APPLY: 'apply.json' });
  const published = async (): Promise<string[]> => {
    const { keys } = (await (await fetch(`${issuer}/oauth/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };
  assert.equal((await published()).length, 2);
  const before = (await post('/oauth/token', { grant_type: 'client_credentials' })).access_token ?? '';
  assert.equal((await terminal.spawn(['keys', 'rotate', '--now'])).code, 0);
  await until('the new keys are published', async () => (await published()).length === 4);
  const after = (await post('/oauth/token', { grant_type: 'client_credentials' })).access_token ?? '';
  const kidOf = (token: string): string =>
    JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
  assert.notEqual(kidOf(after), kidOf(before));
  for (const token of [before, after])
    assert.equal((await post('/oauth/introspect', { token })).active, true);

  assert.equal((await terminal.spawn(['keys', 'remove', kidOf(before)])).code, 0);
  await until('the removed key is gone', async () => !(await published()).includes(kidOf(before)));
  assert.deepEqual(await post('/oauth/introspect', { token: before }), { active: false });
  assert.equal((await post('/oauth/introspect', { token: after })).active, true);
});

test('SE-02 logins made before a rotation of the secrets go on after it', async (t) => {
  const { terminal, post } = await serve(t, { GRANTABLE_APPLY: 'apply.json' });
  const logIn = () =>
    post('/oauth/token', { grant_type: 'password', username: 'ann', password: 'correct-horse-battery' });
  const first = await logIn();
  assert.equal((await terminal.spawn(['keys', 'rotate', '--secrets', '--now'])).code, 0);
  const second = await logIn();
  for (const { refresh_token = '' } of [first, second]) {
    const refreshed = await post('/oauth/token', { grant_type: 'refresh_token', refresh_token });
    assert.equal((await post('/oauth/introspect', { token: refreshed.access_token ?? '' })).active, true);
  }
});

test('IN-02 the commands explain, narrow and revoke beside a running server', async (t) => {
  const { terminal, post } = await serve(t, { GRANTABLE_APPLY: 'apply.json' });
  const logIn = () =>
    post('/oauth/token', { grant_type: 'password', username: 'ann', password: 'correct-horse-battery' });
  const isActive = async (token: string) => (await post('/oauth/introspect', { token })).active;
  const first = await logIn();
  const token = first.access_token ?? '';
  const explained = await terminal.run(['explain', '-'], { input: `${token}\n` });
  assert.equal(explained.code, 0);
  assert.match(explained.out, /^active: JWT access token\n/);
  assert.match(explained.out, /orders:create, from: .*role clerk/);
  assert.ok(!explained.out.includes(token));
  assert.equal((await terminal.run(['explain', token])).out, explained.out);
  const refresh = await terminal.run(['explain', first.refresh_token ?? '']);
  assert.match(refresh.out, /^active: refresh token\n/);

  await writeFile(
    join(terminal.dataDir, 'less.json'),
    '{"organizations":[{"name":"acme","roles":[{"name":"clerk","permissions":{"tables":{"orders":{"read":true}}}}]}]}\n',
  );
  assert.equal((await terminal.run(['apply', 'less.json'])).code, 0);
  const { permissions } = await post('/oauth/introspect', { token });
  const { create, read } = (permissions as unknown as { tables: { orders: Record<string, boolean> } }).tables
    .orders;
  assert.deepEqual([create, read], [false, true]);

  const revoked = await terminal.run(['revoke', '--token', '-'], { input: token });
  assert.equal(revoked.code, 0);
  assert.ok(!revoked.out.includes(token));
  assert.equal(await isActive(token), false);
  assert.match(
    (await terminal.run(['explain', token])).out,
    /^not active: .*\n {2}because this token: ended/,
  );

  const second = await logIn();
  assert.equal(await isActive(second.access_token ?? ''), true);
  assert.equal((await terminal.run(['revoke', '--user', 'acme/shop/ann'])).code, 0);
  assert.equal(await isActive(second.access_token ?? ''), false);
  const refused = await post('/oauth/token', {
    grant_type: 'refresh_token',
    refresh_token: second.refresh_token ?? '',
  });
  assert.equal(refused.error, 'invalid_grant');

  const revokedAt = Date.now();
  await until('the next millisecond', () => Date.now() > revokedAt);
  const third = await logIn();
  assert.equal(await isActive(third.access_token ?? ''), true);
  assert.equal((await terminal.run(['revoke', '--application', 'acme/shop'])).code, 0);
  assert.equal(await isActive(third.access_token ?? ''), false);
});

test('a store in use is exported and backed up whole', async (t) => {
  const { terminal, post } = await serve(t, { GRANTABLE_APPLY: 'apply.json' });
  let going = true;
  const load = (async () => {
    while (going) await post('/oauth/token', { grant_type: 'client_credentials' });
  })();
  const backup = await terminal.spawn(['backup', 'copy.db']);
  const exported = await terminal.spawn(['export', '--out', 'all.jsonl']);
  going = false;
  await load;
  assert.equal(backup.code, 0, backup.err);
  assert.equal(exported.code, 0, exported.err);
  const env = {
    ...terminal.env,
    GRANTABLE_STORAGE: `sqlite:${join(terminal.dataDir, 'copy.db')}`,
    GRANTABLE_APPLY: 'apply.json',
  };
  const doctor = await terminal.run(['doctor'], { env });
  assert.match(doctor.out, /^ok {7}The store is whole\.$/m);
  const imported = await terminal.run(['import', 'all.jsonl'], {
    env: { ...env, GRANTABLE_STORAGE: `sqlite:${join(terminal.dataDir, 'imported.db')}` },
  });
  assert.equal(imported.code, 0, imported.err);
});

test('a reader that closes the pipe is not a failure', async (t) => {
  const terminal = await openTerminal(t);
  await writeFile(join(terminal.dataDir, 'apply.json'), `${JSON.stringify(file)}\n`);
  assert.equal((await terminal.run(['apply', 'apply.json'])).code, 0);
  const shell = spawn('sh', ['-c', `"${process.execPath}" "${MAIN}" export | head -c 10`], {
    env: { ...childEnv, ...terminal.env },
    cwd: terminal.dataDir,
  });
  const said: string[] = [];
  shell.stderr.on('data', (data) => said.push(String(data)));
  await new Promise((resolve) => shell.on('close', resolve));
  assert.equal(said.join(''), '');
});

test('a server over an empty store without a demo says what to do next', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'warn', destination: { write: (line: string) => lines.push(line) } });
  const env = { GRANTABLE_APPLY: undefined as never, GRANTABLE_DEMO: '0' };
  await using server = await startServer({ env, log });
  const said = lines.filter((line) => line.includes('The store is empty'));
  assert.equal(said.length, 1);
  assert.match(String(said), /run: grantable apply FILE.*GRANTABLE_APPLY=FILE/);
  lines.length = 0;
  await applyTo(server);
  await server.restart();
  assert.ok(!String(lines).includes('The store is empty'));
});

async function applyTo({ server }: TestServer): Promise<void> {
  await server.foundations.apply(parseApplyFile(JSON.stringify(file), 'test'));
}
