import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { operations } from '../../src/admin/operations/index.ts';
import { nounCommands } from '../../src/cli/administration/nouns.ts';
import { startAdmin, type TestAdmin } from '../admin/api/support.ts';
import { freePort } from '../support/free-port.ts';
import { PASSWORD } from '../support/server.ts';
import { type Outcome, openTerminal, runBeside } from './run.ts';

type Io = Parameters<typeof runBeside>[2];

const parse = ({ out }: Outcome): any => JSON.parse(out);
/** A person who types these lines. */
const typing = (text: string) => Object.assign(Readable.from([text]), { isTTY: true });

/** More than a page has. */
const MANY = Array.from({ length: 60 }, (_, index) => `many-${index}`);

let admin: TestAdmin;
before(async () => {
  admin = await startAdmin({
    fixture({ organizations: [acme] }) {
      acme.roles.push(...MANY.map((name) => ({ name })));
    },
  });
});
after(() => admin[Symbol.asyncDispose]());

/** On the store of the server, and by the server. */
const WAYS = {
  'on the store': (args: readonly string[], io?: Io) => runBeside(admin.server, args, io),
  'by a server': (args: readonly string[], io?: Io) =>
    runBeside(admin.server, [...args, '--server', admin.issuer], {
      ...io,
      env: { GRANTABLE_TOKEN: admin.tokens.server },
    }),
} as const;

/** With what was written, as a terminal shows it: both streams. */
async function atTerminal(run: (typeof WAYS)['on the store'], args: readonly string[], typed = '') {
  const said: string[] = [];
  const output = { isTTY: true, write: (text: string) => said.push(text) };
  const { code } = await run(args, { stdout: output, stderr: output, stdin: typing(typed) });
  return { code, said: said.join('') };
}

