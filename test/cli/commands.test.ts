import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { applySample } from '../apply/examples.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import { MAIN, openTerminal, type Terminal } from './run.ts';

const COMMANDS = [
  'serve',
  'apply',
  'doctor',
  'keys',
  'explain',
  'revoke',
  'connection',
  'backup',
  'export',
  'import',
];

/** With the sample of the documentation applied. */
async function openSample(t: TestContext, env: Record<string, string> = {}): Promise<Terminal> {
  const terminal = await openTerminal(t, env);
  await writeFile(join(terminal.dataDir, 'sample.yaml'), applySample);
  const { code, err } = await terminal.run(['apply', 'sample.yaml']);
  assert.equal(code, 0, err);
  return terminal;
}

test('help lists every command, and each explains itself', async (t) => {
  const terminal = await openTerminal(t);
  for (const args of [['help'], ['-h'], ['--help']]) {
    const { code, out } = await terminal.run(args);
    assert.equal(code, 0);
    for (const name of COMMANDS) assert.match(out, new RegExp(`^ {2}${name} `, 'm'));
  }
  for (const name of COMMANDS) {
    for (const args of [
      [name, '-h'],
      [name, '--help'],
      ['help', name],
    ]) {
      const { code, out, err } = await terminal.run(args);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^Usage: grantable ${name}`));
      assert.equal(err, '');
    }
  }
  assert.deepEqual(await readdir(terminal.dataDir), []);
});

test('a senseless command gets the usage and exit code 2', async (t) => {
  const terminal = await openTerminal(t);
  const wrong: [string[], RegExp][] = [
    [[], /^Usage: grantable COMMAND/],
    [['aply'], /^There is no command aply \(did you mean apply\?\)\./],
    [['toString'], /^There is no command toString\./],
    [['help', 'nothing'], /^There is no command nothing\./],
    [['\u001b[2J'], /^There is no command \\u001b\[2J\./],
    [['apply'], /^An argument is missing\.\n\nUsage: grantable apply FILE/],
    [['apply', 'a', 'b'], /^There are too many arguments: 2 instead of 1\./],
    [['apply', 'a', '--dryrun'], /^Unknown option '--dryrun'\./],
    [['apply', 'a', '--dry-run=yes'], /^Option '--dry-run' does not take an argument\./],
    [['keys'], /^An argument is missing\./],
    [['keys', 'make'], /^There is no keys make\./],
    [['guard'], /^Say what guard should do: use postgres or follow\./],
    [['guard', 'mysql'], /^There is no guard mysql: use postgres or follow\./],
    [['keys', 'remove'], /^An argument is missing\.\n\nUsage: grantable keys remove KID\n$/],
    [['user', 'list'], /^An argument is missing\.\n\nUsage: grantable user list ORGANIZATION \[OPTIONS\]\n$/],
    [['keys', 'rotate', '--lead', '1m'], /^The lead "1m" is not between 300 and 604800 seconds\. Write one/],
    [['keys', 'rotate', '--lead', 'soon'], /^The lead "soon" is not a duration\. Write one such as 45m\./],
    [['keys', 'rotate', '--lead', '45m', '--now'], /^--now and --lead exclude each other\./],
    [['explain'], /^An argument is missing\./],
    [['explain', '-'], /^There is no token\./],
    [['revoke'], /^Say what to revoke/],
    [['revoke', '--user', 'a', '--token', 'b'], /^Say what to revoke/],
    [['revoke', '--consent', 'a'], /^Say what to revoke/],
    [['revoke', '--application', 'a', '--consent', 'a'], /^Say whose consent to revoke with --user/],
    [['revoke', '--user'], /^Option '--user <value>' argument missing\./],
    [['export', 'file'], /^There are too many arguments/],
    [['serve', 'now'], /^There are too many arguments/],
  ];
  for (const [args, says] of wrong) {
    const { code, out, err } = await terminal.run(args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, says, args.join(' '));
    assert.equal(out, '');
  }
  assert.deepEqual(await readdir(terminal.dataDir), []);
});

test('SE-06 a broken configuration lists every problem and exits with code 2', async (t) => {
  const terminal = await openTerminal(t, {
    GRANTABLE_PORT: 'http',
    GRANTABLE_ISUER: 'x',
    GRANTABLE_APPLY: 'no.yaml',
  });
  for (const name of ['serve', 'export', 'doctor']) {
    const { code, out, err } = await terminal.run([name]);
    const said = out + err;
    assert.equal(code, name === 'doctor' ? 1 : 2);
    assert.match(said, /GRANTABLE_PORT: "http"/);
    assert.match(said, /GRANTABLE_ISUER: there is no such option \(did you mean GRANTABLE_ISSUER\?\)/);
    if (name !== 'export') assert.match(said, /GRANTABLE_APPLY: .*no\.yaml cannot be read/);
  }
  assert.deepEqual(await readdir(terminal.dataDir), []);
});

test('asking a store that is not there does not make one', async (t) => {
  const terminal = await openTerminal(t);
  const asking = [
    ['keys', 'list'],
    ['explain', 'x'],
    ['revoke', '--user', 'a/b'],
    ['backup', 'b.db'],
    ['export'],
  ];
  for (const args of asking) {
    const { code, err } = await terminal.run(args);
    assert.equal(code, 1);
    assert.match(err, /^There is no store at .*grantable\.db\..*\n$/, args.join(' '));
  }
  const { code, out } = await terminal.run(['doctor']);
  assert.equal(code, 0);
  assert.match(out, /^warning {2}There is no store/m);
  assert.deepEqual(await readdir(terminal.dataDir), []);
});

test('a file is tried, applied and applied again', async (t) => {
  const terminal = await openTerminal(t);
  await writeFile(join(terminal.dataDir, 'sample.yaml'), applySample);
  const dry = await terminal.run(['apply', 'sample.yaml', '--dry-run']);
  assert.equal(dry.code, 0);
  assert.match(dry.out, /^\+ organization acme$/m);
  assert.match(dry.out, /^11 would be added, 0 would be changed, 0 left as they are$/m);
  assert.deepEqual(await readdir(terminal.dataDir), ['sample.yaml'], 'not even a store was made');

  const applied = await terminal.run(['apply', 'sample.yaml']);
  assert.equal(applied.code, 0);
  assert.match(applied.out, /^11 added, 0 changed, 0 left as they are$/m);
  const again = await terminal.run(['apply', 'sample.yaml']);
  assert.match(again.out, /^0 added, 0 changed, 11 left as they are$/m);

  await writeFile(
    join(terminal.dataDir, 'change.yaml'),
    'organizations:\n  - name: acme\n    users: [{ username: bob, password: quite-another-sentence }]\n',
  );
  const changed = await terminal.run(['apply', 'change.yaml']);
  assert.match(changed.out, /^! user acme\/bob has another password than the file says; it stays/m);
  const reset = await terminal.run(['apply', 'change.yaml', '--reset-passwords']);
  assert.equal(reset.out, '~ user acme/bob\n    password: changed\n0 added, 1 changed, 1 left as they are\n');
});

test('an invalid apply file is refused with line numbers', async (t) => {
  const terminal = await openSample(t);
  const path = join(terminal.dataDir, 'bad.yaml');
  await writeFile(
    path,
    'organizations:\n  - name: acme\n    aplications: []\n    users: [{ username: 1 }]\n',
  );
  const broken = await terminal.run(['apply', 'bad.yaml']);
  assert.equal(broken.code, 2);
  assert.match(broken.err, /bad\.yaml:3:5 unknown key aplications \(did you mean applications\?\)/);
  assert.match(broken.err, /bad\.yaml:4:\d+ username must be text/);

  await writeFile(path, 'organizations:\n  - name: acme\n    users: [{ username: eve, roles: [boss] }]\n');
  const refused = await terminal.run(['apply', 'bad.yaml']);
  assert.equal(refused.code, 1);
  assert.equal(
    refused.err,
    'The file cannot be applied:\n  user acme/eve: the organization has no role boss\n',
  );

  const missing = await terminal.run(['apply', 'nothing.yaml']);
  assert.equal(missing.code, 2);
  assert.match(missing.err, /nothing\.yaml cannot be read \(ENOENT\)/);
});

test('SE-02 keys are listed, rotated and removed', async (t) => {
  const terminal = await openSample(t);
  const lines = (out: string) => out.trimEnd().split('\n');
  const first = lines((await terminal.run(['keys', 'list'])).out);
  assert.equal(first.length, 2);
  for (const line of first) assert.match(line, /^[\w-]{43} {2}(ES256|RS256) +active +signs from 20/);

  const rotated = lines((await terminal.run(['keys', 'rotate'])).out);
  assert.equal(rotated.length, 4);
  assert.deepEqual(
    rotated.map((line) => line.split(/\s+/)[2]),
    ['active', 'active', 'next', 'next'],
  );
  for (const [index, line] of rotated.slice(0, 2).entries()) {
    assert.ok(line.startsWith(first[index]?.split(' ')[0] ?? 'x'), 'the same keys sign still');
    assert.match(line, /published until 20/);
  }

  const led = lines((await terminal.run(['keys', 'rotate', '--lead', '45m'])).out);
  const starts = (found: readonly string[]) =>
    Date.parse(
      /signs from (\S+?),?$/.exec(found.find((line) => !/published until/.test(line)) ?? '')?.[1] ?? '',
    );
  assert.ok(starts(led) - starts(rotated) >= 40 * 60_000, led.join('\n'));

  const now = lines((await terminal.run(['keys', 'rotate', '--now'])).out);
  assert.equal(now.length, 8);
  const active = now.filter((line) => / active /.test(line));
  assert.ok(active.every((line) => !rotated.some((other) => other.startsWith(line.slice(0, 43)))));

  const kid = first[0]?.slice(0, 43) ?? '';
  const removed = await terminal.run(['keys', 'remove', kid]);
  assert.equal(removed.code, 0);
  assert.match(removed.out, new RegExp(`^Removed ${kid}`));
  assert.ok(!lines((await terminal.run(['keys', 'list'])).out).some((line) => line.startsWith(kid)));
  const unknown = await terminal.run(['keys', 'remove', kid]);
  assert.equal(unknown.code, 1);
  assert.equal(unknown.err, `There is no signing key ${kid}.\n`);
  assert.equal((await terminal.run(['keys', 'remove', 'data-1'])).code, 1, 'only keys that sign');
});

test('SE-02 the secrets of the server are rotated, and the audit names them', async (t) => {
  const terminal = await openSample(t);
  const { code, out } = await terminal.run(['keys', 'rotate', '--secrets']);
  assert.equal(code, 0);
  const [, ids = '', from = ''] = /^Made (.*): used from (.*)\.\n$/.exec(out) ?? [];
  for (const id of ['data-2', 'clientSecrets-2', 'passwords-2', 'refresh-2', 'cookies-2']) {
    assert.ok(ids.split(', ').includes(id), ids);
  }
  assert.doesNotMatch(ids, /check|signing/i);
  assert.ok(Date.parse(from) > Date.now());
  const { out: audited } = await terminal.run(['audit', 'list', '--event', 'keys.']);
  assert.match(audited, /keys\.rotated/);
  const both = await terminal.run(['keys', 'rotate', '--secrets', '--lead', '45m']);
  assert.match(both.err, /--secrets and --lead exclude each other/);
});

test('users, applications and tokens that are not there are said not to be', async (t) => {
  const terminal = await openSample(t);
  const cases: [string[], string][] = [
    [
      ['revoke', '--user', 'acme/nobody'],
      'There is no user acme/nobody. Name it organization/application/username.\n',
    ],
    [
      ['revoke', '--application', 'acme/nothing'],
      'There is no application acme/nothing. Name it organization/application, or by its client id.\n',
    ],
    [
      ['revoke', '--user', 'acme/nobody', '--consent', 'acme/shop'],
      'There is no user acme/nobody. Name it organization/application/username.\n',
    ],
    [
      ['revoke', '--user', 'acme/shop/ann', '--consent', 'acme/nope'],
      'There is no application acme/nope. Name it organization/application, or by its client id.\n',
    ],
    [['revoke', '--token', 'gat_x'], 'There is no such token, or it has expired: nothing was revoked.\n'],
  ];
  for (const [args, says] of cases) {
    const { code, out, err } = await terminal.run(args);
    assert.deepEqual({ code, out, err }, { code: 1, out: '', err: says });
  }
  const consent = await terminal.run(['revoke', '--user', 'acme/shop/ann', '--consent', 'acme/shop']);
  assert.deepEqual(
    [consent.code, consent.out],
    [0, 'Revoked all that application shop holds of user ann.\n'],
  );
  const { code, out } = await terminal.run(['revoke', '--user', 'acme/shop/ann']);
  assert.deepEqual({ code, out }, { code: 0, out: 'Revoked all tokens and logins of user ann.\n' });
});

test('explain and revoke name the issuer of a token that another one issued', async (t) => {
  const terminal = await openSample(t, { GRANTABLE_ISSUER: 'http://localhost:3456' });
  const claims = { iss: 'http://localhost:3000', jti: 'x', exp: Date.now() / 1000 + 60 };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part({ alg: 'ES256', typ: 'at+jwt' })}.${part(claims)}.c2ln`;
  const why =
    /its issuer is "http:\/\/localhost:3000", and the issuer of this command is "http:\/\/localhost:3456": run the/;
  assert.match((await terminal.run(['explain', token])).out, why);
  const { code, err } = await terminal.run(['revoke', '--token', token]);
  assert.equal(code, 1);
  assert.match(err, why);
});

test('an organization is exported as an apply file, which applied changes nothing', async (t) => {
  const terminal = await openSample(t);
  const wanted = ['export', '--apply', 'acme', '--out', 'acme.yaml'];
  const exported = await terminal.run(wanted);
  const path = join(terminal.dataDir, 'acme.yaml');
  assert.deepEqual([exported.code, exported.out], [0, `The organization acme was exported to ${path}.\n`]);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const applied = await terminal.run(['apply', 'acme.yaml']);
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.out, /^0 added, 0 changed, \d+ left as they are$/m);
  assert.equal((await terminal.run(['export', '--apply', 'acme'])).out, await readFile(path, 'utf8'));
  const unknown = await terminal.run(['export', '--apply', 'acmee']);
  assert.deepEqual([unknown.code, unknown.err], [1, 'There is no organization acmee.\n']);
});

test('a backup that fails leaves no file and says why', async (t) => {
  const terminal = await openSample(t);
  const { dataDir } = terminal;
  // No file may grow beyond 64 KB, as on a disk that becomes full in the middle.
  const backup = `ulimit -f 128; exec ${process.execPath} ${MAIN} backup copy.db`;
  const env = { ...childEnv, ...terminal.env, NODE_DISABLE_COMPILE_CACHE: '1' };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', backup], { cwd: dataDir, env, encoding: 'utf8' });
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^The store was not copied: disk I\/O error\.\n$/);
  const left = async () => (await readdir(dataDir)).filter((name) => name.startsWith('copy'));
  assert.deepEqual(await left(), []);
  // What a kill in the middle leaves is not in the way.
  await writeFile(join(dataDir, 'copy.db.unfinished'), 'half');
  assert.equal((await terminal.run(['backup', 'copy.db'])).code, 0);
  assert.deepEqual(await left(), ['copy.db']);
});

