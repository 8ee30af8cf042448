import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { loadApplyFile, MAX_APPLY_BYTES, parseApplyFile } from '../../src/apply/file.ts';
import { ApplyFileError } from '../../src/apply/file-error.ts';
import type { ApplyFile } from '../../src/apply/schema.ts';
import { reservedNames } from '../../src/nouns/names.ts';
import { toPermissionsJson } from '../../src/permissions/permissions-json.ts';
import fc from '../support/properties.ts';
import { applySample } from './examples.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grantable-apply-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const read = (text: string): ApplyFile => parseApplyFile(text, 'apply.yaml');

/** `line:column message` each; empty if the text is good. */
function problemsOf(text: string): string[] {
  try {
    read(text);
    return [];
  } catch (error) {
    assert.ok(error instanceof ApplyFileError, String(error));
    return error.lines.map((line) => line.replace(/^apply\.yaml:? ?/, ''));
  }
}

function assertOneProblem(text: string, expected: RegExp): void {
  const problems = problemsOf(text);
  assert.equal(problems.length, 1, `${text}\n${problems.join('\n')}`);
  assert.match(problems[0] as string, expected, text);
}

/** One organization with an application that has these members. */
const application = (members: string): string =>
  `organizations:\n  - name: acme\n    applications:\n      - { name: shop, ${members} }\n`;
const organization = (members: string): string => `organizations:\n  - { name: acme, ${members} }\n`;
const quoted = (text: string): string => JSON.stringify(text);

test('the sample of the documentation is good, and comes out as it went in', () => {
  const file = read(applySample);
  const plain = JSON.parse(
    JSON.stringify(file, (key, value: unknown) =>
      key === 'permissions' ? toPermissionsJson(value as Parameters<typeof toPermissionsJson>[0]) : value,
    ),
  );
  const [acme] = plain.organizations;
  assert.deepEqual(acme.roles[0].permissions, {
    isAdmin: false,
    tables: { orders: { create: true, read: true, update: true, delete: false } },
  });
  assert.deepEqual(acme.applications[1].permissions, { isAdmin: true, tables: {} });
  const withoutPermissions = (text: unknown) =>
    JSON.parse(JSON.stringify(text, (key, value: unknown) => (key === 'permissions' ? undefined : value)));
  assert.deepEqual(withoutPermissions(plain), withoutPermissions(parse(applySample)));
});

test('JSON is read like YAML, with or without a final line break', () => {
  const json = JSON.stringify(parse(applySample), undefined, 2);
  assert.deepEqual(read(json), read(applySample));
  assert.deepEqual(read(`${json}\n`), read(applySample));
  assert.deepEqual(read(applySample.replaceAll('\n', '\r\n')), read(applySample));
  assert.deepEqual(read(`\uFEFF${applySample}`), read(applySample));
});

test('left out fields are absent, not empty', () => {
  assert.deepEqual(read('organizations:\n  - name: acme\n'), { organizations: [{ name: 'acme' }] });
  assert.deepEqual(read(organization('applications: [{ name: shop }]')), {
    organizations: [{ name: 'acme', applications: [{ name: 'shop' }] }],
  });
});

test('every problem is listed with its line and column, in the order of the lines', () => {
  const text = `organisations: []
organizations:
  - name: Acme
    defualt: true
    resources:
      - identifier: https://api.acme.example/#x
        tables: [{ id: orders, title: Orders }]
    applications:
      - name: shop
        clientSecret: short
        grants: [client_credentials, passwort]
        redirectUris:
          - https://shop.acme.example/cb
          - http://shop.acme.example/cb
        permissions: { tables: { orders: { wirte: true, read: yes } } }
    users:
      - username: 12
        password: 1234567890
  - enabled: "no"
administrators:
  - { username: root, password: short, organizations: acme }
`;
  assert.deepEqual(problemsOf(text), [
    '1:1 unknown key organisations (did you mean organizations?)',
    '3:11 name is not made of 1 to 63 lower-case letters, digits and inner hyphens',
    '4:5 unknown key defualt (did you mean default?)',
    '6:21 identifier has a fragment',
    '7:32 unknown key title',
    '10:23 clientSecret is shorter than 32 characters',
    '11:38 grants[1] is an unknown grant; known are client_credentials, password, refresh_token, authorization_code, token_exchange, database_user, identity_assertion',
    '14:13 redirectUris[1] is plain http for another machine: only https will do',
    '15:44 unknown key wirte',
    '15:63 read must be true, false, a limit or a list of limits',
    '17:19 username must be text, but is a number: write it in quotes',
    '18:19 password must be text, but is a number: write it in quotes',
    '19:5 name is missing',
    '19:14 enabled must be true or false, but is text',
    '21:33 password is not valid. The password must have at least 15 characters',
    '21:55 organizations must be a list, but is text',
  ]);
});