for (const [way, run] of Object.entries(WAYS)) {
  const name = way.replaceAll(' ', '-');

  describe(`administration ${way}`, () => {
    test('a role is made, shown, changed and removed', async () => {
      const made = await run([
        'role',
        'create',
        `acme/${name}`,
        '--set',
        'permissions.tables.orders.read=true',
      ]);
      assert.equal(made.code, 0, made.err);
      const { id, ...role } = parse(made);
      assert.deepEqual(
        [role.name, role.organization, role.managedBy, role.permissions],
        [name, 'acme', 'api', { tables: { orders: { read: true } } }],
      );
      const tried = await run(['role', 'change', `acme/${name}`, '--set', 'enabled=false', '--dry-run']);
      assert.deepEqual(parse(tried).fields, [{ field: 'enabled', from: 'true', to: 'false' }]);
      assert.equal(parse(await run(['role', 'show', `acme/${name}`])).enabled, true);
      const patch = 'scopes: [orders.read]\npermissions: null\n';
      const changed = await run(['role', 'change', `acme/${id}`, '--file', '-'], { input: patch });
      assert.equal(changed.code, 0, changed.err);
      assert.deepEqual(parse(changed).scopes, ['orders.read']);
      assert.deepEqual(await run(['role', 'remove', `acme/${name}`]), { code: 0, out: '', err: '' });
      const gone = await run(['role', 'show', `acme/${name}`]);
      assert.deepEqual(gone, { code: 1, out: '', err: `There is no role acme/${name}.\n` });
    });

    test('a user is found by application and name, and not by that of another', async () => {
      const ann = parse(await run(['user', 'show', 'acme/web/ann']));
      assert.deepEqual([ann.username, ann.application], ['ann', 'web']);
      assert.equal((await run(['user', 'show', 'acme/ann'])).code, 1);
      assert.equal((await run(['user', 'show', 'other/web/ann'])).code, 1);
      const [only, ...others] = parse(await run(['user', 'list', 'acme', '--application', 'web']));
      assert.deepEqual([only.id, others], [ann.id, []]);
    });

    test('a list has all pages as one array, or as many as --limit says', async () => {
      const all = parse(await run(['role', 'list', 'acme'])).map((role: any) => role.name);
      assert.deepEqual(
        all.filter((each: string) => MANY.includes(each)),
        MANY,
      );
      assert.equal(parse(await run(['role', 'list', 'acme', '--limit', '7'])).length, 7);
      assert.deepEqual(parse(await run(['role', 'list', 'acme', '--name', 'nobody'])), []);
    });

    test('a terminal shows tables and YAML, and --json shows JSON there', async () => {
      const list = await atTerminal(run, ['user', 'list', 'acme', '--application', 'web']);
      const [header, row] = list.said.split('\n');
      assert.match(header ?? '', /^USERNAME {2}APPLICATION {2}EMAIL +ENABLED {2}ROLES$/);
      assert.match(row ?? '', /^ann {7}web {10}ann@acme\.example {2}true {5}clerk$/);
      const none = await atTerminal(run, ['webhook', 'list', 'acme']);
      assert.deepEqual(none, { code: 0, said: 'The list is empty.\n' });
      const shown = await atTerminal(run, ['user', 'show', 'acme/web/ann']);
      assert.match(shown.said, /^username: ann$/m);
      assert.equal(
        JSON.parse((await atTerminal(run, ['user', 'show', 'acme/web/ann', '--json'])).said).username,
        'ann',
      );
    });

    test('a removal is confirmed at a terminal, but with --yes', async () => {
      const role = `acme/asked-${name}`;
      assert.equal((await run(['role', 'create', role])).code, 0);
      const no = await atTerminal(run, ['role', 'remove', role], 'no\n');
      assert.equal(no.code, 1);
      const asked = `role ${role}: removes it, with all that belongs to it.\nType yes to go on: `;
      assert.equal(no.said, `${asked}Nothing was done.\n`);
      assert.equal((await atTerminal(run, ['role', 'remove', role])).code, 1, 'nothing typed');
      assert.equal((await run(['role', 'show', role])).code, 0);
      const yes = await atTerminal(run, ['role', 'remove', role], 'yes\n');
      assert.match(yes.said, new RegExp(`Type yes to go on: Removed role ${role}\\.\n$`));
      assert.equal((await run(['role', 'create', role])).code, 0);
      const unasked = await atTerminal(run, ['role', 'remove', role, '--yes']);
      assert.deepEqual(unasked, { code: 0, said: `Removed role ${role}.\n` });
    });

    test('refusals are sentences with exit code 1, and name the member', async () => {
      const wrong: [string[], RegExp][] = [
        [
          ['role', 'create', 'acme/x', '--set', 'permision=1'],
          /^Nothing was written:\n {2}.*permision .*did you mean permissions/,
        ],
        [['role', 'create', 'acme/x', '--set', 'enabled=maybe'], /^Nothing was written:\n {2}enabled: /],
        [['role', 'create', 'acme/clerk'], /already/],
        [['role', 'list', 'nowhere'], /^There is no/],
        [['role', 'show', 'acme/00000000-0000-4000-8000-000000000000'], /^There is no/],
      ];
      for (const [args, says] of wrong) {
        const { code, out, err } = await run(args);
        assert.deepEqual([code, out], [1, ''], `${args.join(' ')}: ${err}`);
        assert.match(err, says, args.join(' '));
      }
    });

    test('an application gets a second secret, loses it, and loses all tokens', async () => {
      const made = parse(await run(['application', 'secret', 'add', 'acme/machine', 'second']));
      assert.match(made.secret, /^gcs_/);
      const list = parse(await run(['application', 'secret', 'list', 'acme/machine']));
      const names = (list.items ?? list).map(({ name }: { name: string }) => name);
      assert.deepEqual(names, ['default', 'second']);
      const { json } = await admin.server.token('machine');
      assert.equal((await run(['application', 'secret', 'remove', 'acme/machine', 'second'])).code, 0);
      assert.equal((await admin.server.introspect(json.access_token)).active, true);
      assert.equal((await run(['application', 'revoke', 'acme/machine'])).code, 0);
      assert.deepEqual(await admin.server.introspect(json.access_token), { active: false });
    });

    test('a person is unlocked, gets a link for a password, and loses all tokens', async () => {
      const unlocked = await run(['user', 'unlock', 'acme/shop/ann']);
      assert.deepEqual(unlocked, { code: 0, out: '', err: '' });
      const link = parse(await run(['user', 'reset-password', 'acme/shop/ann']));
      assert.match(link.link, /gmt_/);
      const state = await run(['user', 'state', 'acme/shop/ann']);
      assert.equal(state.code, 0, state.err);

      const { json } = await admin.server.post('/oauth/token', 'shop', {
        grant_type: 'password',
        username: 'ann',
        password: PASSWORD,
      });
      const [token] = parse(await run(['token', 'list', 'acme', '--user', 'shop/ann', '--limit', '1']));
      assert.equal(token.state, 'alive');
      const shown = await atTerminal(run, ['token', 'list', 'acme', '--user', 'shop/ann']);
      assert.match(shown.said, /^ID +APPLICATION +SUBJECT +RESOURCE +STATE +EXPIRESAT\n/);
      const [login] = parse(await run(['login', 'list', 'acme', '--user', 'shop/ann', '--limit', '1']));
      const dry = parse(await run(['login', 'end', `acme/${login.id}`, '--dry-run']));
      assert.equal(dry.dryRun, true);
      assert.equal((await admin.server.introspect(json.access_token)).active, true);
      assert.equal((await run(['token', 'end', `acme/${token.id}`])).code, 0);
      assert.deepEqual(await admin.server.introspect(json.access_token), { active: false });
      assert.equal(parse(await run(['token', 'show', `acme/${token.id}`])).state, 'ended');
      assert.equal((await run(['user', 'revoke', 'acme/shop/ann'])).code, 0);
    });

    test('the audit log is listed, counted and exported, of one organization or the server', async () => {
      const [last] = parse(await run(['audit', 'list', '--event', 'role.', '--limit', '1']));
      assert.match(last.event, /^role\./);
      const ofAcme = parse(await run(['audit', 'list', 'acme', '--limit', '3']));
      assert.deepEqual([...new Set(ofAcme.map((each: any) => each.organization))], ['acme']);
      const counted = parse(await run(['audit', 'count', 'acme', '--event', 'role.']));
      assert.ok(counted.count > 0);
      const lines = (await run(['audit', 'export', 'acme', '--event', 'role.'])).out.trimEnd().split('\n');
      assert.equal(lines.length, counted.count);
      for (const line of lines) assert.match(JSON.parse(line).event, /^role\./);
      const csv = (await run(['audit', 'export', 'acme', '--event', 'role.', '--format', 'csv'])).out;
      assert.match(csv.split('\n')[0] ?? '', /event/);
      const wrong = await run(['audit', 'export', '--format', 'xml']);
      assert.equal(wrong.code, 2);
      assert.match(wrong.err, /^--format "xml" is unknown\. Use ndjson or csv\./);
    });

    test('a text of others moves no cursor on a terminal', async () => {
      const role = `acme/colour-${name}`;
      const evil = '"\\u001b[2J"';
      await run(['user', 'create', `acme/web/evil-${name}`, '--set', `attributes.note=${evil}`]);
      await run(['role', 'create', role, '--set', `name=${evil}`]);
      for (const args of [
        ['user', 'list', 'acme'],
        ['user', 'show', `acme/web/evil-${name}`],
        ['role', 'list', 'acme'],
      ])
        assert.ok(!(await atTerminal(run, args)).said.includes('\u001b'), args.join(' '));
    });
  });
}

