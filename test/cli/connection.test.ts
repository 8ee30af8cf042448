import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { runBeside } from './run.ts';

const READ = '{"tables":{"orders":{"read":true}}}';

describe('the command connection, beside a running server', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const shop = fixture.organizations[0].applications[0];
        shop.grants.push('token_exchange');
        shop.mayExchange = ['machine'];
        fixture.organizations[0].applications[1].grants.push('token_exchange');
        fixture.organizations[0].connections = [
          { name: 'site', application: 'shop', scopes: ['orders.read'], permissions: JSON.parse(READ) },
        ];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const run = (...args: string[]) => runBeside(server, args);
  const done = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await run(...args);
    assert.equal(code, 0, err);
    return out;
  };
  const exchange = (token: string, form: Record<string, string> = {}, client = 'shop') =>
    server.post('/oauth/token', client, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: token.startsWith('gct_')
        ? 'urn:grantable:token-type:connection'
        : 'urn:ietf:params:oauth:token-type:access_token',
      ...form,
    });
  const isActive = async (token: string) => (await server.introspect(token)).active;

  test('create shows a token that the server takes, alone on stdout', async () => {
    const { code, out, err } = await run(
      'connection',
      'create',
      'acme/blog',
      '--application',
      'shop',
      '--permissions',
      READ,
      '--scope',
      'orders.read',
      '--lifetime',
      '90d',
    );
    assert.equal(code, 0, err);
    assert.match(out, /^gct_[A-Za-z0-9_-]{71}\n$/);
    assert.match(err, /not shown again/);
    const { status, json } = await exchange(out.trim());
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
    const shown = await done('connection', 'show', 'acme/blog');
    assert.match(shown, /^acme\/blog: alive\n/);
    assert.match(shown, /permissions: orders: read\n/);
    assert.match(shown, /last used: .* from (127\.0\.0\.1|::1)\n/);
    assert.match(shown, /living tokens made from it: 1\n/);
    assert.ok(!shown.includes(out.trim()));
    const days = (Date.parse(/expires: (\S+)/.exec(shown)?.[1] ?? '') - Date.now()) / 86_400_000;
    assert.ok(days > 89.9 && days <= 90);
  });

  test('rotate leaves the token before, drop-earlier ends it and what was made with it', async () => {
    const first = (
      await done('connection', 'create', 'acme/wiki', '--application', 'shop', '--permissions', READ)
    ).trim();
    const early = (await exchange(first)).json.access_token;
    const second = (await done('connection', 'rotate', 'acme/wiki')).trim();
    const late = (await exchange(second)).json.access_token;
    assert.equal((await exchange(first)).status, 200);
    await done('connection', 'drop-earlier', 'acme/wiki');
    assert.equal((await exchange(first)).status, 400);
    assert.equal(await isActive(early), false);
    assert.equal(await isActive(late), true);
  });

  test('a connection names its resource in any spelling of its identifier', async () => {
    const resource = ['--resource', 'https://API.acme.example'];
    const rights = ['--application', 'shop', '--permissions', READ];
    const token = (await done('connection', 'create', 'acme/spelled', ...rights, ...resource)).trim();
    assert.equal((await exchange(token)).status, 200);
  });

  test('RT-07 a connection is ended by name, by token and by RFC 7009', async () => {
    const endings: [string, (token: string) => Promise<unknown>][] = [
      ['by-name', () => done('connection', 'revoke', 'acme/by-name')],
      ['by-token', (token) => done('revoke', '--token', token)],
      ['by-client', (token) => server.post('/oauth/revoke', 'shop', { token })],
    ];
    for (const [name, end] of endings) {
      const token = (
        await done('connection', 'create', `acme/${name}`, '--application', 'shop', '--permissions', READ)
      ).trim();
      const child = (await exchange(token)).json.access_token;
      const grandchild = (await exchange(child, {}, 'machine')).json.access_token;
      const foreign = await server.post('/oauth/revoke', 'machine', { token });
      assert.equal(foreign.status, 400);
      assert.equal(await isActive(grandchild), true);
      await end(token);
      for (const dead of [child, grandchild]) assert.equal(await isActive(dead), false, name);
      assert.equal((await exchange(token)).status, 400, name);
      assert.equal((await run('connection', 'show', `acme/${name}`)).code, 1);
    }
  });

  test('explain shows the chain, and right by right who took what away', async () => {
    const token = (
      await done(
        'connection',
        'create',
        'acme/chain',
        '--application',
        'shop',
        '--permissions',
        '{"tables":{"orders":{"read":true,"update":true}}}',
      )
    ).trim();
    const child = (await exchange(token)).json.access_token;
    const grandchild = (await exchange(child, { scope: 'orders:read' }, 'machine')).json.access_token;
    const text = await done('explain', grandchild);
    assert.match(text, /^active: JWT access token\n/);
    assert.match(text, /subject: connection:/);
    assert.match(text, /exchanges since the first token: 2\n/);
    assert.match(text, /orders:create, taken away by: connection chain\n/);
    assert.match(text, /products:read, taken away by: connection chain\n/);
    assert.match(text, /orders:update, left out when the token was issued\n/);
    assert.match(text, /could be asked for: orders:read orders:update\n/);
    for (const what of [
      'application shop',
      'application machine',
      'connection chain',
      'connection token of ',
      'everything made from connection chain',
      'token of shop',
    ]) {
      assert.match(text, new RegExp(`${what}.*: alive`), what);
    }
    await done('connection', 'revoke', 'acme/chain');
    const after = await done('explain', grandchild);
    assert.match(after, /^not active/);
    assert.match(after, /because .*: ended /);
  });

  test('list shows those of one organization, or all', async () => {
    const all = await done('connection', 'list');
    assert.match(all, /^acme\/site: alive\n/m);
    assert.match(await done('connection', 'list', 'acme'), /^acme\/site: alive\n/m);
    assert.equal(await done('connection', 'list', 'other'), '');
  });

  test('a senseless command is refused and makes nothing', async () => {
    const wrong: [string[], number, RegExp][] = [
      [[], 2, /Say what to do/],
      [['make'], 2, /Say what to do/],
      [['create'], 2, /argument is missing/],
      [['create', 'acme'], 2, /organization\/connection/],
      [['create', 'acme/x'], 2, /^Name the application .*: --application APPLICATION\./],
      [['create', 'acme/x', '--application', 'shop', '--permissions', '{'], 2, /not JSON/],
      [
        ['create', 'acme/x', '--application', 'shop', '--permissions', '{"tables":{"orders":{"raed":true}}}'],
        2,
        /raed/,
      ],
      [
        ['create', 'acme/x', '--application', 'shop', '--permissions', '{"tables":["orders"]}'],
        2,
        /^permissions\.tables must be a group of keys, but is a list\./,
      ],
      [
        [
          'create',
          'acme/x',
          '--application',
          'shop',
          '--permissions',
          '{"tables":{"orders":{"read":true,"delete":true}}}',
        ],
        1,
        /gives more than the ceiling of application shop: orders:delete\./,
      ],
      [
        ['create', 'acme/x', '--application', 'shop', '--permissions', '{"isAdmin":true}'],
        1,
        /ceiling of application shop: admin of the resource\./,
      ],
      [
        ['create', 'acme/x', '--application', 'shop', '--scope', 'orders.write'],
        1,
        /scopes that application shop does not have: orders\.write\./,
      ],
      [['create', 'acme/x', '--application', 'admin'], 1, /cannot be used: .* the grant token_exchange\./],
      [['create', 'acme/x', '--application', 'shop', '--lifetime', 'long'], 2, /not a duration/],
      [['create', 'acme/x', '--application', 'shop', '--network', '10.0.0.0/33'], 2, /prefix/],
      [['create', 'nobody/x', '--application', 'shop'], 1, /no organization nobody/],
      [['create', 'acme/x', '--application', 'shopp'], 1, /no application shopp/],
      [['create', 'acme/x', '--application', 'shop-api'], 1, /needs a resource/],
      [['create', 'acme/x', '--application', 'shop', '--resource', 'urn:x:y'], 1, /may not have tokens/],
      [['create', 'acme/x', '--application', 'shop', '--owner', 'nobody'], 1, /no user nobody/],
      [['create', 'acme/x', '--application', 'shop', '--scope', 'nothing'], 1, /scope nothing/],
      [
        ['create', 'acme/x', '--application', 'shop', '--permissions', '{"tables":{"none":{"read":true}}}'],
        1,
        /table none/,
      ],
      [['create', 'acme/site', '--application', 'shop'], 1, /there already/],
      [['revoke', 'acme/none'], 1, /no connection acme\/none/],
    ];
    const count = async () => (await done('connection', 'list')).split('\n').length;
    const before = await count();
    for (const [args, code, pattern] of wrong) {
      const outcome = await run('connection', ...args);
      assert.equal(outcome.code, code, `${args.join(' ')}: ${outcome.err}`);
      assert.match(outcome.err, pattern);
    }
    assert.equal(await count(), before);
  });

  test('a connection of the apply file gets its token in the secrets file once', async () => {
    const text = await readFile(`${server.dataDir}/generated-secrets.txt`, 'utf8');
    const lines = text.split('\n').filter((line) => line.includes('connection acme/site'));
    assert.equal(lines.length, 1);
    const token = lines[0]?.split(' ').at(-1) ?? '';
    const { status, json } = await exchange(token, { resource: RESOURCE });
    assert.equal(status, 200, JSON.stringify(json));
    assert.equal(json.scope, 'orders.read');
    await server.restart();
    assert.equal((await exchange(token)).status, 200, 'applied again, it is the same');
  });
});
