/** Texts that PostgreSQL reads: values of conditions, and claims. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { COLUMN_TYPES, type ColumnType, canonicalValue } from '../../src/permissions/column-types.ts';
import { postgresMissing } from '../support/postgres.ts';
import fc from '../support/properties.ts';
import { type GuardedWorld, startGuarded } from './world.ts';

const EXAMPLES: { readonly [type in ColumnType]: readonly string[] } = {
  text: ['EU', 'é'],
  integer: ['0', '-0', '+042', '99999999999999999999'],
  decimal: ['1.50', '.5', '5.', '1e3', '-1.2E-3', '0e9', '000.0010', '1e9999', '1e-9999'],
  boolean: ['true', 'False', 't', 'F', '1', '0'],
  uuid: ['0f8fad5b-d9cb-469f-a165-70867289500e', '0F8FAD5BD9CB469FA16570867289500E'],
  date: ['2026-02-28', '2024-02-29', '1900-02-29', '9999-12-31', '0001-01-01'],
  timestamp: [
    '2026-03-01T09:30:00Z',
    '2026-03-01 09:30:00.123456+05:30',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59.999999-00:01',
    '2026-03-01T10:30:00.1000000 -1500',
    '2026-03-01',
  ],
};
const JSON_EXAMPLES = [
  '{"a":1,"b":[true,false,null,"x\\n\\u00e9",-1.5e+3],"c":{"d":{}}}',
  '{"n":0.10,"e":[[],{"":""}]}',
  ' {"a" : [1 ,2 ] } ',
];
const PIECES = [
  ...'01259-+.eE :TZafx\n"\\{}[],\u0001\u0002\u001f',
  '٤',
  '\\u00',
  '\\ud83d',
  '\\ude00',
  'true',
];

/** An example with up to three pieces put in, left out or replaced. */
function changed(examples: readonly string[]): fc.Arbitrary<string> {
  const change = fc.record({ at: fc.nat(100), taken: fc.nat(1), piece: fc.constantFrom('', ...PIECES) });
  return fc
    .tuple(fc.constantFrom(...examples), fc.array(change, { maxLength: 3 }))
    .map(([example, changes]) =>
      changes.reduce((text, { at, taken, piece }) => {
        const from = at % (text.length + 1);
        return text.slice(0, from) + piece + text.slice(from + taken);
      }, example),
    );
}

describe('texts that PostgreSQL reads', { skip: postgresMissing() }, () => {
  let world: GuardedWorld;
  before(async () => {
    const tables = 'CREATE TABLE orders (id int PRIMARY KEY);';
    world = await startGuarded({ tables, declared: [{ id: 'orders', name: 'orders' }] });
  });
  after(() => world[Symbol.asyncDispose]());

  test('values are cast as the algebra casts them', async () => {
    for (const type of COLUMN_TYPES) {
      const texts = fc.sample(changed(EXAMPLES[type]), { numRuns: 2_000 });
      const { rows } = await world.owner.query<{ canonical: string | null }>(
        'SELECT grantable.canonical($1, text) AS canonical FROM unnest($2::text[]) WITH ORDINALITY AS t (text, place) ORDER BY place',
        [type, texts],
      );
      const cast = (canonical: (text: string, index: number) => string | null) =>
        texts.map((text, index) => [text, canonical(text, index)]);
      assert.deepEqual(
        cast((_, index) => rows[index]?.canonical ?? null),
        cast((text) => canonicalValue(type, text) ?? null),
        type,
      );
    }
  });

  test('values are cast alike whatever the session says of backslashes', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: world.server.port,
      user: 'owner',
      database: 'crm',
    });
    await client.connect();
    try {
      await client.query('SET standard_conforming_strings = off');
      const { rows } = await client.query(
        "SELECT grantable.canonical('decimal', '1x5') AS odd, grantable.canonical('decimal', '1.50') AS good",
      );
      assert.deepEqual(rows, [{ odd: null, good: '1.5' }]);
    } finally {
      await client.end();
    }
  });

  test('claims that are nested deeper than 128 are nothing', async () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    const { rows } = await world.owner.query(
      'SELECT grantable.parse($1) IS NULL AS "128", grantable.parse($2) IS NULL AS "129", grantable.parse($3) IS NULL AS many',
      [nested(128), nested(129), nested(30_000)],
    );
    assert.deepEqual(rows, [{ 128: false, 129: true, many: true }]);
  });

  test('claims that are not JSON are nothing, and never an error', async () => {
    const texts = fc.sample(changed(JSON_EXAMPLES), { numRuns: 3_000 });
    const { rows } = await world.owner.query<{ parsed: string | null }>(
      'SELECT grantable.parse(text)::text AS parsed FROM unnest($1::text[]) WITH ORDINALITY AS t (text, place) ORDER BY place',
      [texts],
    );
    let parsed = 0;
    for (const [index, text] of texts.entries()) {
      const read = rows[index]?.parsed ?? null;
      if (read === null) continue;
      parsed += 1;
      assert.deepEqual(JSON.parse(read), JSON.parse(text), text);
    }
    assert.ok(parsed > 500, String(parsed));
    const valid = JSON_EXAMPLES.map((text) => JSON.stringify(JSON.parse(text)));
    for (const text of valid) {
      const { rows: read } = await world.owner.query('SELECT grantable.parse($1) AS parsed', [text]);
      assert.deepEqual(read[0].parsed, JSON.parse(text));
    }
  });
});
