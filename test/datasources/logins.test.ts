import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { passwordFormats } from '../../src/nouns/password-formats.ts';
import { engines, type Rows } from './engines.ts';
import { type Login, startWorld, userTable, type World } from './fixture.ts';

interface Sample {
  readonly password: string;
  readonly hash: string;
  readonly format: string;
  readonly salt?: string;
}

const lines = readFileSync(join(import.meta.dirname, 'password-vectors', 'vectors.jsonl'), 'utf8').trimEnd();
const vectors = lines.split('\n').map((line) => JSON.parse(line) as Sample);
const PLAIN: Sample = { format: 'plain', password: 'correct-horse-battery', hash: 'correct-horse-battery' };
/** One of each format, with its salt in a column of its own where it has one. */
const samples = passwordFormats.map(
  (format) =>
    vectors.find((vector) => vector.format === format && vector.salt !== undefined) ??
    vectors.find((vector) => vector.format === format) ??
    PLAIN,
);

const HOSTILE: Readonly<Record<string, string>> = { bcrypt: `$2b$31$${'.'.repeat(53)}` };

function rowsFor({ format, hash, salt }: Sample): Rows {
  const person = (id: number, email: string, more: Record<string, string | boolean | null> = {}) => ({
    id,
    email,
    password: hash,
    salt: salt ?? null,
    active: true,
    ...more,
  });
  return [
    person(1, 'ann@acme.example'),
    person(2, 'bob@acme.example', { active: false }),
    person(3, 'nil@acme.example', { password: null }),
    person(4, 'empty@acme.example', { password: '' }),
    person(5, 'twin@acme.example'),
    person(6, 'twin@acme.example'),
    person(7, 'hostile@acme.example', { password: HOSTILE[format] ?? 'x'.repeat(999) }),
    person(8, '0'),
  ];
}

const INJECTED = [
  "' OR '1'='1",
  "' OR 1=1 -- ",
  "\\' OR 1=1 -- ",
  '" OR ""="',
  "ann@acme.example' --",
  "ann@acme.example'; DROP TABLE people_bcrypt; --",
  '\u00bf\u0027 OR 1=1 /*',
  '%',
  '_nn@acme.example',
  '*',
  '{"$gt":""}',
  '{"$ne":null}',
  '$where',
  '[object Object]',
  "0'XOR(if(now()=sysdate(),sleep(5),0))XOR'Z",
  "'; SELECT pg_sleep(5); --",
];

const NAMES = [
  'people_bcrypt"; DROP TABLE people_bcrypt; --',
  'people_bcrypt`; --',
  'people_bcrypt]',
  'people_bcrypt -- ',
  'people_bcrypt/*',
  'people_bcrypt;',
  'People_bcrypt',
  'people_bcrypt ',
  'main.people_bcrypt',
  'crm.public.people_bcrypt',
  '(select * from people_bcrypt)',
  'pg_sleep(5)',
  'information_schema.tables',
  'pg_catalog.pg_authid',
  'mysql.user',
  'sqlite_master',
  'system.users',
  '$where',
  'a.$b',
  '__proto__',
  'constructor',
  '\u2018people_bcrypt\u2019',
  'x'.repeat(500),
];

