import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { explainToken, type TokenExplanation } from '../../src/admin/explain.ts';
import { formatExplanation } from '../../src/admin/explain-report.ts';
import { removeSigningKey, rotateSigningKeys } from '../../src/keys/signing-keys.ts';
import { type Administration, fileOf, openAdministration } from './fixture.ts';
import { acme, logIn, mint } from './tokens.ts';

async function openAcme(t: TestContext): Promise<Administration> {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  return administration;
}

async function explain(administration: Administration, value: string): Promise<[TokenExplanation, string]> {
  const explanation = await explainToken(value, administration);
  const text = formatExplanation(explanation, administration.now()).join('\n');
  assert.ok(!text.includes(value) && !JSON.stringify(explanation).includes(value), 'the token is not shown');
  return [explanation, text];
}

for (const format of ['jwt', 'opaque'] as const) {
  test(`a living token (${format}) is explained right by right`, async (t) => {
    const administration = await openAcme(t);
    const { value, row } = await mint(administration, format);
    const [explanation, text] = await explain(administration, value);
    assert.equal(explanation.active, true);
    assert.deepEqual(explanation.reasons, []);
    assert.match(text, /^active: /);
    const givers =
      'ceiling of application shop, catalogue of resource .*, roles of user ann, this token when it was issued';
    assert.match(text, new RegExp(`orders:create, from: ${givers}, role clerk\n`));
    assert.match(text, new RegExp(`orders:read, from: ${givers}, role clerk, role reader\n`));
    assert.match(text, /orders:delete, taken away by: roles of user ann/);
    assert.match(text, /products:read, taken away by: roles of user ann/);
    assert.ok(!text.includes('lost since'));
    assert.match(text, new RegExp(`expires: ${new Date(row.expiresAt).toISOString()}`));
    for (const what of [
      'this token',
      'organization acme',
      'application shop',
      'user ann',
      'role clerk',
      'resource https:',
    ]) {
      assert.match(text, new RegExp(`${what}.*: alive`), what);
    }
  });
}

test('rights that were taken away since are named with who took them', async (t) => {
  const administration = await openAcme(t);
  const { value } = await mint(administration, 'jwt');
  await administration.apply(
    fileOf({
      organizations: [
        { name: 'acme', roles: [{ name: 'clerk', permissions: { tables: { orders: { read: true } } } }] },
      ],
    }),
  );
  const [explanation, text] = await explain(administration, value);
  assert.equal(explanation.active, true);
  assert.deepEqual(explanation.lost, [{ table: 'orders', action: 'create', by: 'roles of user ann' }]);
  assert.match(text, /lost since it was issued:\n {2}orders:create, taken away by: roles of user ann/);
  assert.match(text, /role clerk .*: alive, its rights changed/);
  assert.ok(!/orders:create, from/.test(text));
});

test('a token that nothing is left of is not active, and the cells say why', async (t) => {
  const administration = await openAcme(t);
  const { value } = await mint(administration, 'opaque');
  await administration.apply(
    fileOf({
      organizations: [{ name: 'acme', users: [{ username: 'ann', application: 'shop', roles: [] }] }],
    }),
  );
  const [explanation, text] = await explain(administration, value);
  assert.equal(explanation.active, false);
  assert.deepEqual(explanation.reasons, ['nothing is left of its rights']);
  assert.match(text, /orders:read, taken away by: roles of user ann/);
});

const endings: [string, (administration: Administration) => Promise<unknown>, RegExp][] = [
  [
    'its application was disabled',
    ({ apply }) =>
      apply(fileOf({ organizations: [{ name: 'acme', applications: [{ name: 'shop', enabled: false }] }] })),
    /because application shop: ended 2/,
  ],
  [
    'its user has a new password',
    ({ apply }) =>
      apply(
        fileOf({
          organizations: [
            {
              name: 'acme',
              users: [{ username: 'ann', application: 'shop', password: 'another-horse-battery' }],
            },
          ],
        }),
        { resetPasswords: true },
      ),
    /because user ann: alive, but what is older than .* has ended/,
  ],
  [
    'its user was disabled',
    ({ apply }) =>
      apply(
        fileOf({
          organizations: [
            { name: 'acme', users: [{ username: 'ann', application: 'shop', enabled: false }] },
          ],
        }),
      ),
    /because its user is disabled or gone/,
  ],
];