test('a value of a wrong type is a problem everywhere', () => {
  const texts = [
    '[]',
    '7',
    'text',
    'true',
    'organizations: {}',
    'organizations: acme',
    'organizations: [acme]',
  ];
  for (const text of texts) assert.ok(problemsOf(`${text}\n`).length > 0, text);
  const members = [
    'enabled: 1',
    'enabled: yes',
    'default: "true"',
    'hosts: a.example',
    'roles: {}',
    'resources: [[]]',
    'applications: shop',
    'users: [ann]',
  ];
  for (const member of members) assertOneProblem(organization(member), /^2:\d+ \S+ must be/);
});

test('a text in place of a group of keys is refused with the right form', () => {
  assertOneProblem(
    organization('resources: [{ identifier: "https://a.example/", tables: [orders] }]'),
    /tables\[0\] must be a group of keys, but is text: write `\{ id: orders \}`$/,
  );
  assertOneProblem(
    organization('users: [hunter2-hunter2]'),
    /users\[0\] must be a group of keys, but is text: write `\{ username: \.\.\. \}`$/,
  );
  assertOneProblem(organization('resources: ["https://a.example/"]'), /write `\{ identifier: \.\.\. \}`$/);
  assertOneProblem(organization('faces: [fusio]'), /faces must be a group of keys, but is a list$/);
});

test('keys of later versions and of other products are unknown', () => {
  for (const key of ['plan', 'phones']) {
    assertOneProblem(organization(`${key}: x`), new RegExp(`^2:19 unknown key ${key}`));
  }
  assertOneProblem(organization('users: [{ username: ann, points: {} }]'), /unknown key points/);
});

test('a repeated key is refused in YAML and JSON at every depth', () => {
  assertOneProblem('organizations: []\norganizations: []\n', /^2:1 organizations is there twice$/);
  assertOneProblem('{"organizations": [],\n "organizations": []}', /^2:2 organizations is there twice$/);
  assertOneProblem(application('enabled: false, enabled: true'), /^4:39 enabled is there twice$/);
  const tables = 'permissions: { tables: { a: { read: true }, a: { delete: true } } }';
  assertOneProblem(application(tables), /^4:67 a is there twice$/);
});

test('YAML that is broken or that can be read in two ways is refused with its place', () => {
  const refused: [string, RegExp][] = [
    ['organizations: [', /^1:1[67] |^2:1 /],
    ['organizations:\n\t- name: acme\n', /^2:1 /],
    ['organizations:\n  - name: acme\n   default: true\n', /^3:/],
    ['organizations:\n  - name: "acme\n', /^3:1 Missing closing/],
    ['organizations: []\n---\norganizations: []\n', /^2:1 a second document starts here/],
    ['%YAML 1.1\n---\norganizations: []\n', /^1:1 directives/],
    ['organizations: !!seq []\n', /^1:\d+ tags are not used here/],
    ['organizations: !include other.yaml\n', /^1:16 tags are not used here/],
    ['organizations:\n', /^1:15 there is no value here/],
    ['organizations: ~\n', /^1:16 there is no value here/],
    ['organizations: null\n', /^1:16 there is no value here/],
    ['? [a]\n: 1\n', /^1:3 a key must be text/],
    ['organizations: *acme\n', /^1:16 there is no such anchor/],
    ['organizations: &o [*o]\n', /^1:20 this alias holds itself/],
    ['organizations:\n  - name: |\n      acme\n', /^2:11 a value must stand on one line, or in quotes/],
    ['organizations:\n  - name: ac\n      me\n', /^2:11 a value of several lines must stand in quotes/],
    ['__proto__: {}\norganizations: []\n', /^1:1 this key is not allowed anywhere/],
    ['organizations:\n  - name: acme', /^2:15 the file ends within this line/],
    ['', /^is empty$/],
    ['# nothing\n', /^is empty$/],
    ['organizations: [\0]\n', /^1:/],
  ];
  for (const [text, expected] of refused) {
    const [first] = problemsOf(text);
    assert.match(first ?? 'no problem', expected, text);
  }
  const merged = organization('users: [&a { username: ann }, { <<: *a, username: bob }]');
  assertOneProblem(merged, /^2:51 merge keys \(<<\) are not used here/);
});

test('anchors and aliases work, and problems inside them have the place of the anchor', () => {
  const text = `organizations:
  - name: acme
    roles:
      - name: clerk
        permissions: &rights { tables: { orders: { READ: true } } }
      - name: boss
        permissions: *rights
`;
  assert.deepEqual(problemsOf(text.replace('READ', 'read')), []);
  assert.deepEqual(problemsOf(text), [
    '5:52 unknown key READ (did you mean read?)',
    '5:52 unknown key READ (did you mean read?)',
  ]);
});

