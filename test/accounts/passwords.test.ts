import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { bcrypt } from '../../src/accounts/bcrypt.ts';
import { createHashQueue } from '../../src/accounts/hash-queue.ts';
import { checkNewPassword, createPasswords, toImportedHash } from '../../src/accounts/passwords.ts';
import { MalformedRequest } from '../../src/errors/domain.ts';

const KEYS: Record<string, Buffer> = { first: randomBytes(32), second: randomBytes(32) };

function createTestPasswords({ cost = 4, key = 'first', keys = KEYS } = {}) {
  const secrets = { current: () => ({ id: key, key: keys[key] as Buffer }), byId: (id: string) => keys[id] };
  const queue = createHashQueue({ limit: 1000, now: () => performance.now(), concurrency: 1 });
  return createPasswords({ queue, cost, secrets });
}

const passwords = createTestPasswords();
const right = { ok: true, rehash: false };
const outdated = { ok: true, rehash: true };
const wrong = { ok: false, rehash: false };
const LONG = 'x'.repeat(1025);
const ORG = { organization: 'org' };

/** Made by libxcrypt's crypt(3); the last is from the tests of Openwall's crypt_blowfish. */
const VECTORS = [
  ['rasmuslerdorf', '$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq'],
  ['Zürich ÿ£ пароль', '$2y$05$abcdefghijklmnopqrstuu7AMJUDZ.YnKyN4HL3z4tNBz4.e/aLo6'],
  ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
] as const;

test('our own hashes', async (t) => {
  const stored = await passwords.hash('correct horse', ORG);

  await t.test('name the key they were made with', () => {
    assert.match(stored, /^hmac-bcrypt\$first\$\$2b\$04\$[./A-Za-z0-9]{53}$/);
  });
  await t.test('verify the password and nothing else', async () => {
    assert.deepEqual(await passwords.verify('correct horse', stored, ORG), right);
    for (const other of ['correct hors', 'correct horse ', ' correct horse', 'Correct horse', '']) {
      assert.deepEqual(await passwords.verify(other, stored, ORG), wrong, other);
    }
  });
  await t.test('AC-02 bytes of a password beyond the 72nd count', async () => {
    const long = await passwords.hash(`${'a'.repeat(72)}b`, ORG);
    assert.deepEqual(await passwords.verify(`${'a'.repeat(72)}b`, long, ORG), right);
    assert.deepEqual(await passwords.verify(`${'a'.repeat(72)}c`, long, ORG), wrong);
    assert.deepEqual(await passwords.verify('a'.repeat(72), long, ORG), wrong);
    const longest = 'é'.repeat(512);
    assert.deepEqual(await passwords.verify(longest, await passwords.hash(longest, ORG), ORG), right);
  });
  await t.test('AC-02 cannot be verified without the key they name', async () => {
    const elsewhere = createTestPasswords({ keys: { first: randomBytes(32) } });
    assert.deepEqual(await elsewhere.verify('correct horse', stored, ORG), wrong);
    const keyless = createTestPasswords({ key: 'second', keys: { second: KEYS.second as Buffer } });
    assert.deepEqual(await keyless.verify('correct horse', stored, ORG), wrong);
  });
  await t.test('AC-04 NUL counts', async () => {
    const withNul = await passwords.hash('abc\0def', ORG);
    assert.deepEqual(await passwords.verify('abc\0def', withNul, ORG), right);
    for (const other of ['abc', 'abc\0', 'abc\0xyz']) {
      assert.deepEqual(await passwords.verify(other, withNul, ORG), wrong, JSON.stringify(other));
    }
  });
  await t.test('AC-08 composed and decomposed letters are one password', async () => {
    const composed = await passwords.hash('caf\u00e9 au lait', ORG);
    assert.deepEqual(await passwords.verify('cafe\u0301 au lait', composed, ORG), right);
    assert.deepEqual(await passwords.verify('cafe au lait', composed, ORG), wrong);
    // Only canonical equivalents: a ligature is not its letters, a wide letter not the narrow one.
    const ligature = await passwords.hash('\ufb01nal', ORG);
    assert.deepEqual(await passwords.verify('final', ligature, ORG), wrong);
  });
  await t.test('AC-05 more than 1 KB is not made', async () => {
    await assert.rejects(passwords.hash(LONG, ORG), MalformedRequest);
    await assert.rejects(passwords.hash('\ud800', ORG), MalformedRequest);
  });
  await t.test('AC-06 are made anew when the cost went up or the key is an older one', async () => {
    assert.deepEqual(await createTestPasswords({ cost: 5 }).verify('correct horse', stored, ORG), outdated);
    assert.deepEqual(
      await createTestPasswords({ key: 'second' }).verify('correct horse', stored, ORG),
      outdated,
    );
    const dear = await createTestPasswords({ cost: 5 }).hash('correct horse', ORG);
    assert.deepEqual(await passwords.verify('correct horse', dear, ORG), right);
    assert.deepEqual(await createTestPasswords({ cost: 6 }).verify('wrong', stored, ORG), wrong);
  });
  await t.test('AC-06 a cost that cannot be meant is refused at the start', () => {
    for (const cost of [3, 16, 4.5, Number.NaN])
      assert.throws(() => createTestPasswords({ cost }), RangeError);
  });
});

