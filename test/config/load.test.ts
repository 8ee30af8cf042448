import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { loadApplyFile } from '../../src/apply/file.ts';
import {
  type Config,
  ConfigError,
  type Environment,
  loadConfig,
  type Problem,
} from '../../src/config/load.ts';
import { type Option, options } from '../../src/config/options.ts';
import { ownFirstSegments } from '../../src/nouns/names.ts';
import fc from '../support/properties.ts';

let cwd: string;
before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'grantable-config-'));
});
after(() => rm(cwd, { recursive: true, force: true }));

const masterKey = randomBytes(32).toString('hex');

const load = (env: Environment = {}): Config => loadConfig(env, { cwd });

function problemsOf(
  env: Environment,
  options: { readApplyFile?: typeof loadApplyFile } = {},
): readonly Problem[] {
  try {
    loadConfig(env, { cwd, ...options });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    for (const { variable } of error.problems) assert.ok(error.message.includes(variable));
    return error.problems;
  }
  return [];
}

/** The one problem there is, as `variable: wrong`. */
function problemOf(env: Environment): string {
  const problems = problemsOf(env);
  assert.equal(problems.length, 1, JSON.stringify(problems));
  return `${problems[0]?.variable}: ${problems[0]?.wrong}`;
}

const production: Environment = {
  NODE_ENV: 'production',
  GRANTABLE_ISSUER: 'https://id.example.com',
  GRANTABLE_TRUSTED_PROXIES: '127.0.0.1',
  GRANTABLE_MASTER_KEY: masterKey,
};

test('an empty environment gives the defaults', () => {
  const config = load();
  assert.deepEqual(
    { ...config, trustedProxies: config.trustedProxies.list },
    {
      production: false,
      issuer: 'http://localhost:3000',
      port: 3000,
      host: '127.0.0.1',
      dataDir: join(cwd, 'data'),
      storage: { kind: 'sqlite', path: join(cwd, 'data', 'grantable.db') },
      sqliteSync: 'pool',
      masterKey: { source: 'data-folder', path: join(cwd, 'data', 'master.key') },
      hosts: [],
      datasourceHosts: [],
      webhookHosts: [],
      agentHosts: [],
      trustedProxies: [],
      facePrefixes: {},
      demo: true,
      logLevel: 'info',
      bcryptCost: 12,
      hashQueue: 100,
      hashCosts: 'usual',
      workers: 1,
      throttle: {
        account: { points: 10, seconds: 900 },
        address: { points: 100, seconds: 120 },
        client: { points: 20, seconds: 60 },
        registration: { points: 20, seconds: 3600 },
        authorization: { points: 120, seconds: 60 },
        agentDocument: { points: 30, seconds: 600 },
        exchange: { points: 6000, seconds: 60 },
        administration: { points: 600, seconds: 60 },
      },
      livingLimit: 1_000_000,
      pairLimit: 20_000,
      auditRetention: 400 * 86_400,
      ttl: { accessToken: 3600, login: 2_592_000 },
      shutdownSeconds: 10,
      signing: 'auto',
      warnings: [options.masterKey.insecure.says],
    },
  );
});

test('every default is a value that its option takes', () => {
  for (const option of Object.values<Option>(options)) {
    if (option.default !== undefined)
      assert.doesNotThrow(() => option.parse(option.default as string), option.name);
    assert.ok(option.default !== undefined || option.without !== undefined, option.name);
  }
});