test('an alias bomb, a deep nesting and a file that is too large are refused quickly', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (let index = 1; index < 20; index += 1) {
    const [before, name] = [String.fromCharCode(96 + index), String.fromCharCode(97 + index)];
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`);
  }
  assert.match(problemsOf(`${bomb.join('\n')}\n`).join('\n'), /aliases make this too large/);
  assert.match(problemsOf('['.repeat(100_000)).join('\n'), /nested too deeply/);
  assert.match(problemsOf(`${'['.repeat(100)}${']'.repeat(100)}`).join('\n'), /nested too deeply/);
  assert.deepEqual(problemsOf(`# ${'x'.repeat(MAX_APPLY_BYTES)}\n`), ['is larger than 5 MB']);
});

test('reserved organization names and names that are not slugs are refused', () => {
  const names = [
    'oauth',
    '.well-known',
    'interaction',
    'account',
    'device',
    'admin',
    'portal',
    'healthz',
    'readyz',
  ];
  for (const name of [
    ...names,
    'metrics',
    'api',
    'token',
    'management',
    'authorization',
    'consumer',
    'dh',
    'info',
    'assets',
    'static',
  ]) {
    assert.ok(reservedNames.has(name), name);
  }
  for (const name of reservedNames) {
    assertOneProblem(`organizations: [{ name: ${quoted(name)} }]`, /^1:25 name is a reserved name$/);
  }
  for (const name of [
    'Acme',
    'acme.com',
    '-acme',
    'acme-',
    'a b',
    'a/b',
    '..',
    'äcme',
    'a'.repeat(64),
    '',
    'a_b',
    'acme\n',
  ]) {
    assertOneProblem(`organizations: [{ name: ${quoted(name)} }]`, /^1:25 name is not made of/);
  }
  assertOneProblem(
    'organizations: [{ name: acme, applications: [{ name: management }] }]',
    /name is a reserved name$/,
  );
  assertOneProblem(application('clientId: management'), /clientId is a reserved name$/);
});

test('AZ-02 redirect URIs that lead nowhere safe are refused', () => {
  const refused: [string, RegExp][] = [
    ['javascript:alert(1)', /scheme javascript, which is not allowed/],
    ['JaVaScRiPt:alert(1)', /scheme javascript, which is not allowed/],
    ['java\nscript:alert(1)', /not an absolute URI/],
    [' https://app.example/', /not an absolute URI/],
    ['data:text/html,x', /scheme data/],
    ['vbscript:x', /scheme vbscript/],
    ['file:///etc/passwd', /scheme file/],
    ['blob:https://app.example/1', /scheme blob/],
    ['about:blank', /scheme about/],
    ['https://*.example/cb', /wildcard/],
    ['https://app.example/*', /wildcard/],
    ['https://app.example/cb#', /has a fragment/],
    ['https://app.example/cb#x', /has a fragment/],
    ['https://app.example@evil.example/cb', /names a user/],
    ['https://a:b@app.example/cb', /names a user/],
    ['http://app.example/cb', /plain http for another machine/],
    ['http://10.0.0.1/cb', /plain http for another machine/],
    ['http://localhost.evil.example/cb', /plain http for another machine/],
    ['http://127.0.0.1.evil.example/cb', /plain http for another machine/],
    ['https://app.example/a/../cb', /not in its plain form, https:\/\/app\.example\/cb$/],
    ['https://app.example/%2e%2e/cb', /not in its plain form/],
    ['https://App.example/cb', /not in its plain form/],
    ['https://app.example:443/cb', /not in its plain form/],
    ['https:\\\\app.example\\cb', /not in its plain form/],
    ['https:app.example', /not in its plain form/],
    ['https://app.example/ä', /not an absolute URI/],
    ['/cb', /not an absolute URI/],
    ['//app.example/cb', /not an absolute URI/],
    ['', /not an absolute URI/],
    ['myapp:/cb', /a scheme of its own without a dot/],
    ['com.example.app:/cb', /needs native: true/],
  ];
  for (const [uri, expected] of refused) {
    for (const key of ['redirectUris', 'postLogoutRedirectUris']) {
      assertOneProblem(application(`${key}: [${quoted(uri)}]`), expected);
    }
  }
  const good = [
    'https://app.example',
    'https://app.example/',
    'https://app.example/cb?a=b',
    'http://127.0.0.1:8080/cb',
    'http://[::1]/cb',
    'http://localhost/cb',
  ];
  assert.deepEqual(problemsOf(application(`redirectUris: ${JSON.stringify(good)}`)), []);
  assert.deepEqual(problemsOf(application('native: true, redirectUris: ["com.example.app:/cb"]')), []);
  assertOneProblem(
    application('redirectUris: [https://a.example/, https://a.example/]'),
    /redirectUris\[1\] is there twice/,
  );
});