for (const kind of engines) {
  describe(`logins against ${kind.name}`, { skip: kind.missing() }, () => {
    let world: World;
    before(async () => {
      world = await startWorld(
        kind,
        async (engine) => {
          for (const sample of samples) await engine.fill(`people_${sample.format}`, rowsFor(sample));
          return samples.map(({ format }) =>
            userTable(engine, {
              collection: `people_${format}`,
              passwordFormat: format,
              activeColumn: 'active',
              ...(!['hmac-sha256', 'plain'].includes(format) && { saltColumn: 'salt' }),
              ...(format === 'hmac-sha256' && { passwordSecret: 'a-nonce' }),
            }),
          );
        },
        { datasource: { insecurePasswords: true } },
      );
    });
    after(() => world?.[Symbol.asyncDispose]());

    const refusal = async (login: Login): Promise<string> => {
      const { status, json, text } = await world.logIn(login);
      assert.equal(status, 400, `${JSON.stringify(login)}: ${text}`);
      assert.equal(json.error, 'invalid_grant', JSON.stringify(login));
      return text;
    };

    for (const { format, password } of samples) {
      const collection = `people_${format}`;
      test(`${format}: the right password is taken, and nothing else`, async () => {
        const right = await world.logIn({ collection, username: 'ann@acme.example', password });
        assert.equal(right.status, 200, right.text);
        const seen = await world.server.introspect(right.json.access_token);
        assert.equal(seen.active, true);
        assert.equal(seen.username, 'ann@acme.example');
        assert.deepEqual(seen.roles, ['clerk']);
        assert.match(seen.sub, /^datasource:[0-9a-f-]{36}\/[\w-]{11}\/1$/);
        const texts = new Set<string>();
        for (const login of [
          { username: 'ann@acme.example', password: `${password}x` },
          { username: 'ann@acme.example', password: password.slice(0, -1) },
          { username: 'nobody@acme.example', password },
          { username: 'bob@acme.example', password },
          { username: 'nil@acme.example', password },
          { username: 'empty@acme.example', password },
          { username: 'twin@acme.example', password },
          { username: 'hostile@acme.example', password },
        ]) {
          texts.add(await refusal({ collection, ...login }));
        }
        assert.equal(texts.size, 1, 'told alike');
      });
    }

    test('DB-08 a stored NULL or empty value is not an empty password', async () => {
      for (const username of ['nil@acme.example', 'empty@acme.example']) {
        for (const password of ['null', 'NULL', 'undefined', ' ']) {
          await refusal({ collection: 'people_plain', username, password });
        }
        const { status } = await world.logIn({ collection: 'people_plain', username, password: '' });
        assert.equal(status, 400);
      }
    });

    test('DB-01 a name that is not registered exactly is a wrong password', async () => {
      const login = { collection: 'people_bcrypt', username: 'ann@acme.example', password: PLAIN.password };
      const texts = new Set<string>();
      for (const other of [
        { passwordColumn: 'email' },
        { passwordColumn: 'id' },
        { passwordColumn: 'salt' },
        { usernameColumn: 'password' },
        { usernameColumn: 'id', username: '1' },
        { instance: 'CRM' },
        { instance: 'other' },
        { database: 'mysql' },
        { database: 'admin' },
        { database: 'postgres' },
        { database: 'temp' },
        ...NAMES.map((collection) => ({ collection })),
        ...NAMES.map((usernameColumn) => ({ usernameColumn })),
        ...NAMES.map((passwordColumn) => ({ passwordColumn })),
      ]) {
        texts.add(await refusal({ ...login, ...other }));
      }
      assert.equal(texts.size, 1, 'told alike');
      assert.equal((await world.logIn(login)).status, 200, 'the table is still there');
    });

    test('DB-02 DB-03 nothing that is typed is run, matched loosely or waited for', async () => {
      for (const username of INJECTED) {
        // A database that was made to sleep would be away: another refusal.
        await refusal({ collection: 'people_bcrypt', username, password: PLAIN.password });
      }
      for (const password of INJECTED) {
        await refusal({ collection: 'people_bcrypt', username: 'ann@acme.example', password });
      }
      const { status } = await world.logIn({
        collection: 'people_bcrypt',
        username: 'ann@acme.example',
        password: PLAIN.password,
      });
      assert.equal(status, 200, 'the table is still there');
    });

    test('DB-04 AC-04 arrays and NUL are refused before any database is asked', async () => {
      const base = {
        grant_type: 'urn:grantable:grant-type:database-user',
        instance: 'crm',
        database: world.engine.database,
        collection: 'people_bcrypt',
        username_column: 'email',
        password_column: 'password',
      };
      for (const more of [
        'username[$ne]=x&password=x',
        'username[]=ann@acme.example&password=x',
        'username=a&username=b&password=x',
        'username=a&password[$gt]=',
        'username=a&password=x&password=y',
        'username=a%00b&password=x',
        'username=&password=x',
        'password=x',
      ]) {
        const response = await fetch(`${world.server.issuer}/oauth/token`, {
          method: 'POST',
          headers: {
            authorization: `Basic ${Buffer.from(`shop:${world.server.secretOf('shop')}`).toString('base64')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: `${new URLSearchParams(base)}&${more}`,
        });
        const json = (await response.json()) as Record<string, unknown>;
        assert.deepEqual([response.status, json.error], [400, 'invalid_request'], more);
      }
    });

    test('an application of another realm or without the grant is refused', async () => {
      const login = { collection: 'people_bcrypt', username: 'ann@acme.example', password: PLAIN.password };
      const other = await world.logIn(login, 'machine');
      assert.deepEqual([other.status, other.json.error], [400, 'invalid_grant']);
      const without = await world.logIn(login, 'admin');
      assert.deepEqual([without.status, without.json.error], [400, 'unauthorized_client']);
      const foreign = await world.logIn(login, 'other-shop');
      assert.deepEqual([foreign.status, foreign.json.error], [400, 'unauthorized_client']);
    });
  });
}