test('every option is taken from the environment', async () => {
  await writeFile(join(cwd, 'key'), `${masterKey}\n`, { mode: 0o600 });
  const config = load({
    GRANTABLE_ISSUER: 'https://id.example.com',
    GRANTABLE_PORT: '8080',
    GRANTABLE_HOST: '::1',
    GRANTABLE_HOSTS: 'grantable.internal:8080, 10.0.0.7,[fd00::7]:80',
    GRANTABLE_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
    GRANTABLE_DATA_DIR: 'state/here',
    GRANTABLE_STORAGE: 'sqlite:/var/lib/store.db',
    GRANTABLE_MASTER_KEY_FILE: './key',
    GRANTABLE_SMTP_URL: 'smtps://ann:s3cret@mail.example.com',
    GRANTABLE_MAIL_FROM: 'accounts@example.com',
    GRANTABLE_FACE_PREFIXES: 'sunbreak=/sunbreak, apiMaker=/legacy/api-maker',
    GRANTABLE_METRICS_TOKEN: 'abcdefghijklmnopqrstuvwxyz012345',
    GRANTABLE_APPLY: 'apply.yaml',
    GRANTABLE_DEMO: '0',
    GRANTABLE_LOG_LEVEL: 'debug',
    GRANTABLE_BCRYPT_COST: '10',
    GRANTABLE_HASH_QUEUE: '5',
    GRANTABLE_ACCOUNT_LIMIT: '3/90',
    GRANTABLE_ADDRESS_LIMIT: '4/2h',
    GRANTABLE_CLIENT_LIMIT: '5/1d',
    GRANTABLE_REGISTRATION_LIMIT: '7/1m',
    GRANTABLE_AUTHORIZATION_LIMIT: '8/2m',
    GRANTABLE_AGENT_LIMIT: '6/3m',
    GRANTABLE_AUDIT_RETENTION: '30d',
    GRANTABLE_EXCHANGE_LIMIT: '6/1s',
    GRANTABLE_ADMINISTRATION_LIMIT: '5/10s',
    GRANTABLE_ACCESS_TOKEN_TTL: '90',
    GRANTABLE_LOGIN_TTL: '12h',
    GRANTABLE_SIGNING: 'sync',
    GRANTABLE_SQLITE_SYNC: 'full',
    GRANTABLE_SHUTDOWN_SECONDS: '0',
    PATH: '/bin',
  });
  assert.equal(config.port, 8080);
  assert.equal(config.host, '::1');
  assert.deepEqual(config.hosts, ['grantable.internal:8080', '10.0.0.7', '[fd00::7]:80']);
  assert.equal(config.dataDir, join(cwd, 'state', 'here'));
  assert.deepEqual(config.storage, { kind: 'sqlite', path: '/var/lib/store.db' });
  assert.deepEqual(config.masterKey, {
    source: 'file',
    path: join(cwd, 'key'),
    key: Buffer.from(masterKey, 'hex'),
  });
  assert.deepEqual(config.smtp, {
    server: {
      host: 'mail.example.com',
      port: 465,
      encryption: 'tls',
      login: { user: 'ann', password: 's3cret' },
    },
    from: 'accounts@example.com',
  });
  assert.deepEqual(config.facePrefixes, { sunbreak: '/sunbreak', apiMaker: '/legacy/api-maker' });
  assert.equal(config.metricsToken, 'abcdefghijklmnopqrstuvwxyz012345');
  assert.equal(config.applyFile, join(cwd, 'apply.yaml'));
  assert.equal(config.demo, false);
  assert.equal(config.bcryptCost, 10);
  assert.deepEqual(config.throttle, {
    account: { points: 3, seconds: 90 },
    address: { points: 4, seconds: 7200 },
    client: { points: 5, seconds: 86_400 },
    registration: { points: 7, seconds: 60 },
    authorization: { points: 8, seconds: 120 },
    agentDocument: { points: 6, seconds: 180 },
    exchange: { points: 6, seconds: 1 },
    administration: { points: 5, seconds: 10 },
  });
  assert.equal(config.auditRetention, 30 * 86_400);
  assert.deepEqual(config.ttl, { accessToken: 90, login: 43_200 });
  assert.equal(config.signing, 'sync');
  assert.equal(config.sqliteSync, 'full');
  assert.equal(config.shutdownSeconds, 0);
  assert.deepEqual(config.warnings, []);
});

test('all problems are reported together, each with its variable', () => {
  const problems = problemsOf({
    GRANTABLE_PORT: '80a',
    GRANTABLE_LOG_LEVEL: 'verbose',
    GRANTABLE_STORAGE: 'mongodb://db',
    GRANTABLE_PROT: '1',
    GRANTABLE_WORKERS: '65',
    GRANTABLE_MASTER_KEY: 'short',
  });
  assert.deepEqual(problems.map(({ variable }) => variable).sort(), [
    'GRANTABLE_LOG_LEVEL',
    'GRANTABLE_MASTER_KEY',
    'GRANTABLE_PORT',
    'GRANTABLE_PROT',
    'GRANTABLE_STORAGE',
    'GRANTABLE_WORKERS',
  ]);
  assert.throws(
    () => load({ GRANTABLE_PORT: '80a', GRANTABLE_DEMO: 'yes' }),
    /^ConfigError: The configuration has 2 problems:\n {2}GRANTABLE_PORT: "80a" is not a whole number\. Right would be: a whole number from 0 to 65535\.\n {2}GRANTABLE_DEMO: "yes" is neither 0 nor 1\. Right would be: 0 or 1\.$/,
  );
});

test('SE-06 unknown names are refused with the one that may be meant', () => {
  assert.equal(
    problemOf({ GRANTABLE_PROT: '1' }),
    'GRANTABLE_PROT: there is no such option (did you mean GRANTABLE_PORT?)',
  );
  assert.match(problemOf({ grantable_port: '1' }), /no such option \(did you mean GRANTABLE_PORT\?\)$/);
  assert.match(problemOf({ GRANTABLE_MASTERKEY: masterKey }), /did you mean GRANTABLE_MASTER_KEY\?/);
  assert.equal(
    problemOf({ GRANTABLE_XXXXXXXXXXXXXXXX: '1' }),
    'GRANTABLE_XXXXXXXXXXXXXXXX: there is no such option',
  );
  assert.deepEqual(
    problemsOf({ GRANTABLE_TEST_LONG: '1', GRANTABLE_BENCH_ROUNDS: '5', GRANTABLE_PROT: undefined }),
    [],
  );
});

test('service variables of Kubernetes are ignored, but are not a port', () => {
  const links = {
    GRANTABLE_SERVICE_HOST: '10.0.0.1',
    GRANTABLE_SERVICE_PORT: '80',
    GRANTABLE_SERVICE_PORT_HTTP: '80',
    GRANTABLE_PORT_80_TCP: 'tcp://10.0.0.1:80',
    GRANTABLE_PORT_80_TCP_ADDR: '10.0.0.1',
  };
  assert.equal(load({ ...links, GRANTABLE_PORT: '8080' }).port, 8080);
  assert.match(
    problemOf({ ...links, GRANTABLE_PORT: 'tcp://10.0.0.1:80' }),
    /^GRANTABLE_PORT: .* set by Kubernetes/,
  );
  assert.match(problemOf({ GRANTABLE_SERVICES_HOST: 'x' }), /no such option/);
});