test('a MongoDB store is not copied, and the command says with what', { skip: mongoMissing() }, async (t) => {
  const mongo = await startMongo();
  t.after(() => mongo[Symbol.asyncDispose]());
  const terminal = await openTerminal(t, { GRANTABLE_STORAGE: mongo.newUrl() });
  const { code, err } = await terminal.run(['backup', 'copy']);
  assert.deepEqual(
    [code, err],
    [
      1,
      'The store was not copied: MongoDB is copied with its own tools: mongodump, or a snapshot of the disks.\n',
    ],
  );
});

test('a store is backed up, exported and imported, with the modes that secrets need', async (t) => {
  const key = 'f1e2d3c4b5a697887766554433221100ffeeddccbbaa99887766554433221100';
  const terminal = await openSample(t, { GRANTABLE_MASTER_KEY: key });
  const { dataDir } = terminal;
  const listed = await terminal.run(['keys', 'list']);
  assert.equal((await terminal.run(['backup', 'copy.db'])).code, 0);
  assert.equal((await stat(join(dataDir, 'copy.db'))).mode & 0o777, 0o600);
  const twice = await terminal.run(['backup', 'copy.db']);
  assert.equal(twice.code, 1);
  assert.match(twice.err, /copy\.db is there already: a backup needs a new file\./);
  for (const args of [
    ['backup', 'nowhere/copy.db'],
    ['export', '--out', 'nowhere/all.jsonl'],
  ]) {
    const { code, err } = await terminal.run(args);
    assert.deepEqual([code, err], [1, `There is no folder ${join(dataDir, 'nowhere')}.\n`]);
  }
  const copy = await terminal.run(['keys', 'list'], {
    env: { ...terminal.env, GRANTABLE_STORAGE: `sqlite:${join(dataDir, 'copy.db')}` },
  });
  assert.equal(copy.out, listed.out);

  assert.equal((await terminal.run(['export', '--out', 'all.jsonl'])).code, 0);
  assert.equal((await stat(join(dataDir, 'all.jsonl'))).mode & 0o777, 0o600);
  assert.equal((await terminal.run(['export', '--out', 'all.jsonl'])).code, 1);
  const text = await readFile(join(dataDir, 'all.jsonl'), 'utf8');
  const toStdout = await terminal.run(['export']);
  assert.deepEqual(toStdout.out.split('\n').slice(1), text.split('\n').slice(1));
  assert.ok(!text.includes(key));

  const elsewhere = await mkdtemp(join(tmpdir(), 'grantable-elsewhere-'));
  t.after(() => rm(elsewhere, { recursive: true }));
  const env = { ...terminal.env, GRANTABLE_DATA_DIR: elsewhere };
  const { GRANTABLE_MASTER_KEY: _, ...withoutKey }: Record<string, string> = env;
  for (const wrong of [withoutKey, { ...env, GRANTABLE_MASTER_KEY: key.replace('f1', '1f') }]) {
    const { code, err } = await terminal.run(['import', 'all.jsonl'], { env: wrong });
    assert.equal(code, 1);
    assert.match(
      err,
      /can be read with the master key of its store only, and .*\. Nothing was imported\.\n$/,
    );
    assert.deepEqual(await readdir(elsewhere), []);
  }
  assert.equal((await terminal.run(['import', 'all.jsonl'], { env })).code, 0);
  assert.equal((await terminal.run(['keys', 'list'], { env })).out, copy.out);
  const again = await terminal.run(['apply', 'sample.yaml'], { env });
  assert.match(again.out, /^0 added, 0 changed, 11 left as they are$/m);
  const full = await terminal.run(['import', 'all.jsonl'], { env });
  assert.equal(full.code, 1);
  assert.match(full.err, /^The store is not empty\. Import into an empty store\./);

  await writeFile(join(dataDir, 'half.jsonl'), text.slice(0, -40));
  const half = await terminal.run(['import', 'half.jsonl'], {
    env: { ...env, GRANTABLE_DATA_DIR: join(elsewhere, 'new') },
  });
  assert.equal(half.code, 1);
  assert.match(half.err, /cut off/);
  const none = await terminal.run(['import', 'none.jsonl'], { env });
  assert.equal(none.code, 1);
  assert.match(none.err, /none\.jsonl is not there \(ENOENT\)\.\n$/);
});