test('allowed origins are origins of pages, apps and browser extensions', () => {
  const good = [
    'https://app.example',
    'http://localhost:5173',
    'capacitor://localhost',
    'ionic://localhost',
    'tauri://localhost',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'moz-extension://0f5c7b1e-6a5e-4c6e-9d52-6c1c7f8f0a11',
    'safari-web-extension://0F5C7B1E-6A5E-4C6E-9D52-6C1C7F8F0A11',
  ];
  assert.deepEqual(problemsOf(application(`allowedOrigins: ${JSON.stringify(good)}`)), []);
  for (const origin of [
    'https://app.example/',
    'https://app.example/x',
    '*',
    'null',
    'https://*.example',
    'app.example',
    'https://App.example',
    'https://app.example:443',
    'com.example.app:/',
    'https://a@app.example',
    'capacitor://localhost/',
    'capacitor://',
    'capacitor:localhost',
    'tauri://*',
    'chrome-extension://a@b',
    'file://localhost',
    'javascript://localhost',
  ]) {
    assertOneProblem(application(`allowedOrigins: [${quoted(origin)}]`), /allowedOrigins\[0\] (?:is|has)/);
  }
});

test('a resource identifier is an absolute URI without fragment', () => {
  const resources = (identifier: string): string =>
    organization(`resources: [{ identifier: ${quoted(identifier)} }]`);
  for (const identifier of ['https://api.example/', 'urn:example:db', 'https://api.example/x?y=z']) {
    assert.deepEqual(problemsOf(resources(identifier)), []);
  }
  for (const identifier of [
    '',
    'db',
    '/db',
    'https://api.example/#',
    'urn:a b',
    'https://api.example/ä',
    `urn:${'x'.repeat(600)}`,
  ]) {
    assertOneProblem(resources(identifier), /identifier (?:is|has)/);
  }
});

test('SE-06 weak client secrets and passwords are refused, and no message shows them', () => {
  const secrets = [
    'x',
    'a'.repeat(31),
    'a'.repeat(40),
    'abc'.repeat(20),
    'ä'.repeat(40),
    `${'secret-of-many-characters-x1'}\t12345`,
  ];
  for (const secret of secrets) {
    assertOneProblem(application(`clientSecret: ${quoted(secret)}`), /^4:\d+ clientSecret (?:is|holds)/);
    assert.ok(
      secret.length < 5 ||
        !problemsOf(application(`clientSecret: ${quoted(secret)}`))
          .join()
          .includes(secret),
    );
  }
  const user = (password: string, more = ''): string =>
    organization(`users: [{ username: ann, password: ${quoted(password)}${more} }]`);
  assert.deepEqual(problemsOf(user('8letters')), []);
  for (const password of ['7letter', 'password', '12345678', 'x'.repeat(1025), '\ud800longenough']) {
    assertOneProblem(user(password), /password is not valid/);
  }
  assertOneProblem(
    user('ann@acme.example', ', email: ann@acme.example'),
    /password is not valid\. .*email address/,
  );
  const root = (password: string): string =>
    `administrators: [{ username: root, password: ${quoted(password)} }]`;
  assert.deepEqual(problemsOf(root('fifteen-letters')), []);
  assertOneProblem(root('fourteen-chars'), /^1:46 password is not valid\. .*at least 15 characters/);
  const demanding = (password: string): string =>
    organization(
      `applications: [{ name: shop, minPasswordLength: 12 }], users: [{ username: ann, application: shop, password: ${password} }]`,
    );
  assertOneProblem(demanding('eleven-char'), /at least 12 characters/);
  assert.deepEqual(problemsOf(demanding('twelve-chars')), []);
});

test('SE-03 a secret that YAML stumbles over is not shown', () => {
  for (const secret of [
    '!hunter2',
    '*hunter2',
    '&hunter2',
    '@hunter2',
    '`hunter2',
    '%hunter2',
    '{hunter2',
    '[hunter2',
    '"hunter2',
    "'hunter2",
    '"hunter2" x',
    '"\\hunter2"',
    '| hunter2',
    '> hunter2',
    'a: hunter2',
    '"a": hunter2',
    '- hunter2',
    '? hunter2',
    '!!hunter2 x',
    '"x" hunter2: y',
    ', hunter2',
    '] hunter2',
    '} hunter2',
  ]) {
    const text = `organizations:\n  - name: acme\n    users:\n      - username: ann\n        password: ${secret}\n`;
    const problems = problemsOf(text);
    assert.ok(problems.length > 0, secret);
    assert.doesNotMatch(problems.join('\n'), /hunter2/, secret);
  }
});