test('SE-06 a variable that is set but empty never means its default', () => {
  for (const { name } of Object.values(options)) {
    for (const text of ['', ' ', '\n'])
      assert.equal(problemOf({ [name]: text }), `${name}: it is set but empty`);
  }
});

test('SE-06 wrong types and values out of range are refused', () => {
  const refused: Record<string, string[]> = {
    GRANTABLE_PORT: ['-1', '65536', '80.5', '0x50', '1e3', ' 80', '80 ', 'http', '٣', '99999999999999999999'],
    GRANTABLE_HOST: [
      '*',
      'http://x',
      'a b',
      'Host',
      '1.2.3',
      '256.1.1.1',
      '[::1]',
      'x:80',
      '-a',
      'a..b',
      '0.0.0.0/0',
    ],
    GRANTABLE_HOSTS: [
      '*',
      'a,,b',
      'a,',
      'Example.com',
      'http://a',
      'a:0',
      'a:99999',
      'a/b',
      'a@b',
      '::1',
      'a;b',
      'a.',
    ],
    GRANTABLE_BCRYPT_COST: ['3', '16', '12.0', 'twelve'],
    GRANTABLE_HASH_QUEUE: ['0', '10001', 'none'],
    GRANTABLE_ACCOUNT_LIMIT: [
      '10',
      '0/15m',
      '10/0',
      '10/2d',
      '/15m',
      '10/',
      '10/15m/1',
      '10/15x',
      '1.5/1m',
      '-1/1m',
      'off',
    ],
    GRANTABLE_ACCESS_TOKEN_TTL: ['9', '8d', '1y', '1 h', 'h', '-60', '1h30m', '1.5h'],
    GRANTABLE_LOGIN_TTL: ['59', '366d', 'forever'],
    GRANTABLE_LOG_LEVEL: ['INFO', 'verbose', 'info ', '30'],
    GRANTABLE_SIGNING: ['Pool', 'async'],
    GRANTABLE_SQLITE_SYNC: ['FULL', 'off'],
    GRANTABLE_DEMO: ['true', 'no', '2', '00'],
    GRANTABLE_SHUTDOWN_SECONDS: ['601', '10s'],
    GRANTABLE_DATA_DIR: ['~/data', '~', 'a\0b'],
    GRANTABLE_APPLY: ['~/apply.yaml'],
    GRANTABLE_STORAGE: [
      ...[
        'store.db',
        'sqlite:',
        'sqlite',
        'SQLITE:x',
        'postgres://db',
        'sqlite::memory:',
        'sqlite:file:x?mode=ro',
      ],
      ...['sqlite:dir/', 'sqlite:///x', 'sqlite:~/x'],
    ],
  };
  for (const [name, texts] of Object.entries(refused)) {
    for (const text of texts) {
      const [problem, ...others] = problemsOf({ [name]: text });
      assert.equal(problem?.variable, name, text);
      assert.ok(problem?.right, text);
      assert.deepEqual(others, [], text);
    }
  }
});

test('a MongoDB URL names its database, and is never shown', () => {
  for (const url of [
    'mongodb://ann:s3cret@a:27017,b:27017/grantable?replicaSet=rs0',
    'mongodb+srv://ann:s3cret@db.example/grantable',
  ]) {
    const config = load({ GRANTABLE_STORAGE: url });
    assert.deepEqual(config.storage, { kind: 'mongodb', url });
    assert.doesNotMatch(JSON.stringify(config) + inspect(config), /s3cret/);
  }
  for (const url of ['mongodb://db', 'mongodb://db/', 'mongodb://db/?w=1', 'mongodb://ann:s3cret@db']) {
    const problem = problemOf({ GRANTABLE_STORAGE: url });
    assert.match(problem, /names no database: mongodb:\/\/<hosts>\/<database>$/);
    assert.doesNotMatch(problem, /s3cret/);
  }
});

const from = { GRANTABLE_MAIL_FROM: 'accounts@example.com' };

test('mail is encrypted unless it stays on this machine or the URL says otherwise', () => {
  const servers: [string, object][] = [
    ['smtps://mail.example.com', { host: 'mail.example.com', port: 465, encryption: 'tls' }],
    ['smtps://localhost:4650/', { host: 'localhost', port: 4650, encryption: 'tls' }],
    ['smtp://Mail.Example.com', { host: 'mail.example.com', port: 587, encryption: 'starttls' }],
    ['smtp://[fd00::7]:25', { host: 'fd00::7', port: 25, encryption: 'starttls' }],
    ['smtp://127.0.0.1:25', { host: '127.0.0.1', port: 25, encryption: 'none' }],
    ['smtp://[::1]', { host: '::1', port: 587, encryption: 'none' }],
    ['smtp://localhost?tls=starttls', { host: 'localhost', port: 587, encryption: 'starttls' }],
    ['smtp://localhost.example.com', { host: 'localhost.example.com', port: 587, encryption: 'starttls' }],
    ['smtp://relay/?tls=off', { host: 'relay', port: 587, encryption: 'none' }],
    ['smtp://relay?tls=starttls', { host: 'relay', port: 587, encryption: 'starttls' }],
  ];
  for (const [url, server] of servers) {
    assert.deepEqual(load({ ...from, GRANTABLE_SMTP_URL: url }).smtp, {
      server,
      from: 'accounts@example.com',
    });
  }
  const quiet = { ...from, GRANTABLE_MASTER_KEY: masterKey };
  assert.deepEqual(load({ ...quiet, GRANTABLE_SMTP_URL: 'smtp://relay?tls=off' }).warnings, [
    options.smtpUrl.insecure.says,
  ]);
  for (const url of ['smtp://relay', 'smtps://relay', 'smtp://127.0.0.1', 'smtp://localhost?tls=off'])
    assert.deepEqual(load({ ...quiet, GRANTABLE_SMTP_URL: url }).warnings, [], url);
});