test('a store that cannot be opened is one sentence and exit code 1', async (t) => {
  const terminal = await openSample(t);
  const { dataDir, env } = terminal;
  const oneSentence = async (changed: Record<string, string>, says: RegExp) => {
    for (const args of [['keys', 'list'], ['apply', 'sample.yaml'], ['serve']]) {
      const { code, err } = await terminal.run(args, {
        env: { ...env, GRANTABLE_PORT: '0', GRANTABLE_ISSUER: 'http://localhost:9', ...changed },
      });
      assert.equal(code, 1, err);
      assert.match(err, says);
      assert.equal(err.trimEnd().split('\n').length, 1, err);
    }
    const { code, out } = await terminal.run(['doctor'], { env: { ...env, ...changed } });
    assert.equal(code, 1);
    assert.match(out, /^wrong /m);
  };
  const wrongKey = 'f1e2d3c4b5a697887766554433221100ffeeddccbbaa99887766554433221100';
  await oneSentence(
    { GRANTABLE_MASTER_KEY: wrongKey },
    /is not the master key that this store was made with\./,
  );

  await writeFile(join(dataDir, 'text.db'), 'this is no database, however long it is. '.repeat(100));
  await oneSentence({ GRANTABLE_STORAGE: `sqlite:${join(dataDir, 'text.db')}` }, /text\.db cannot be opened/);

  await terminal.run(['backup', 'newer.db']);
  const newer = new DatabaseSync(join(dataDir, 'newer.db'));
  newer.exec('PRAGMA user_version = 999');
  newer.close();
  await oneSentence(
    { GRANTABLE_STORAGE: `sqlite:${join(dataDir, 'newer.db')}` },
    /written by a newer version/,
  );
});

