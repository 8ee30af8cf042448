import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { hashOfFacts, parseDocument, parseFacts, parseKeys } from '../../src/agents/document.ts';
import { MetadataRejected } from '../../src/errors/domain.ts';

const ID = 'https://agent.example/metadata.json';

/** What the publisher of Visual Studio Code serves, without its logo. */
const VS_CODE = {
  client_id: 'https://vscode.dev/oauth/client-metadata.json',
  client_name: 'Visual Studio Code',
  client_uri: 'https://vscode.dev/product',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
  token_endpoint_auth_method: 'none',
};

const CLAUDE_CODE = {
  client_id: 'https://claude.ai/oauth/claude-code-client-metadata',
  client_name: 'Claude Code',
  client_uri: 'https://claude.ai',
  redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

const publicJwk = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

const document = (changes: Readonly<Record<string, unknown>> = {}) => ({
  client_id: ID,
  client_name: 'Agent',
  redirect_uris: ['https://agent.example/callback'],
  ...changes,
});

function refuses(changes: Readonly<Record<string, unknown>>, message: RegExp, error?: string): void {
  assert.throws(
    () => parseDocument(ID, document(changes)),
    (thrown) => {
      assert.ok(thrown instanceof MetadataRejected, String(thrown));
      assert.match(thrown.description ?? '', message);
      assert.equal(thrown.error, error ?? 'invalid_client_metadata');
      return true;
    },
    Object.keys(changes).join(),
  );
}

test('the document of Visual Studio Code is accepted without its device grant', () => {
  assert.deepEqual(parseDocument(VS_CODE.client_id, VS_CODE), {
    clientId: VS_CODE.client_id,
    name: 'Visual Studio Code',
    redirectUris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
    grants: ['authorization_code', 'refresh_token'],
    authMethod: 'none',
    native: true,
    homepage: 'https://vscode.dev/product',
  });
});

test('the document of Claude Code is accepted as one of a native application', () => {
  const facts = parseDocument(CLAUDE_CODE.client_id, CLAUDE_CODE);
  assert.deepEqual([facts.native, facts.redirectUris], [true, CLAUDE_CODE.redirect_uris]);
});

test('a document that says little gets what can be meant without a secret', () => {
  assert.deepEqual(parseDocument(ID, document()), {
    clientId: ID,
    name: 'Agent',
    redirectUris: ['https://agent.example/callback'],
    grants: ['authorization_code'],
    authMethod: 'none',
    native: false,
  });
});

test('a document names the URL that it was fetched from, byte for byte', () => {
  for (const client_id of [undefined, 7, 'https://agent.example/Metadata.json', `${ID}?`, `${ID}#`, [ID]])
    refuses({ client_id }, /client_id is .*: it must be the URL of the document/);
});

test('a document that is not an object is refused', () => {
  for (const json of [null, [], 'text', 1, true])
    assert.throws(() => parseDocument(ID, json), /must be a JSON object/);
});

test('AZ-02 redirect URIs that run scripts or reach others are refused', () => {
  const uris: readonly (readonly [string, RegExp])[] = [
    ['javascript:alert(1)', /scheme javascript, which is not allowed/],
    ['JaVaScRiPt:alert(1)', /scheme javascript, which is not allowed/],
    ['data:text/html,x', /scheme data, which is not allowed/],
    ['vbscript:x', /scheme vbscript, which is not allowed/],
    ['file:///etc/passwd', /scheme file, which is not allowed/],
    ['https://*.agent.example/callback', /wildcard/],
    ['https://agent.example/*', /wildcard/],
    ['http://agent.example/callback', /plain http for another machine/],
    ['http://10.0.0.1/callback', /plain http for another machine/],
    ['http://0.0.0.0/callback', /plain http for another machine/],
    ['https://agent.example/callback#part', /fragment/],
    ['https://user@agent.example/callback', /names a user/],
    ['https://agent.example/a/../callback', /plain form/],
    ['agent:/callback', /without a dot/],
    ['/callback', /not an absolute URI/],
    ['', /not an absolute URI/],
  ];
  for (const [uri, problem] of uris) {
    for (const name of ['redirect_uris', 'post_logout_redirect_uris'])
      refuses({ [name]: ['https://agent.example/callback', uri] }, problem, 'invalid_redirect_uri');
  }
});

test('AZ-02 a web application has no IP address with http and no own scheme', () => {
  const refusesUri = (uri: string, problem: RegExp) =>
    refuses({ application_type: 'web', redirect_uris: [uri] }, problem, 'invalid_redirect_uri');
  refusesUri('http://127.0.0.1/callback', /http and an IP address/);
  refusesUri('http://[::1]/callback', /http and an IP address/);
  refusesUri('com.example.agent:/callback', /scheme of its own, which needs the application_type native/);
  assert.equal(
    parseFacts(document({ application_type: 'web', redirect_uris: ['http://localhost/callback'] })).native,
    false,
  );
});

test('a native application has http at three hosts of its device, and no https', () => {
  for (const uri of ['http://127.0.0.2/callback', 'https://localhost/callback', 'https://[::1]/callback'])
    refuses(
      { redirect_uris: ['http://localhost/callback', uri] },
      /http at a host other than localhost, 127\.0\.0\.1|has https on this machine/,
      'invalid_redirect_uri',
    );
  const uris = ['http://localhost/', 'http://127.0.0.1:1/', 'http://[::1]/', 'com.example.agent:/callback'];
  assert.equal(parseFacts(document({ redirect_uris: uris })).native, true);
  assert.equal(parseFacts(document({ redirect_uris: ['https://localhost/callback'] })).native, false);
});

test('AZ-02 web URIs that are not https are refused, in each language', () => {
  const names = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'initiate_login_uri', 'jwks_uri'];
  const uris = [
    ...['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'data:image/png;base64,AA=='],
    ...['vbscript:x', 'file:///etc/passwd', 'http://127.0.0.1/', 'http://agent.example/', '/logo.png', ''],
    ...['https://user@agent.example/', 'https://:secret@agent.example/'],
  ];
  for (const name of [...names, 'logo_uri#fr', 'tos_uri#zh-Hant']) {
    for (const uri of uris) refuses({ [name]: uri }, /_uri is .*: it must be an https URL/);
    refuses({ [name]: ['https://agent.example/'] }, /_uri.* must be a text/);
  }
});

test('a document has 1 to 20 redirect URIs, each counted once', () => {
  const uris = (count: number) =>
    Array.from({ length: count }, (_, index) => `https://agent.example/callback/${index}`);
  for (const redirect_uris of [undefined, [], uris(21)])
    refuses({ redirect_uris }, /it must have 1 to 20/, 'invalid_redirect_uri');
  for (const redirect_uris of ['https://agent.example/callback', [7], {}, null])
    refuses({ redirect_uris }, /redirect_uris must be a list of texts/);
  const twice = parseFacts(document({ redirect_uris: [...uris(20), ...uris(20)] }));
  assert.equal(twice.redirectUris.length, 20);
});

test('a name is one line of seen characters', () => {
  for (const client_name of ['', '  ', 'a\nb', 'a\u202Eb', 'a\u200Bb', 'a\u0000b', '\uD800', 'a'.repeat(101)])
    refuses({ client_name }, /client_name is ".*: it must be one line of at most 100 characters/);
  // It would cover the lines around it.
  for (const client_name of ['\u2800', `a${'\u0338'.repeat(5)}`])
    refuses({ client_name }, /client_name is ".*: it must be one line/);
  assert.equal(parseFacts(document({ client_name: 'Tr\u01A1\u0323\u0302\u0301' })).name.length, 6);
  refuses({ client_name: undefined }, /client_name is missing/);
  refuses({ client_name: { en: 'Agent' } }, /client_name must be a text/);
  assert.equal(parseFacts(document({ client_name: ' Agent ' })).name, 'Agent');
});

test('methods that need a shared secret and secrets are refused', () => {
  for (const method of [
    'client_secret_basic',
    'client_secret_post',
    'client_secret_jwt',
    'tls_client_auth',
    '',
  ])
    refuses({ token_endpoint_auth_method: method }, /must be none or private_key_jwt/);
  refuses({ client_secret: 'x' }, /client_secret must not be in a metadata document/);
  refuses({ client_secret_expires_at: 0 }, /client_secret_expires_at must not be/);
});

test('a document needs the grant and the response type of logins', () => {
  refuses({ grant_types: ['client_credentials'] }, /it must have authorization_code/);
  refuses({ grant_types: [] }, /it must have authorization_code/);
  refuses({ response_types: ['token'] }, /it must have code/);
  refuses({ application_type: 'service' }, /it must be web or native/);
  const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  assert.deepEqual(parseFacts(document({ grant_types: ['authorization_code', jwtBearer] })).grants, [
    'authorization_code',
    'identity_assertion',
  ]);
  for (const odd of ['constructor', '__proto__', 'toString'])
    assert.deepEqual(parseFacts(document({ grant_types: ['authorization_code', odd] })).grants, [
      'authorization_code',
    ]);
});

test('keys of an agent are public keys, at one place', () => {
  const key = { ...publicJwk(), kid: 'one', x5c: ['left out'] };
  const method = { token_endpoint_auth_method: 'private_key_jwt' };
  const { x5c: _, ...kept } = key;
  assert.deepEqual(parseFacts(document({ ...method, jwks: { keys: [key] } })).jwks, { keys: [kept] });
  refuses(method, /private_key_jwt needs jwks or jwks_uri/);
  refuses({ ...method, jwks: { keys: [key] }, jwks_uri: 'https://agent.example/keys' }, /exclude each other/);
  const { jwks, jwksUri } = parseFacts(document({ ...method, jwks_uri: 'https://agent.example/keys' }));
  assert.deepEqual([jwks, jwksUri], [undefined, 'https://agent.example/keys']);
});

test('private and symmetric keys are refused, also where nothing uses them', () => {
  const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [{ keys: [publicJwk(), secret] }, /key 2 is a private key/],
    [{ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }, /key 1 is a private key/],
    [{ keys: [{ kty: 'oct' }] }, /kty of RSA, EC, OKP/],
    [{ keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] }, /not a public key that can be read/],
    [{ keys: [] }, /public keys only/],
    [{ keys: Array.from({ length: 21 }, publicJwk) }, /at most 20/],
    [{}, /public keys only/],
  ];
  for (const [jwks, problem] of refused) refuses({ jwks }, problem);
  assert.throws(() => parseKeys([], 'The key set'), /The key set must be a JSON object/);
});

test('a name like __proto__ in a document changes nothing', () => {
  const json = JSON.stringify(document()).replace('{', '{"__proto__":{"token_endpoint_auth_method":"x"},');
  assert.equal(parseDocument(ID, JSON.parse(json)).authMethod, 'none');
});

test('a document that is nested deeply is refused in words', () => {
  const deep = JSON.parse(`${'['.repeat(25_000)}${']'.repeat(25_000)}`);
  const names = ['client_name', 'redirect_uris', 'grant_types', 'application_type', 'logo_uri', 'jwks_uri'];
  for (const name of names) refuses({ [name]: deep }, /must be a/);
  refuses({ client_id: deep }, /client_id is a list or an object: it must be/);
  refuses({ jwks: deep }, /jwks must be a JSON object/);
  refuses({ jwks: { keys: deep } }, /public keys only/);
  for (const name of ['kid', 'alg', 'use', 'key_ops'])
    refuses(
      { jwks: { keys: [{ ...publicJwk(), [name]: deep }] } },
      /has a key whose \w+ is a list or an obj/,
    );
  const { keys: [key = {}] = [] } = parseKeys({ keys: [{ ...publicJwk(), other: deep }] }, 'jwks');
  assert.equal('other' in key, false);
});

test('an error cuts and escapes what the document says', () => {
  refuses({ client_name: `\u001B[31m${'x'.repeat(4_000)}` }, /^.{0,250}$/);
});

test('the hash of facts does not depend on their order', () => {
  const [one, two] = [publicJwk(), publicJwk()];
  const keyed = (keys: readonly unknown[], changes = {}) =>
    hashOfFacts(
      parseFacts(
        document({
          token_endpoint_auth_method: 'private_key_jwt',
          grant_types: ['authorization_code', 'refresh_token'],
          redirect_uris: ['https://agent.example/a', 'https://agent.example/b'],
          jwks: { keys },
          ...changes,
        }),
      ),
    );
  const hash = keyed([one, two]);
  assert.match(hash, /^[\w-]{43}$/);
  const turned = Object.fromEntries(Object.entries(one).reverse());
  const same = {
    grant_types: ['refresh_token', 'authorization_code'],
    redirect_uris: ['https://agent.example/b', 'https://agent.example/a'],
    client_uri: 'https://agent.example/',
    contacts: ['someone@agent.example'],
  };
  assert.equal(keyed([two, turned], same), hash);
});

test('another name, redirect URI, key or grant gives another hash', () => {
  const keys = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicJwk()] } };
  const others = [
    {},
    { client_name: 'agent' },
    { redirect_uris: ['https://agent.example/Callback'] },
    { redirect_uris: ['https://agent.example/callback', 'https://agent.example/b'] },
    { grant_types: ['authorization_code', 'refresh_token'] },
    { application_type: 'native' },
    keys,
    { ...keys, jwks: { keys: [publicJwk()] } },
  ];
  const hashes = others.map((changes) => hashOfFacts(parseFacts(document(changes))));
  assert.equal(new Set(hashes).size, others.length);
});