test('user and password of a mail server are percent-encoded', () => {
  const logins: [string, string, string][] = [
    ['ann:s3cret', 'ann', 's3cret'],
    ['ann%40example.com:a%2Fb%3Fc%23d%25e%3Af', 'ann@example.com', 'a/b?c#d%e:f'],
    ['ann@example.com:a:b', 'ann@example.com', 'a:b'],
    ['%C3%A4nn:%F0%9F%94%91', 'änn', '🔑'],
  ];
  for (const [written, user, password] of logins) {
    const { smtp } = load({ ...from, GRANTABLE_SMTP_URL: `smtps://${written}@mail.example.com` });
    assert.deepEqual(smtp?.server.login, { user, password });
  }
});

test('SE-03 a problem with the URL of a mail server is told without the URL', () => {
  const refused: [string, RegExp][] = [
    ['mail.example.com', /starts neither with/],
    ['SMTP://mail.example.com', /starts neither with/],
    ['https://hunter2@mail.example.com', /starts neither with/],
    ['smtp:mail.example.com', /starts neither with/],
    ['smtp://', /is not a URL|names no host/],
    ['smtp://ann:hunter2@', /is not a URL|names no host/],
    ['smtp://mail_1.example.com', /names no host/],
    ['smtp://1.2.3', /names no host/],
    ['smtp://m%61il', /names no host/],
    ['smtp://mail.example.com:0', /has the port 0/],
    ['smtp://mail.example.com:70000', /is not a URL/],
    ['smtp://ann:hun/ter2@mail.example.com', /is not a URL/],
    ['smtp://ann:12/hunter2@mail.example.com', /has a path; inside a password, \/ is %2F/],
    ['smtp://ann:12?hunter2@mail.example.com', /has a query .*; inside a password, \? is %3F/],
    ['smtp://ann:12#hunter2@mail.example.com', /has a fragment; inside a password, # is %23/],
    ['smtp://ann:hunter2%zz@mail.example.com', /has a % that is not percent-encoding/],
    ['smtp://ann:hunter2%ff@mail.example.com', /has a % that is not percent-encoding/],
    ['smtp://ann:hunter2%00@mail.example.com', /holds control characters/],
    ['smtp://ann:hunter2%0d%0aQUIT@mail.example.com', /holds control characters/],
    ['smtp://ann:hun ter2@mail.example.com', /holds blanks or control characters/],
    ['smtp://mail.example.com\n', /holds blanks or control characters/],
    ['smtp://mail.exa\tmple.com', /holds blanks or control characters/],
    ['smtp://hunter2@mail.example.com', /names a user or a password, but not both/],
    ['smtp://:hunter2@mail.example.com', /names a user or a password, but not both/],
    ['smtp://mail.example.com?tls=hunter2', /has another tls than off or starttls/],
    ['smtp://mail.example.com?tls=off&tls=off', /has a query/],
    ['smtp://mail.example.com?TLS=off', /has a query/],
    ['smtp://mail.example.com?hunter2', /has a query/],
    ['smtps://mail.example.com?tls=off', /says tls, which smtps:\/\/ does too/],
  ];
  for (const [url, wrong] of refused) {
    const problem = problemOf({ ...from, GRANTABLE_SMTP_URL: url });
    assert.match(problem, /^GRANTABLE_SMTP_URL: what is given /, url);
    assert.match(problem, wrong, url);
    assert.doesNotMatch(problem, /hunter2|example/, url);
  }
  const config = load({ ...from, GRANTABLE_SMTP_URL: 'smtps://ann-login:hunter2@mail.example.com' });
  for (const shown of [JSON.stringify({ config }), inspect(config, { depth: 9 })]) {
    assert.match(shown, /mail\.example\.com/);
    assert.doesNotMatch(shown, /hunter2|ann-login/);
  }
});

test('mail comes from one address, which stands with the mail server or not at all', () => {
  const server = { GRANTABLE_SMTP_URL: 'smtps://mail.example.com' };
  assert.equal(problemOf(server), 'GRANTABLE_MAIL_FROM: it is missing, and GRANTABLE_SMTP_URL needs it');
  assert.equal(
    problemOf(from),
    'GRANTABLE_SMTP_URL: it is missing, and without it GRANTABLE_MAIL_FROM has no effect',
  );
  for (const address of [
    'accounts',
    '@example.com',
    'Accounts <accounts@example.com>',
    'a@example.com,b@example.com',
    'a@example.com\nBcc: b@example.com',
    'a b@example.com',
    'a@-',
  ]) {
    assert.match(problemOf({ ...server, GRANTABLE_MAIL_FROM: address }), /is not an email address/, address);
  }
  assert.deepEqual(
    problemsOf({ GRANTABLE_SMTP_URL: 'x', GRANTABLE_MAIL_FROM: 'x', GRANTABLE_FACE_PREFIXES: 'x' }).map(
      ({ variable }) => variable,
    ),
    ['GRANTABLE_SMTP_URL', 'GRANTABLE_MAIL_FROM', 'GRANTABLE_FACE_PREFIXES'],
  );
});

test('face paths must not overlap', () => {
  const good: [string, object][] = [
    ['fusio=/fusio', { fusio: '/fusio' }],
    ['usergrid=/a/b-c/v1.0_x', { usergrid: '/a/b-c/v1.0_x' }],
    ['devicehive=/dh/rest,sunbreak=/api', { devicehive: '/dh/rest', sunbreak: '/api' }],
    ['sunbreak=/old,apiMaker=/older', { sunbreak: '/old', apiMaker: '/older' }],
    ['sunbreak=/oauth2,apiMaker=/administration', { sunbreak: '/oauth2', apiMaker: '/administration' }],
  ];
  for (const [text, prefixes] of good) {
    assert.deepEqual(load({ GRANTABLE_FACE_PREFIXES: text }).facePrefixes, prefixes);
  }
  const refused: [string, RegExp][] = [
    ['sunbreak', /entry "sunbreak", which is not <face>=<path>/],
    ['sunbreak=/a,', /entry "", which is empty/],
    ['sunbrek=/a', /names no face \(did you mean sunbreak\?\)/],
    ['Sunbreak=/a', /names no face/],
    ['constructor=/a', /names no face/],
    ['=/a', /names no face/],
    ['sunbreak=/a,sunbreak=/b', /names sunbreak twice/],
    ['sunbreak=/a,fusio=/a', /gives sunbreak and fusio the same path/],
    ['sunbreak=/a,fusio=/a/b', /puts fusio below sunbreak/],
    ['sunbreak=/a/b,fusio=/a', /puts sunbreak below fusio/],
  ];
  for (const path of [
    ...[
      '',
      '/',
      'a',
      '/a/',
      '//a',
      '/a//b',
      '/A',
      '/a b',
      '/a?b',
      '/a#b',
      '/a%2fb',
      '/:org',
      '/*all',
      '/{a}',
    ],
    ...['/..', '/a/..', '/.', '/a/.b', '/-a', '/a\\b', '/ä', '/a=b', `/${'a'.repeat(100)}`, '/a\nb'],
  ]) {
    refused.push([`sunbreak=${path}`, /has no path such as/]);
  }
  for (const segment of ownFirstSegments) {
    const wrong = segment.startsWith('.') ? /has no path such as/ : /is where the server's own paths are/;
    refused.push([`sunbreak=/${segment}`, wrong], [`sunbreak=/${segment}/sunbreak`, wrong]);
  }
  for (const [text, wrong] of refused) {
    assert.match(problemOf({ GRANTABLE_FACE_PREFIXES: text }), wrong, text);
  }
  assert.match(
    problemOf({ GRANTABLE_FACE_PREFIXES: 'x=/a,fusio=a' }),
    /names no face; it has the entry "fusio=a"/,
  );
});

test('no organization has a name under which paths of the server begin', () => {});

test('the issuer is a URL in its plain form, since clients compare strings', () => {
  const behindProxy = { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1' };
  for (const issuer of [
    'https://id.example.com',
    'https://id.example.com:8443',
    'http://localhost:3000',
    'http://[::1]:3000',
  ]) {
    assert.equal(load({ ...behindProxy, GRANTABLE_ISSUER: issuer }).issuer, issuer);
  }
  const refused: [string, RegExp][] = [
    ['id.example.com', /is not an http or https URL/],
    ['ftp://id.example.com', /is not an http or https URL/],
    ['javascript:alert(1)', /is not an http or https URL/],
    ['https://', /is not an http or https URL/],
    ['https://id.example.com/', /is not in its plain form, https:\/\/id\.example\.com$/],
    ['https://ID.example.com', /is not in its plain form, https:\/\/id\.example\.com$/],
    ['https://id.example.com:443', /is not in its plain form/],
    ['https:id.example.com', /is not in its plain form/],
    ['https:\\\\id.example.com', /is not in its plain form/],
    [' https://id.example.com', /is not in its plain form/],
    ['https://id.example.com\n', /is not in its plain form/],
    ['https://id.example.com?', /has a query/],
    ['https://id.example.com?a=b', /has a query/],
    ['https://id.example.com#', /has a fragment/],
    ['https://id.example.com/tenant', /has a path/],
    ['https://me:secret@id.example.com', /names a user/],
  ];
  for (const [issuer, wrong] of refused) {
    assert.match(problemOf({ ...behindProxy, GRANTABLE_ISSUER: issuer }), wrong, issuer);
  }
});

test('the default issuer names the port, and a free port needs an issuer', () => {
  assert.equal(load({ GRANTABLE_PORT: '8080' }).issuer, 'http://localhost:8080');
  assert.equal(load({ GRANTABLE_PORT: '80' }).issuer, 'http://localhost');
  assert.equal(
    problemOf({ GRANTABLE_PORT: '0' }),
    'GRANTABLE_ISSUER: it is missing, and without it GRANTABLE_PORT cannot be 0',
  );
  assert.equal(load({ GRANTABLE_PORT: '0', GRANTABLE_ISSUER: 'http://localhost:3000' }).port, 0);
});

test('SE-06 production refuses http, demo data, cheap hashes and no master key', () => {
  assert.deepEqual(load(production).warnings, []);
  assert.equal(load(production).demo, false);
  assert.equal(load({ ...production, GRANTABLE_ISSUER: 'http://localhost:3000' }).production, true);
  const refused: [Environment, string, RegExp][] = [
    [{ GRANTABLE_ISSUER: 'http://id.example.com' }, 'GRANTABLE_ISSUER', /plain http/],
    [{ GRANTABLE_ISSUER: 'http://localhost.example.com' }, 'GRANTABLE_ISSUER', /plain http/],
    [{ GRANTABLE_ISSUER: 'http://10.0.0.1' }, 'GRANTABLE_ISSUER', /plain http/],
    [{ GRANTABLE_MASTER_KEY: undefined }, 'GRANTABLE_MASTER_KEY', /no master key/],
    [{ GRANTABLE_DEMO: '1' }, 'GRANTABLE_DEMO', /demo data/],
    [{ GRANTABLE_BCRYPT_COST: '9' }, 'GRANTABLE_BCRYPT_COST', /below 10/],
  ];
  for (const [change, variable, wrong] of refused) {
    const [problem, ...others] = problemsOf({ ...production, ...change });
    assert.equal(problem?.variable, variable);
    assert.match(problem?.wrong ?? '', /^with NODE_ENV=production this is refused/);
    assert.match(problem?.wrong ?? '', wrong);
    assert.deepEqual(others, []);
  }
  const together = refused.filter(([change]) => !('GRANTABLE_ISSUER' in change));
  assert.equal(problemsOf(Object.assign({}, production, ...together.map(([change]) => change))).length, 3);
});

test('SE-06 production rules are checked in the same round as values that do not parse', () => {
  const problems = problemsOf({
    NODE_ENV: 'production',
    GRANTABLE_PORT: 'x',
    GRANTABLE_ISSUER: 'http://id.example.com',
  });
  assert.deepEqual(problems.map(({ variable }) => variable).sort(), [
    'GRANTABLE_ISSUER',
    'GRANTABLE_MASTER_KEY',
    'GRANTABLE_PORT',
  ]);
});

test('SE-06 a mode that is nearly production is not taken for development', () => {
  for (const mode of ['prod', 'Production', 'PRODUCTION', ' production']) {
    assert.equal(problemsOf({ NODE_ENV: mode })[0]?.variable, 'NODE_ENV', mode);
  }
  for (const mode of ['development', 'test', '', undefined])
    assert.equal(load({ NODE_ENV: mode }).production, false);
});

test('insecure choices outside of production announce themselves', () => {
  const quiet = { GRANTABLE_MASTER_KEY: masterKey };
  assert.deepEqual(load(quiet).warnings, []);
  assert.deepEqual(load({ ...quiet, GRANTABLE_ISSUER: 'http://id.example.com' }).warnings, [
    options.issuer.insecure.says,
  ]);
  assert.deepEqual(load({ ...quiet, GRANTABLE_HOST: '0.0.0.0' }).warnings, [options.host.insecure.says]);
  assert.deepEqual(load({ ...quiet, GRANTABLE_BCRYPT_COST: '4' }).warnings, [
    options.bcryptCost.insecure.says,
  ]);
});

test('HD-05 an https issuer without a trusted proxy is refused', () => {
  const env = { GRANTABLE_ISSUER: 'https://id.example.com' };
  assert.match(
    problemOf(env),
    /^GRANTABLE_TRUSTED_PROXIES: the issuer is https, so a proxy ends TLS, but none is trusted$/,
  );
  assert.equal(problemsOf({ ...env, GRANTABLE_TRUSTED_PROXIES: 'nonsense' }).length, 1);
});

test('HD-05 only listed proxies are trusted', () => {
  const { trustedProxies } = load({ GRANTABLE_TRUSTED_PROXIES: '127.0.0.1,10.1.0.0/16,fd00::/8' });
  for (const address of [
    '127.0.0.1',
    '::ffff:127.0.0.1',
    '10.1.2.3',
    '::ffff:10.1.2.3',
    'fd00::1',
    'FD00:0::1',
  ]) {
    assert.equal(trustedProxies.includes(address), true, address);
  }
  for (const address of [
    '127.0.0.2',
    '10.2.0.1',
    '::1',
    'fe80::1',
    '',
    'unknown',
    '10.1.2.3, 1.2.3.4',
    '10.1.2.3:80',
  ]) {
    assert.equal(trustedProxies.includes(address), false, address);
  }
  assert.equal(load().trustedProxies.includes('127.0.0.1'), false);
  const refused = [
    'true',
    '*',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0/8',
    '10.0.0.0/8/8',
    'proxy',
    'fe80::1%eth0',
  ];
  for (const list of [...refused, '10.0.0.1,,10.0.0.2', '10.0.0.1 10.0.0.2', '10.0.0.0/']) {
    assert.match(
      problemOf({ GRANTABLE_TRUSTED_PROXIES: list }),
      /^GRANTABLE_TRUSTED_PROXIES: .* has the entry/,
      list,
    );
  }
});

test('SE-06 weak or malformed master keys and metrics tokens are refused', () => {
  const keys = [
    'x',
    masterKey.slice(1),
    `${masterKey}0`,
    '0'.repeat(64),
    'secret'.repeat(8),
    Buffer.alloc(32, 7).toString('base64'),
  ];
  for (const key of keys)
    assert.match(problemOf({ GRANTABLE_MASTER_KEY: key }), /what is given is not valid/, key);
  for (const token of [
    'short',
    'a'.repeat(40),
    `${'abcdefgh'.repeat(4)} x`,
    'abcdefgh'.repeat(100),
    'ä'.repeat(32),
  ]) {
    assert.match(
      problemOf({ GRANTABLE_METRICS_TOKEN: token }),
      /^GRANTABLE_METRICS_TOKEN: what is given is /,
      token,
    );
  }
});

test('a master key file must be there, hold a key and nothing else, and be alone', async () => {
  const file = join(cwd, 'master');
  const env = { GRANTABLE_MASTER_KEY_FILE: 'master' };
  assert.match(problemOf(env), /cannot be read \(ENOENT\)/);
  await mkdir(file);
  assert.match(problemOf(env), /not a file that holds just a key/);
  await rm(file, { recursive: true });
  for (const text of ['', masterKey.slice(0, 40), `${masterKey}\n${masterKey}`, 'x'.repeat(5000)]) {
    await writeFile(file, text);
    assert.match(problemOf(env), /^GRANTABLE_MASTER_KEY_FILE: ".*master" is not valid/, text);
  }
  await writeFile(file, `${masterKey}\n`);
  await chmod(file, 0o644);
  assert.deepEqual(load(env).warnings, [options.masterKeyFile.insecure.says]);
  await chmod(file, 0o600);
  assert.deepEqual(load(env).warnings, []);
  assert.match(problemOf({ ...env, GRANTABLE_MASTER_KEY: masterKey }), /GRANTABLE_MASTER_KEY is set too/);
});

test('SE-03 no problem and no print of a configuration shows a secret', () => {
  const secrets = {
    GRANTABLE_MASTER_KEY: masterKey,
    GRANTABLE_METRICS_TOKEN: 'abcdefghijklmnopqrstuvwxyz012345',
  };
  const config = load(secrets);
  const key = (config.masterKey as { key: Buffer }).key;
  const shown = [JSON.stringify(config), JSON.stringify({ config }), inspect(config, { depth: 9 })].join();
  assert.match(shown, /localhost:3000/);
  for (const secret of [
    secrets.GRANTABLE_METRICS_TOKEN,
    masterKey,
    key.toString('base64'),
    inspect(key).slice(8, 30),
    [...key].join(','),
  ]) {
    assert.ok(!shown.includes(secret), secret);
  }
  for (const problem of problemsOf({
    GRANTABLE_MASTER_KEY: `${masterKey}x`,
    GRANTABLE_METRICS_TOKEN: 'hunter2',
  })) {
    assert.doesNotMatch(JSON.stringify(problem), /hunter2/);
    assert.ok(!JSON.stringify(problem).includes(masterKey));
  }
});

test('SE-04 hostile text in a variable stays on its line of the message', () => {
  const hostile = '1\r\n\u001b[2J\u009b2J\u2028\u202e"\ud800';
  const environments: Environment[] = [
    { GRANTABLE_PORT: hostile },
    { [`GRANTABLE_${hostile}`]: '1' },
    { GRANTABLE_TRUSTED_PROXIES: hostile },
    { GRANTABLE_HOSTS: `a,${hostile}` },
    { GRANTABLE_STORAGE: `sqlite://${hostile}` },
    { GRANTABLE_SMTP_URL: `smtp://${hostile}`, ...from },
    { GRANTABLE_FACE_PREFIXES: `sunbreak=/${hostile}` },
    { GRANTABLE_ISSUER: `http://localhost:3000/${hostile}` },
  ];
  for (const env of environments) {
    assert.throws(
      () => load(env),
      (error: Error) => /^[ -~]+\n[ -~]+$/.test(error.message),
    );
  }
  assert.throws(
    () => load({ GRANTABLE_PORT: 'x'.repeat(100_000) }),
    (error: Error) => error.message.length < 400,
  );
});

test('a configuration is frozen', () => {
  const config = load();
  assert.throws(() => Object.assign(config, { issuer: 'x' }), TypeError);
  assert.throws(() => Object.assign(config.throttle.account, { points: 1 }), TypeError);
  assert.throws(() => Object.assign(config.storage, { path: 'x' }), TypeError);
  assert.throws(() => Object.assign(config.facePrefixes, { fusio: '/x' }), TypeError);
  const { smtp } = load({ ...from, GRANTABLE_SMTP_URL: 'smtps://ann:s3cret@mail.example.com' });
  assert.throws(() => Object.assign(smtp ?? {}, { from: 'x' }), TypeError);
  assert.throws(() => Object.assign(smtp?.server ?? {}, { encryption: 'none' }), TypeError);
  assert.throws(() => Object.assign(smtp?.server.login ?? {}, { user: 'x' }), TypeError);
  assert.throws(() => (config.warnings as string[]).push('x'), TypeError);
});

test('E9 a mutated good environment never falls back to a default', () => {
  const good: Record<string, string> = {
    GRANTABLE_ISSUER: 'http://localhost:4567',
    GRANTABLE_PORT: '4567',
    GRANTABLE_BCRYPT_COST: '11',
    GRANTABLE_LOG_LEVEL: 'warn',
    GRANTABLE_ACCOUNT_LIMIT: '7/11m',
    GRANTABLE_LOGIN_TTL: '17d',
    GRANTABLE_DEMO: '0',
    GRANTABLE_SIGNING: 'sync',
    GRANTABLE_SQLITE_SYNC: 'full',
    GRANTABLE_TRUSTED_PROXIES: '10.0.0.0/8',
    GRANTABLE_MASTER_KEY: masterKey,
  };
  const read: Record<string, (config: Config) => unknown> = {
    GRANTABLE_ISSUER: ({ issuer }) => issuer,
    GRANTABLE_PORT: ({ port }) => port,
    GRANTABLE_BCRYPT_COST: ({ bcryptCost }) => bcryptCost,
    GRANTABLE_LOG_LEVEL: ({ logLevel }) => logLevel,
    GRANTABLE_ACCOUNT_LIMIT: ({ throttle }) => throttle.account.points,
    GRANTABLE_LOGIN_TTL: ({ ttl }) => ttl.login,
    GRANTABLE_DEMO: ({ demo }) => demo,
    GRANTABLE_SIGNING: ({ signing }) => signing,
    GRANTABLE_SQLITE_SYNC: ({ sqliteSync }) => sqliteSync,
    GRANTABLE_TRUSTED_PROXIES: ({ trustedProxies }) => trustedProxies.list.length,
    GRANTABLE_MASTER_KEY: ({ masterKey: { source } }) => source,
  };
  const defaults = load();
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(good)),
      fc.nat(),
      fc.oneof(fc.constant(''), fc.string({ unit: 'binary', maxLength: 3 })),
      fc.nat(3),
      (name, seed, inserted, cut) => {
        const text = good[name] as string;
        const at = seed % (text.length + 1);
        const changed = text.slice(0, at) + inserted + text.slice(at + cut);
        let config: Config;
        try {
          config = load({ ...good, [name]: changed });
        } catch (error) {
          assert.ok(error instanceof ConfigError);
          assert.equal(error.problems[0]?.variable, name);
          return;
        }
        assert.notDeepEqual(read[name]?.(config), read[name]?.(defaults), `${name}=${changed}`);
      },
    ),
    { numRuns: process.env.GRANTABLE_TEST_LONG ? 20_000 : 1_000 },
  );
});