test('a data folder that is a file, below one or cannot be made is one sentence', async (t) => {
  const terminal = await openTerminal(t);
  const file = join(terminal.dataDir, 'file');
  await writeFile(file, '');
  await writeFile(join(terminal.dataDir, 'sample.yaml'), applySample);
  for (const [folder, expected, says] of [
    [file, 2, /GRANTABLE_DATA_DIR.*file" is a file/],
    [join(file, 'data'), 2, /GRANTABLE_DATA_DIR.*data" lies below the file ".*file"/],
    [join(terminal.dataDir, 'x'.repeat(300)), 1, /cannot be opened/],
  ] as const) {
    const env = { ...terminal.env, GRANTABLE_DATA_DIR: folder };
    for (const args of [['apply', 'sample.yaml'], ['serve']]) {
      const { code, err } = await terminal.run(args, { env });
      assert.equal(code, expected, err);
      assert.match(err, says);
      const sentences = err
        .trimEnd()
        .split('\n')
        .filter((line) => !/^The configuration/.test(line));
      assert.equal(sentences.length, 1, err);
    }
  }
});

test('doctor examines what the server would use', async (t) => {
  const terminal = await openSample(t);
  const { code, out } = await terminal.run(['doctor']);
  assert.equal(code, 0, out);
  assert.match(out, /^ok {7}The store is whole\.$/m);
  assert.match(out, /^warning {2}No master key is given/m);
  assert.ok(existsSync(join(terminal.dataDir, 'generated-secrets.txt')));
  assert.match(out, /^warning {2}.*generated-secrets\.txt holds secrets/m);
  await rm(join(terminal.dataDir, 'master.key'));
  const lost = await terminal.run(['doctor']);
  assert.equal(lost.code, 1);
  assert.match(lost.out, /^wrong {4}The store was made with the key file .*master\.key, which is gone/m);
  assert.ok(!existsSync(join(terminal.dataDir, 'master.key')), 'and no other key was made');
});