test('password hashes are bcrypt hashes and stand for themselves', () => {
  const hash = `$2y$12$${'a'.repeat(53)}`;
  const user = (members: string): string => organization(`users: [{ username: ann, ${members} }]`);
  assert.deepEqual(problemsOf(user(`passwordHash: ${hash}`)), []);
  assertOneProblem(
    user(`password: 8letters, passwordHash: ${hash}`),
    /passwordHash stands beside a password/,
  );
  for (const bad of [
    'x',
    hash.slice(1),
    hash.slice(0, -1),
    hash.replace('12', '31'),
    hash.replace('2y', '2x'),
    '$argon2id$v=19$x',
  ]) {
    assertOneProblem(user(`passwordHash: ${quoted(bad)}`), /passwordHash is not valid/);
  }
});

test('grants and proofs that contradict each other are refused', () => {
  const secret = 'clientSecret: s3cret-of-32-or-more-characters-x';
  const point = {
    x: 'YKWomedZmMx4TD5U-42Ohd8K-Mwt-AtjNCJSpwQqieY',
    y: 'kz43p4FkYFL8G2E4rRkrWGcdcJiYTrvURDCvAS5Jm50',
  };
  const jwks = `jwks: { keys: [{ kty: EC, crv: P-256, x: ${point.x}, y: ${point.y} }] }`;
  const refused: [string, RegExp][] = [
    ['grants: [implicit]', /grants\[0\] is an unknown grant/],
    ['grants: [password, password]', /grants\[1\] is there twice/],
    ['grants: password', /grants must be a list/],
    [
      'authMethod: tls_client_auth',
      /authMethod must be one of client_secret_basic, client_secret_post, private_key_jwt, none/,
    ],
    [`authMethod: none, ${secret}`, /clientSecret cannot be used with the authMethod none/],
    [`authMethod: private_key_jwt, ${jwks}, ${secret}`, /clientSecret cannot be used/],
    [`authMethod: client_secret_post, ${jwks}`, /jwks cannot be used/],
    [
      'authMethod: none, introspects: [https://api.acme.example/]',
      /introspects needs an authMethod other than none/,
    ],
    [
      'authMethod: client_secret_post, assertionAudience: endpoint',
      /assertionAudience cannot be used with the authMethod client_secret_post/,
    ],
    ['authMethod: none, pkce: optional', /pkce is optional, which needs an authMethod other than none/],
    [
      'pkce: optional, native: true, redirectUris: ["http://127.0.0.1/cb"]',
      /pkce is optional, but the application is native and each redirect URI is on this machine/,
    ],
    [
      'firstParty: true, redirectUris: ["http://127.0.0.1/cb"]',
      /firstParty is true, but a redirect URI is on/,
    ],
    [
      'firstParty: true, native: true, redirectUris: ["com.example.app:/cb"]',
      /firstParty is true, but a redirect URI is on/,
    ],
    ['pkce: never', /pkce must be one of required, optional/],
    ['authMethod: none, grants: [client_credentials]', /grants holds client_credentials/],
    ['grants: [authorization_code], redirectUris: []', /redirectUris is empty/],
    ['jwks: { keys: [] }', /keys is empty/],
    ['jwks: { keys: [{ kty: oct, k: c2VjcmV0 }] }', /keys\[0\] is a private key/],
    ['jwks: { keys: [{ kty: EC, crv: P-256, x: a, y: b, d: c }] }', /keys\[0\] is a private key/],
    ['jwks: { keys: [{ kty: EC, crv: P-256, x: a }] }', /keys\[0\] lacks the member y/],
    [
      'jwks: { keys: [{ kty: EC, crv: P-256, x: AA, y: AA }] }',
      /keys\[0\] is not a public key that can be read/,
    ],
    ['jwks: { keys: [{ kty: RSA, n: AQAB, e: AQAB }] }', /keys\[0\] is an RSA key of less than 2048 bits/],
    ['jwks: { keys: [{ kty: foo }] }', /keys\[0\] must have a kty/],
  ];
  for (const [members, expected] of refused) assertOneProblem(application(members), expected);
  assert.deepEqual(problemsOf(application(`authMethod: private_key_jwt, ${jwks}`)), []);
  assert.deepEqual(
    problemsOf(application('authMethod: none, grants: [authorization_code, refresh_token]')),
    [],
  );
});