for (const [what, end, says] of endings) {
  test(`a token is not active because ${what}`, async (t) => {
    const administration = await openAcme(t);
    const { value } = await mint(administration, 'jwt');
    administration.clock.offset += 1_000;
    await end(administration);
    const [explanation, text] = await explain(administration, value);
    assert.equal(explanation.active, false);
    assert.match(text, /^not active: /);
    assert.match(text, says);
  });
}

test('a revoked, an expired and a foreign token are told apart', async (t) => {
  const administration = await openAcme(t);
  const { value, row } = await mint(administration, 'jwt');
  await administration.registry.endToken(row);
  assert.match((await explain(administration, value))[1], /because this token: ended/);

  const expired = await mint(administration, 'jwt');
  administration.clock.offset += 3_601_000;
  assert.match((await explain(administration, expired.value))[1], /because it has expired\n {2}expired: /);

  const elsewhere = await openAcme(t);
  elsewhere.clock.offset = administration.clock.offset;
  const foreign = await mint(elsewhere, 'jwt');
  assert.match(
    (await explain(administration, foreign.value))[1],
    /is not an access token signed by this server's keys/,
  );
  administration.clock.offset += 3_601_000;
  assert.match(
    (await explain(administration, foreign.value))[1],
    /is not an access token signed by this server's keys.*it says that it has expired/s,
  );
  for (const garbage of ['eyJ.eyJ.x', 'eyJhbGciOiJub25lIn0.e30.', 'gat_unknown', 'grt_unknown']) {
    const [explanation] = await explain(administration, garbage);
    assert.equal(explanation.active, false);
    assert.equal(explanation.row, undefined);
  }
});

test('garbage is told to be no token of this server, and a connection token to be one', async (t) => {
  const administration = await openAcme(t);
  for (const garbage of ['grt_unknown', 'hello', 'eyJ.eyJ.x', 'x'.repeat(100_000)]) {
    const [explanation, text] = await explain(administration, garbage);
    assert.equal(explanation.active, false);
    assert.match(text, /^not active: not a token of this server\n {2}because it /);
  }
  const shop = await administration.storage.directory.applications.findBy('clientId', 'shop-client');
  assert.ok(shop);
  const { connection, token } = await administration.connections.create(
    {
      organization: shop.organization,
      application: shop.id,
      name: 'site',
      resource: 'https://api.acme.example/',
      scopes: [],
      permissions: { isAdmin: false, tables: [] },
    },
    { actor: 'test' },
  );
  const [, text] = await explain(administration, token);
  assert.match(text, new RegExp(`it is a connection token: grantable connection show ${connection.id}`));
});

test('a token of a removed key is not active', async (t) => {
  const administration = await openAcme(t);
  const { storage, vault, now, signingKeys } = administration;
  const { value } = await mint(administration, 'jwt');
  const deps = { keys: storage.keys, vault, now };
  const { kid } = signingKeys.active('ES256');
  await rotateSigningKeys(deps, { immediately: true, longestLifetime: 3600 });
  await signingKeys.refresh();
  assert.equal((await explain(administration, value))[0].active, true, 'rotated: published still');
  await removeSigningKey(deps, kid);
  await signingKeys.refresh();
  administration.presentedTokens.keysChanged();
  const [explanation, text] = await explain(administration, value);
  assert.equal(explanation.active, false);
  assert.match(text, new RegExp(kid));
});

test('refresh tokens: the current one, a used one, one of an ended login', async (t) => {
  const administration = await openAcme(t);
  const { storage, refreshTokens, registry, now } = administration;
  const { value, login } = await logIn(administration);
  const [explanation, text] = await explain(administration, value);
  assert.equal(explanation.kind, 'refresh token');
  assert.equal(explanation.active, true);
  assert.match(text, /this login .*: alive/);

  const successor = refreshTokens.successor(value);
  assert.ok(await storage.logins.rotate(login.id, login.current, refreshTokens.hash(successor), now()));
  assert.match((await explain(administration, value))[1], /because it was used before/);
  assert.equal((await explain(administration, successor))[0].active, true);

  await registry.endLogin(login);
  assert.match((await explain(administration, successor))[1], /because this login: ended/);
});

test('SE-04 names in an explanation move no cursor', async (t) => {
  const administration = await openAcme(t);
  const { value } = await mint(administration, 'opaque', { username: 'ann\u001b[2J\nactive: forged' });
  const [, text] = await explain(administration, value);
  assert.ok(!text.includes('\u001b'));
  assert.ok(!/^active: forged/m.test(text));
});