test('problems of the apply file are reported with those of the environment', async () => {
  await writeFile(join(cwd, 'good.yaml'), 'organizations:\n  - name: acme\n');
  await writeFile(join(cwd, 'bad.yaml'), 'organizations:\n  - nam: acme\n');
  const good = loadConfig({ GRANTABLE_APPLY: 'good.yaml' }, { cwd, readApplyFile: loadApplyFile });
  assert.deepEqual(good.apply?.content, { organizations: [{ name: 'acme' }] });
  assert.equal(load({ GRANTABLE_APPLY: 'bad.yaml' }).apply, undefined);
  const problems = problemsOf(
    { GRANTABLE_APPLY: 'bad.yaml', GRANTABLE_PORT: 'x' },
    { readApplyFile: loadApplyFile },
  );
  assert.deepEqual(
    problems.map(({ variable, wrong }) => `${variable}: ${wrong.replace(cwd, '')}`),
    [
      'GRANTABLE_PORT: "x" is not a whole number',
      'GRANTABLE_APPLY: /bad.yaml:2:5 name is missing',
      'GRANTABLE_APPLY: /bad.yaml:2:5 unknown key nam (did you mean name?)',
    ],
  );
  assert.match(
    problemsOf({ GRANTABLE_APPLY: 'none.yaml' }, { readApplyFile: loadApplyFile })[0]?.wrong ?? '',
    /cannot be read \(ENOENT\)/,
  );
});

test('a data folder that is a file, or below one, is told so', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'file');
  await writeFile(file, '');
  for (const [path, wrong] of [
    [file, `"${file}" is a file`],
    [join(file, 'below'), `"${join(file, 'below')}" lies below the file "${file}"`],
  ] as const) {
    assert.deepEqual(problemsOf({ GRANTABLE_DATA_DIR: path }), [
      {
        variable: 'GRANTABLE_DATA_DIR',
        wrong,
        right: 'the path of a folder, which is made if it is not there',
      },
    ]);
  }
  assert.equal(
    loadConfig({ GRANTABLE_DATA_DIR: join(folder, 'a', 'b') }, { cwd: folder }).dataDir,
    join(folder, 'a', 'b'),
  );
});