test('PM-01 hostile keys and values in permissions are refused with their place', () => {
  const refused: [string, RegExp][] = [
    ['{ tables: { __proto__: { read: true } } }', /this key is not allowed anywhere/],
    ['{ __proto__: { isAdmin: true } }', /this key is not allowed anywhere/],
    [
      '{ tables: { constructor: { read: true } } }',
      /constructor must not be a name that every JavaScript object has/,
    ],
    ['{ tables: { "": { read: true } } }', /must not be empty/],
    ['{ tables: { "@": { read: true } } }', /must not be the mark of groups alone/],
    [`{ tables: { ${'x'.repeat(129)}: { read: true } } }`, /at most 128 characters/],
    ['{ tables: { orders: { admin: true } } }', /unknown key admin/],
    ['{ tables: { orders: { read: 1 } } }', /read must be true, false, a limit/],
    ['{ tables: { orders: true } }', /orders must be a group of keys/],
    ['{ tables: [orders] }', /tables must be a group of keys/],
    ['{ isAdmin: "true" }', /isAdmin must be true or false/],
    ['{ admin: true }', /unknown key admin \(did you mean isAdmin\?\)/],
    ['[]', /permissions must be a group of keys/],
    ['admin', /permissions must be a group of keys/],
    [
      `{ tables: { ${Array.from({ length: 2001 }, (_, index) => `t${index}: {}`).join(', ')} } }`,
      /permissions is not valid: .*2000 tables/,
    ],
  ];
  for (const [permissions, expected] of refused) {
    assertOneProblem(application(`permissions: ${permissions}`), expected);
    assertOneProblem(
      application(`resources: { "https://a.example/": ${permissions} }`),
      expected.source.startsWith('permissions') ? /^4:/ : expected,
    );
  }
  const numbers = read(
    application('permissions: { tables: { 0x10: { read: true }, 007: { read: true }, null: {} } }'),
  );
  const { permissions } = numbers.organizations?.[0]?.applications?.[0] ?? {};
  assert.deepEqual(permissions && Object.keys(toPermissionsJson(permissions).tables).sort(), ['007', '0x10']);
});

test('names that must be unique are, and there is one default', () => {
  const secondOf: [string, RegExp][] = [
    ['organizations: [{ name: a }, { name: a }]', /^1:30 organizations\[1\] is there twice/],
    [
      'organizations: [{ name: a, default: true }, { name: b, default: true }]',
      /default is true for another one too/,
    ],
    [
      'organizations: [{ name: a, hosts: [a.example] }, { name: b, hosts: [a.example] }]',
      /^1:69 hosts\[0\] is there twice/,
    ],
    [organization('roles: [{ name: a }, { name: a }]'), /roles\[1\] is there twice/],
    [
      organization('roles: [{ name: a, default: true }, { name: b, default: true }]'),
      /default is true for another one too/,
    ],
    [organization('applications: [{ name: a }, { name: a }]'), /applications\[1\] is there twice/],
    [
      organization('applications: [{ name: a, clientId: x }, { name: b, clientId: x }]'),
      /clientId is there twice/,
    ],
    [
      organization('resources: [{ identifier: "urn:a:b" }, { identifier: "urn:a:b" }]'),
      /identifier is there twice/,
    ],
    [
      'organizations: [{ name: a, resources: [{ identifier: "urn:a:b" }] }, { name: b, resources: [{ identifier: "urn:a:b" }] }]',
      /identifier is there twice/,
    ],
    [
      organization('resources: [{ identifier: "urn:a:b", tables: [{ id: a }, { id: a }] }]'),
      /tables\[1\] is there twice/,
    ],
    [organization('users: [{ username: ann }, { username: ANN }]'), /username is there twice/],
    [
      organization('users: [{ username: a, email: a@b.example }, { username: b, email: A@B.example }]'),
      /email is there twice/,
    ],
    [
      organization('users: [{ username: ann, application: x }, { username: Ann, application: x }]'),
      /username is there twice/,
    ],
    ['administrators: [{ username: root }, { username: Root }]', /username is there twice/],
  ];
  for (const [text, expected] of secondOf) assertOneProblem(text, expected);
  assert.deepEqual(
    problemsOf(
      organization(
        'users: [{ username: ann, application: x }, { username: ann, application: y }, { username: ann }]',
      ),
    ),
    [],
  );
});

test('AC-07 names that could be taken for others are refused', () => {
  for (const username of ['аdmin', 'ad\u200bmin', 'a b', '', 'admin\u202e']) {
    assertOneProblem(organization(`users: [{ username: ${quoted(username)} }]`), /username is not valid/);
  }
});