test('a body comes from a file of YAML or JSON, changed by --set and --unset', async () => {
  const run = WAYS['on the store'];
  const [yaml, json] = [join(admin.server.dataDir, 'role.yaml'), join(admin.server.dataDir, 'role.json')];
  await writeFile(yaml, 'scopes: [orders.read]\npermissions:\n  tables: { orders: { read: true } }\n');
  await writeFile(json, '{"scopes":["orders.write"]}');
  const args = [
    'role',
    'create',
    'acme/filed',
    '--file',
    'role.yaml',
    '--set',
    'permissions.tables.public\\.users.read=true',
  ];
  const made = parse(await run(args));
  assert.deepEqual(made.permissions.tables, { orders: { read: true }, 'public.users': { read: true } });
  const changed = parse(
    await run(['role', 'change', 'acme/filed', '--file', 'role.json', '--unset', 'permissions']),
  );
  assert.deepEqual([changed.scopes, changed.permissions.tables ?? {}], [['orders.write'], {}]);

  await writeFile(json, '[1]');
  const wrong: [string[], number, RegExp][] = [
    [['--file', 'role.json'], 2, /role\.json is not an object/],
    [['--file', 'none.json'], 1, /none\.json is not there/],
    [['--set', 'name'], 2, /^--set "name" has no value/],
    [['--set', '.a=1'], 2, /^"\.a" is not the name of a member/],
    [['--set', '__proto__.a=1'], 2, /^"__proto__\.a" is not the name of a member/],
  ];
  for (const [more, exit, says] of wrong) {
    const { code, err } = await run(['role', 'change', 'acme/filed', ...more]);
    assert.equal(code, exit, `${more.join(' ')}: ${err}`);
    assert.match(err, says);
  }
});