test('imported hashes', async (t) => {
  await t.test('AC-02 of other makers verify as they were made and are made anew', async () => {
    for (const [password, vector] of VECTORS) {
      for (const stored of [vector, toImportedHash(vector), vector.replace('$2y', '$2b')]) {
        assert.deepEqual(await passwords.verify(password, stored, ORG), outdated, stored);
        assert.deepEqual(await passwords.verify(`${password}.`, stored, ORG), wrong, stored);
      }
    }
  });
  await t.test('AC-02 ignore what their maker ignored', async () => {
    const made = await bcrypt.hash('y'.repeat(72), 4);
    assert.deepEqual(await passwords.verify(`${'y'.repeat(72)}tail`, made, ORG), outdated);
  });
  await t.test('AC-04 NUL counts', async () => {
    const made = await bcrypt.hash('abc\0def', 4);
    assert.deepEqual(await passwords.verify('abc\0def', made, ORG), outdated);
    assert.deepEqual(await passwords.verify('abc', made, ORG), wrong);
    assert.deepEqual(await passwords.verify('abc\0xyz', made, ORG), wrong);
  });
  await t.test('AC-08 get the password as it was received', async () => {
    const decomposed = await bcrypt.hash('cafe\u0301', 4);
    assert.deepEqual(await passwords.verify('cafe\u0301', decomposed, ORG), outdated);
    assert.deepEqual(await passwords.verify('caf\u00e9', decomposed, ORG), wrong);
  });
  await t.test('only a bcrypt string is taken as a hash', () => {
    const good = VECTORS[0][1];
    const { length } = good;
    for (const bad of [
      '',
      '$1$abc$def',
      '$2x$07$',
      good.slice(0, length - 1),
      `${good}a`,
      `${good}\n`,
      `bcrypt$${good}`,
    ]) {
      assert.throws(() => toImportedHash(bad), MalformedRequest, bad);
    }
    assert.throws(() => toImportedHash(good.replace('$07$', '$16$')), MalformedRequest);
    assert.throws(() => toImportedHash(good.replace('$07$', '$03$')), MalformedRequest);
  });
});

test('a stored value that cannot be verified matches nothing', async () => {
  const bcryptString = await bcrypt.hash('', 4);
  const ours = await passwords.hash('', ORG);
  const values = [
    '',
    ' ',
    'hmac-bcrypt$',
    'hmac-bcrypt$first$',
    ours.replace('first', 'nobody'),
    ours.slice(0, -1),
    `hmac-bcrypt$$${bcryptString}`,
    bcryptString.replace('$04$', '$03$'),
    // Would take days.
    bcryptString.replace('$04$', '$31$'),
    ours.replace('$04$', '$31$'),
    'plaintext',
  ];
  for (const stored of values) {
    for (const password of ['', stored]) {
      assert.deepEqual(await passwords.verify(password, stored, ORG), wrong, stored);
    }
  }
});