test('references to objects of the same file must fit', () => {
  const file = (application: string, resource = ''): string => `organizations:
  - name: acme
    resources: [{ identifier: "urn:acme:db", tables: [{ id: orders }], scopes: [orders.read]${resource} }]
    applications: [{ name: shop, ${application} }]
  - name: globex
    resources: [{ identifier: "urn:globex:db" }]
`;
  const refused: [string, RegExp][] = [
    [
      'resource: "urn:acme:db", permissions: { tables: { order: { read: true } } }',
      /^4:91 order is not a table of urn:acme:db/,
    ],
    [
      'resources: { "urn:acme:db": { tables: { order: { read: true } } } }',
      /order is not a table of urn:acme:db/,
    ],
    ['resource: "urn:globex:db"', /resource is a resource of the organization globex/],
    ['resources: { "urn:globex:db": {} }', /urn:globex:db is a resource of the organization globex/],
    ['introspects: ["urn:globex:db"]', /introspects\[0\] is a resource of the organization globex/],
    ['resource: "urn:acme:db", scopes: [orders.write]', /scopes\[0\] is not a scope of urn:acme:db/],
    [
      'resource: "urn:acme:db", permissions: {}, resources: { "urn:acme:db": {} }',
      /resources lists urn:acme:db, which is its own resource/,
    ],
  ];
  for (const [members, expected] of refused) assertOneProblem(file(members), expected);
  const open = file(
    'resource: "urn:acme:db", permissions: { tables: { any: { read: true } } }',
    ', catalogue: open',
  );
  assert.deepEqual(problemsOf(open), []);
  const elsewhere =
    'resource: "urn:x:y", scopes: [any], permissions: { tables: { any: { read: true } } }, introspects: ["urn:x:z"]';
  assert.deepEqual(problemsOf(file(elsewhere)), []);
  assert.deepEqual(
    problemsOf(file('resource: "urn:acme:db", scopes: [openid, offline_access, orders.read]')),
    [],
  );
  const role = organization(
    'resources: [{ identifier: "urn:a:b", tables: [] }], roles: [{ name: r, resource: "urn:a:b", permissions: { tables: { t: { read: true } } } }]',
  );
  assertOneProblem(role, /t is not a table of urn:a:b/);
});

test('a resource may not declare a scope that is spelled like one for its tables', () => {
  const file = (members: string) => organization(`resources: [{ identifier: "urn:a:b", ${members} }]`);
  const closed = (scope: string) => file(`tables: [{ id: orders }, { id: "a:b" }], scopes: [x, "${scope}"]`);
  for (const scope of [
    'orders:read',
    'orders:delete',
    '%6frders:read',
    'a:b:read',
    'a%3Ab:update',
    '*:admin',
    '*:read',
  ]) {
    assertOneProblem(closed(scope), /scopes\[1\] is \S+, a table scope of the resource: rename the scope/);
  }
  for (const scope of [
    'users:impersonate',
    'orders:export',
    'orders.read',
    'ordres:read',
    'orders:Read',
    'read',
  ]) {
    assert.deepEqual(problemsOf(closed(scope)), [], scope);
  }
  assertOneProblem(file('catalogue: open, scopes: ["any:read"]'), /scopes\[0\] is any:read, a table scope/);
  assert.deepEqual(problemsOf(file('catalogue: open, scopes: ["any:export"]')), []);
});

test('contradictions are found beside wrong values elsewhere, in one round', () => {
  const text = organization(
    'zzz: {}, applications: [{ name: shop, grants: [x] }], users: [{ username: ann, password: short }]',
  );
  assert.deepEqual(
    problemsOf(text).map((problem) => problem.replace(/^\d+:\d+ /, '').slice(0, 21)),
    ['unknown key zzz', 'grants[0] is an unkno', 'password is not valid'],
  );
});

/** True if each value of `part` is that of `whole`, and only the ends of lists and members of groups are missing. */
function isPart(part: unknown, whole: unknown): boolean {
  if (Array.isArray(part)) {
    return (
      Array.isArray(whole) && part.every((item, index) => index < whole.length && isPart(item, whole[index]))
    );
  }
  if (part instanceof Map) return whole instanceof Map && isPart([...part], [...whole]);
  if (typeof part !== 'object' || part === null) return part === whole;
  const members = Object.entries(part);
  return members.every(([key, value]) => isPart(value, (whole as Record<string, unknown>)[key]));
}

test('attributes of users are at most 20 short texts with plain names', () => {
  const withAttributes = (attributes: object): string =>
    organization(`users: [{ username: ann, attributes: ${JSON.stringify(attributes)} }]`);
  const many = Array.from({ length: 21 }, (_, index) => [`a${index}`, 'x'] as const);
  assert.deepEqual(problemsOf(withAttributes(Object.fromEntries(many.slice(1)))), []);
  assertOneProblem(withAttributes(Object.fromEntries(many)), /attributes has more than 20$/);
  assertOneProblem(withAttributes({ Department: 'sales' }), /Department is not made of 1 to 32 lower-case/);
  assertOneProblem(withAttributes({ ['a'.repeat(33)]: 'sales' }), /is not made of 1 to 32 lower-case/);
  assertOneProblem(withAttributes({ department: 'x'.repeat(257) }), /department is longer than 256 char/);
  assertOneProblem(withAttributes({ department: 7 }), /department must be text/);
});

test('E9 a truncated file is refused or says nothing that the whole does not say', () => {
  const step = process.env.GRANTABLE_TEST_LONG ? 1 : 3;
  for (const text of [
    applySample,
    applySample.replaceAll('\n', '\r\n'),
    JSON.stringify(parse(applySample), undefined, 1),
  ]) {
    const whole = read(text);
    let refused = 0;
    let tried = 0;
    for (let end = 0; end < text.length; end += step) {
      tried += 1;
      try {
        assert.ok(isPart(read(text.slice(0, end)), whole), `cut at ${end}: ${text.slice(end - 30, end)}`);
      } catch (error) {
        if (!(error instanceof ApplyFileError)) throw error;
        refused += 1;
      }
    }
    assert.ok(refused > tried * 0.7, `${refused} of ${tried}`);
  }
});