test('a server that will not do is refused before anything is sent to it', async (t) => {
  const { run } = await openTerminal(t);
  const port = await freePort();
  const token = 'gat_x';
  const wrong: [string, string | undefined, number, RegExp][] = [
    [admin.issuer, undefined, 2, /^--server needs an access token .* GRANTABLE_TOKEN\./],
    ['http://grantable.example', token, 2, /^--server "http:.*would send the token in the clear/],
    ['ftp://localhost', token, 2, /^--server "ftp:\/\/localhost" is not a URL/],
    ['grantable', token, 2, /^--server "grantable" is not a URL/],
    [
      `http://localhost:${port}`,
      token,
      1,
      /^The server at http:\/\/localhost:\d+ does not answer: ECONNREFUSED\.\n$/,
    ],
    [admin.issuer, token, 1, /\nThe access token comes from GRANTABLE_TOKEN\.\n$/],
  ];
  for (const [server, value, exit, says] of wrong) {
    const env = value === undefined ? {} : { GRANTABLE_TOKEN: value };
    const { code, err } = await run(['role', 'list', 'acme', '--server', server], { env });
    assert.equal(code, exit, err);
    assert.match(err, says);
    assert.ok(!err.includes(token), 'no token is shown');
  }
});

test('a name that would lead to another path is not sent to a server', async () => {
  for (const name of ['.', '..', '']) {
    const { code, err } = await runBeside(
      admin.server,
      ['organization', 'show', name, '--server', admin.issuer],
      { env: { GRANTABLE_TOKEN: admin.tokens.owner } },
    );
    assert.equal(code, 1);
    assert.match(err, /^organization must be a text that is not empty/);
  }
});

test('a token of an organization is told of others the same as of unknown ones', async () => {
  const ask = (organization: string) =>
    runBeside(admin.server, ['role', 'list', organization, '--server', admin.issuer], {
      env: { GRANTABLE_TOKEN: admin.tokens.owner },
    });
  const [other, unknown] = [await ask('other'), await ask('nowhere')];
  assert.deepEqual(other, unknown);
  assert.equal(other.code, 1);
  assert.equal((await ask('acme')).code, 0);
});

test('commands that administer say what they know, and what is unknown', async (t) => {
  const { run } = await openTerminal(t);
  const wrong: [string[], RegExp][] = [
    [['role'], /^Say what to do: list, show, create, change, remove\./],
    [['role', 'sho'], /^Unknown verb "sho" of role \(did you mean show\?\)\. Use list, /],
    [['role', 'show', 'clerk'], /^Name it ORGANIZATION\/NAME\./],
    [['role', 'list', 'acme', '--limit', '0'], /^--limit "0" is not a whole number above 0/],
    [['role', 'list', 'acme', '--frob', 'x'], /^Unknown option '--frob'/],
    [['role', 'show', 'acme/clerk', '--yes'], /^Unknown option '--yes'/],
  ];
  for (const [args, says] of wrong) {
    const server = ['--server', admin.issuer];
    const env = { GRANTABLE_TOKEN: admin.tokens.server };
    const { code, err } = await run(args.length > 2 ? [...args, ...server] : args, { env });
    assert.equal(code, 2, err);
    assert.match(err, says);
  }
  const env = { GRANTABLE_TOKEN: 'x' };
  const onStore = await runBeside(admin.server, ['role', 'list', 'acme', '--resource', ''], { env });
  assert.equal(onStore.code, 2);
  assert.match(onStore.err, /^--resource is (?!not valid)/);
  const notATime = await runBeside(admin.server, ['audit', 'list', 'acme', '--since', 'yesterday'], { env });
  assert.match(notATime.err, /^--since must be a time such as 2026-/);
  const { out } = await run(['user', '-h']);
  assert.match(out, /^Usage: grantable user list ORGANIZATION \[OPTIONS\]$/m);
});

test('every verb has its operation', () => {
  const known = new Set<string>(operations.map(({ id }) => id));
  const named = nounCommands.flatMap(({ verbs }) =>
    verbs.flatMap(({ operation, about }) => [
      operation,
      ...(about === 'any' ? [`organizations.${operation}`] : []),
    ]),
  );
  assert.deepEqual(
    named.filter((id) => !known.has(id)),
    [],
  );
});

test('a server that asks for a fresh login says so, with what to do', async () => {
  const env = { GRANTABLE_TOKEN: admin.tokens.owner };
  admin.server.clock.offset += 301_000;
  const args = ['audit', 'export', 'acme', '--server', admin.issuer];
  const { code, out, err } = await runBeside(admin.server, args, { env });
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /\nLog in again, and put the new access token into GRANTABLE_TOKEN\.\n$/);
});