test('every refusal costs the same rounds of bcrypt', async (t) => {
  const sixth = createTestPasswords({ cost: 6 });
  const stored = await sixth.hash('correct horse', ORG);
  const cheaper = await passwords.hash('correct horse', ORG);
  const imported = await bcrypt.hash('correct horse', 5);
  let rounds = 0;
  const count = (hash: string) => {
    rounds += 2 ** Number(hash.split('$')[2]);
  };
  const { compare, hash } = bcrypt;
  t.mock.method(bcrypt, 'compare', (data: string, against: string) => {
    count(against);
    return compare(data, against);
  });
  t.mock.method(bcrypt, 'hash', (data: string, salt: string | number) => {
    count(String(salt));
    return hash(data, salt);
  });
  const cases: [string, string | undefined, string?][] = [
    ['a wrong password', stored],
    ['an unknown user', undefined],
    ['73 bytes for a known user', stored, 'x'.repeat(73)],
    ['73 bytes for an unknown user', undefined, 'x'.repeat(73)],
    ['a password that is too long for a known user', stored, LONG],
    ['a password that is too long for an unknown user', undefined, LONG],
    ['a password of 5 MB', stored, 'x'.repeat(5_000_000)],
    ['a cheaper hash', cheaper],
    ['an imported hash', imported],
    ['a hash that cannot be verified', '$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde'],
    ['no hash', ''],
  ];
  for (const [what, known, password = 'wrong'] of cases) {
    await t.test(`AC-03 AC-05 AC-09 ${what}`, async () => {
      rounds = 0;
      assert.deepEqual(await sixth.verify(password, known, ORG), wrong);
      assert.equal(rounds, 2 ** 6);
    });
  }
});

test('new passwords', async (t) => {
  const check = (password: string, options: { minLength?: number; username?: string; email?: string } = {}) =>
    checkNewPassword(password, { minLength: 8, ...options });
  const isRefused = (password: string, why: RegExp, options?: Parameters<typeof check>[1]) =>
    assert.throws(
      () => check(password, options),
      (error) => error instanceof MalformedRequest && why.test(error.description ?? ''),
      password.slice(0, 40),
    );

  await t.test('AC-01 are as long as the realm asks, counted in characters', () => {
    check('vqzkjwpx');
    isRefused('vqzkjwp', /at least 8 characters/);
    check('🐎🔋📎🐎🔋📎🐎🔋');
    isRefused('🐎🔋📎🐎', /at least 8/);
    isRefused('e\u0301e\u0301e\u0301e\u0301', /at least 8/);
    check('vqzkjwpxvqzkjwy', { minLength: 15 });
    isRefused('vqzkjwpxvqzkjw', /at least 15/, { minLength: 15 });
  });
  await t.test('AC-01 may be long and of anything', () => {
    check('v q z'.repeat(20));
    check('k'.repeat(1024));
    check('nul\0 counts too');
    check('только строчные буквы');
    isRefused(LONG, /at most 1024 bytes/);
    isRefused('é'.repeat(513), /at most 1024 bytes/);
    isRefused('x'.repeat(5_000_000), /at most 1024 bytes/);
    isRefused('well-formed \ud800', /Unicode/);
  });
  await t.test('AC-01 are not among the first that anybody would guess, compared whole', () => {
    for (const common of [
      'password',
      'Password',
      'PASSWORD1',
      '12345678',
      'qwertyuiop',
      'iloveyou',
      'P@ssw0rd123',
    ]) {
      isRefused(common, /too common/);
    }
    isRefused('PasswordPassword', /too common/, { minLength: 15 });
    isRefused('1234567890123456', /too common/, { minLength: 15 });
    check('password of mine');
    check('12345678 sheep');
  });
  await t.test('AC-01 are not the name or address itself', () => {
    isRefused('Wilhelmina', /username/, { username: 'wilhelmina' });
    isRefused('WILHELMINA@acme.example', /username/, { email: 'wilhelmina@acme.example' });
    check('wilhelmina rides', { username: 'wilhelmina', email: 'wilhelmina@acme.example' });
  });
});

test('hashes are made with a lower priority than the event loop has', {
  skip: process.platform !== 'linux',
}, async () => {
  await passwords.hash('correct horse', ORG);
  // The 19th field of proc_pid_stat(5); the second one is a name that may have spaces.
  const priorities = readdirSync('/proc/self/task').map((thread) =>
    Number(
      readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')[16],
    ),
  );
  assert.ok(priorities.includes(Math.min(19, getPriority() + 5)), priorities.join(' '));
  assert.ok(priorities.includes(getPriority()));
});