test("E9 half of a quoted value or of an alias's name is not taken for a whole one", () => {
  assert.match(problemsOf("organizations:\n  - name: 'acme'").join(), /ends within this line/);
  assert.match(problemsOf('organizations:\n  - &a { name: acme }\n  - *a').join(), /ends within this line/);
  assert.match(problemsOf('organizations:\n  - name: acme  ').join(), /ends within this line/);
});

test('E9 hostile mutations never crash the reader', () => {
  const text = applySample;
  const insertions = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.constantFrom(
      '\n',
      '\t',
      ': ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '!!',
      '|',
      '>',
      '? ',
      '<<: ',
      '__proto__: ',
      '~',
      '"',
      "'",
      '#',
      '%',
      '\0',
      '---\n',
      '...\n',
    ),
  );
  fc.assert(
    fc.property(fc.nat(text.length), insertions, fc.nat(40), (at, inserted, cut) => {
      const problems = problemsOf(text.slice(0, at) + inserted + text.slice(at + cut));
      for (const problem of problems) assert.match(problem, /^(?:\d+:\d+ .+|is empty)$/);
    }),
    { numRuns: process.env.GRANTABLE_TEST_LONG ? 20_000 : 500 },
  );
});

test('SE-04 a hostile key stays on its line of the message', () => {
  const problems = problemsOf(`${quoted('a\u001b[2J\r\nb\u202e')}: 1\n`);
  assert.match(problems.join('|'), /^1:1 unknown key [ -~]+$/);
});

test('a message of many problems is cut, the list is not', () => {
  const keys = Array.from({ length: 300 }, (_, index) => `k${index}: 1\n`).join('');
  assert.throws(
    () => read(keys),
    (error: ApplyFileError) => error.problems.length === 300 && /and 200 more$/.test(error.message),
  );
});

test('a file is read from disk as UTF-8 of at most 5 MB', async () => {
  const path = join(folder, 'apply.yaml');
  await writeFile(path, applySample);
  assert.deepEqual(loadApplyFile(path), read(applySample));
  await writeFile(path, Buffer.from('organizations: [{ name: \xe4 }]\n', 'latin1'));
  assert.throws(() => loadApplyFile(path), /apply\.yaml is not UTF-8 text/);
  await writeFile(path, Buffer.from(applySample, 'utf16le'));
  assert.throws(() => loadApplyFile(path), ApplyFileError);
  await writeFile(path, `# ${'x'.repeat(MAX_APPLY_BYTES)}\n`);
  assert.throws(() => loadApplyFile(path), /is larger than 5 MB/);
  assert.throws(() => loadApplyFile(join(folder, 'none')), /cannot be read \(ENOENT\)/);
  assert.throws(() => loadApplyFile(folder), /cannot be read \(EISDIR\)/);
});

test('an issuer has its keys or their URL, and an identity is of one user of a realm', () => {
  const issuers = (...members: string[]) =>
    organization(`identityIssuers: [${members.map((each) => `{ issuer: "https://idp.example"${each} }`)}]`);
  const at = ', jwksUri: "https://idp.example/keys"';
  assert.deepEqual(problemsOf(issuers(at)), []);
  assertOneProblem(issuers(''), /give one of them$/);
  assertOneProblem(issuers(at, at), /identityIssuers\[1\] is there twice$/);
  for (const wrong of ['http://idp.example', 'https://u:p@idp.example', 'https://idp.example/?a', 'idp']) {
    assertOneProblem(
      organization(`identityIssuers: [{ issuer: "${wrong}"${at} }]`),
      /issuer (?:is not an https URL|has a user name)/,
    );
  }
  assertOneProblem(issuers(', jwksUri: "http://idp.example/keys"'), /jwksUri is not an https URL$/);
  const people = (...users: string[]) => organization(`users: [${users.map((each) => `{ ${each} }`)}]`);
  const identity = (subject: string) => `{ issuer: "https://idp.example", subject: ${subject} }`;
  const ann = `username: ann, identities: [${identity('U1')}]`;
  assertOneProblem(
    people(ann, `username: bob, identities: [${identity('U2')}, ${identity('U1')}]`),
    /identities\[1\] is there twice$/,
  );
  assert.deepEqual(problemsOf(people(ann, `username: bob, identities: [${identity('u1')}]`)), []);
});

test('a public application cannot have the grant of identity assertions', () => {
  assertOneProblem(
    application('authMethod: none, grants: [identity_assertion]'),
    /holds identity_assertion, which needs an authMethod other than none$/,
  );
});
