import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  describeStored,
  dummyFor,
  type FormatSettings,
  parseStored,
  verifyParsed,
} from '../../src/datasources/password-formats/index.ts';
import { shaCryptDigest } from '../../src/datasources/password-formats/sha-crypt-digest.ts';
import { insecureFormats, passwordFormats } from '../../src/nouns/password-formats.ts';
import { readVectors, type Vector } from './password-vectors/vectors.ts';

const vectors = readVectors();

/** Each takes a quarter of a second each time: one of them, or all in the long form. */
const isCostly = ({ hash }: Vector): boolean => hash.startsWith('argon2$');
const costly = vectors.filter(isCostly).slice(0, process.env.GRANTABLE_TEST_LONG ? undefined : 1);
const tried = vectors.filter((vector) => !isCostly(vector) || costly.includes(vector));

async function isRight(vector: Vector, password: string, hash: unknown = vector.hash): Promise<boolean> {
  const parsed = parseStored({ ...vector, costs: 'dear' }, { hash, salt: vector.salt });
  return parsed !== undefined && verifyParsed(parsed, password);
}

/** One of each format and maker. */
const samples = [
  ...new Map(vectors.map((vector) => [`${vector.format} ${vector.hash.slice(0, 10)}`, vector])).values(),
];

describe('stored passwords of other systems', () => {
  for (const format of passwordFormats) {
    const own = vectors.filter((vector) => vector.format === format);
    if (format === 'plain') continue;
    test(`${format}: hashes of ${[...new Set(own.map(({ madeBy }) => madeBy))].join(', ')} are verified`, async () => {
      assert.ok(own.length >= 2);
      for (const vector of own.filter((each) => tried.includes(each))) {
        assert.equal(await isRight(vector, vector.password), true, vector.hash);
        assert.equal(await isRight(vector, vector.password, Buffer.from(vector.hash)), true, 'as bytes');
        assert.equal(
          await isRight(vector, `${vector.password.slice(0, 5)}!${vector.password.slice(6)}`),
          false,
        );
        assert.equal(await isRight(vector, ''), false);
      }
    });
  }

  test('DB-07 the stored password itself is never the password, in any format', async () => {
    for (const vector of samples) {
      for (const format of passwordFormats) {
        if (insecureFormats.has(format) && format === 'plain') continue;
        const settings = { ...vector, format, secret: 'x' } as Vector;
        assert.equal(await isRight(settings, vector.hash), false, `${format}: ${vector.hash}`);
      }
    }
  });

  test('a stored password with a changed sign matches no password', async () => {
    for (const vector of samples) {
      for (const cut of [1, 2, 5, 10]) {
        // Padding says nothing.
        const bare = vector.hash.replace(/=+$/, '');
        assert.equal(await isRight(vector, vector.password, bare.slice(0, -cut)), false, vector.hash);
      }
      assert.equal(await isRight(vector, vector.password, `${vector.hash}A`), false);
      assert.equal(await isRight(vector, vector.password, `x${vector.hash}`), false);
    }
  });

  test('DB-08 a hostile, empty or foreign hash is refused without being computed', () => {
    const hostile: [FormatSettings['format'], unknown][] = [
      ['bcrypt', `$2b$31$${'.'.repeat(53)}`],
      ['bcrypt', `$2b$15$${'.'.repeat(53)}`],
      ['bcrypt', `$2b$03$${'.'.repeat(53)}`],
      ['php', `$2y$31$${'.'.repeat(53)}`],
      ['wordpress', `$wp$2y$31$${'.'.repeat(53)}`],
      ['wordpress', `$P$Z${'.'.repeat(30)}`],
      ['argon2', `$argon2id$v=19$m=4194304,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['argon2', `$argon2id$v=19$m=65536,t=99,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['argon2', `$argon2id$v=19$m=65536,t=2,p=99$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['argon2', `$argon2id$v=16$m=65536,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['scrypt', `$scrypt$ln=24,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['scrypt', `$scrypt$ln=14,r=8,p=64$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['pbkdf2', `$pbkdf2-sha256$9999999$${'A'.repeat(22)}$${'A'.repeat(43)}`],
      ['django', `pbkdf2_sha256$9999999$salt$${Buffer.alloc(32).toString('base64')}`],
      ['django', 'md5$salt$0123456789abcdef0123456789abcdef'],
      ['django', 'unsalted_md5$$0123456789abcdef0123456789abcdef'],
      ['django', '!unusable'],
      ['sha-crypt', `$6$rounds=999999999$salt$${'.'.repeat(86)}`],
    ];
    const kinds = [
      '',
      null,
      undefined,
      0,
      1,
      true,
      {},
      [],
      ['a'],
      new Date(),
      'x'.repeat(1_000_000),
      Buffer.alloc(1_000_000),
    ];
    for (const format of passwordFormats) {
      for (const kind of kinds) hostile.push([format, kind]);
    }
    for (const [format, hash] of hostile) {
      assert.equal(
        parseStored({ format, secret: 'x' }, { hash }),
        undefined,
        `${format} ${String(hash).slice(0, 50)}`,
      );
    }
  });

  test('hashes dearer than usual are verified only where the operator says so', () => {
    const [salt, digest] = ['A'.repeat(22), 'A'.repeat(43)];
    for (const [format, hash] of [
      ['argon2', `$argon2id$v=19$m=65537,t=1,p=1$${salt}$${digest}`],
      ['argon2', `$argon2id$v=19$m=1024,t=5,p=1$${salt}$${digest}`],
      ['django', `argon2$argon2id$v=19$m=65537,t=1,p=1$${salt}$${digest}`],
      ['php', `$argon2id$v=19$m=1024,t=5,p=1$${salt}$${digest}`],
      ['sha-crypt', `$6$rounds=200001$salt$${'.'.repeat(86)}`],
    ] as const) {
      assert.equal(parseStored({ format }, { hash }), undefined, hash);
      assert.ok(parseStored({ format, costs: 'dear' }, { hash }), hash);
    }
  });

  test('SHA-crypt takes 256 bytes of password, or more where the operator allows it', async () => {
    const hash = `$5$rounds=1000$saltsaltsaltsalt$${'.'.repeat(43)}`;
    const password = 'x'.repeat(257);
    const digest = shaCryptDigest('sha256', Buffer.from(password), Buffer.from('saltsaltsaltsalt'), 1_000);
    const stored = { hash: hash.replace(/[.]+$/, digest) };
    for (const [costs, expected] of [
      ['usual', false],
      ['dear', true],
    ] as const) {
      const parsed = parseStored({ format: 'sha-crypt', costs }, stored);
      assert.ok(parsed);
      assert.equal(await verifyParsed(parsed, password), expected, costs);
    }
  });

  test('DB-11 an unknown user is verified as a known one is, and never gets in', async () => {
    for (const vector of samples.filter(({ format }) => ['bcrypt', 'scrypt', 'pbkdf2'].includes(format))) {
      const real = parseStored(vector, { hash: vector.hash });
      assert.ok(real);
      const verified: string[] = [];
      const dummy = dummyFor(vector, (password) => {
        verified.push(password);
        return real(password);
      });
      assert.equal(await verifyParsed(dummy, vector.password), false, 'the right password of another user');
      assert.deepEqual(verified, [vector.password]);
    }
    for (const format of passwordFormats.filter((each) => each !== 'django')) {
      assert.equal(await verifyParsed(dummyFor({ format, secret: 'x' }), 'x'), false, format);
    }
  });

  test('the event loop goes on while the digests of a costly password are made', async () => {
    const hash = `$6$rounds=300000$saltstring$${'.'.repeat(86)}`;
    const parsed = parseStored({ format: 'sha-crypt', costs: 'dear' }, { hash });
    assert.ok(parsed);
    let isOver = false;
    const verifying = verifyParsed(parsed, 'wrong').finally(() => {
      isOver = true;
    });
    let turns = 0;
    for (; !isOver; turns += 1) await new Promise(setImmediate);
    assert.equal(await verifying, false);
    assert.ok(turns > 100, `${turns} turns of the event loop`);
  });

  test('plain passwords are compared whole', async () => {
    const parsed = parseStored({ format: 'plain' }, { hash: 'secret' });
    assert.ok(parsed);
    assert.equal(await verifyParsed(parsed, 'secret'), true);
    for (const wrong of ['Secret', 'secret ', 'secre', 'secret\0']) {
      assert.equal(await verifyParsed(parsed, wrong), false);
    }
  });

  test('the format of a stored password is told from its spelling', () => {
    for (const { format, hash, salt } of vectors) {
      const { format: guessed } = describeStored(hash);
      if (salt !== undefined || hash.endsWith('=')) continue;
      const expected = {
        'hmac-sha256': 'sha256',
        bcrypt: hash.startsWith('$2y$') ? 'php' : 'bcrypt',
        wordpress: hash.startsWith('$2y$') ? 'php' : 'wordpress',
        php: hash.startsWith('$argon2') ? 'argon2' : 'php',
      } as Record<string, string>;
      assert.equal(guessed, expected[format] ?? format, hash);
    }
    assert.match(describeStored('hunter2').description, /in the clear/);
    assert.equal(describeStored(null).description, 'no password');
  });
});
