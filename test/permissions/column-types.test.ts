import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  COLUMN_TYPES,
  type ColumnType,
  canonicalOf,
  canonicalValue,
} from '../../src/permissions/column-types.ts';
import fc from '../support/properties.ts';

const ZONE = process.env.TZ;

afterEach(() => {
  if (ZONE === undefined) delete process.env.TZ;
  else process.env.TZ = ZONE;
});

function assertCasts(type: ColumnType, casts: Readonly<Record<string, string | undefined>>): void {
  assert.deepEqual(
    Object.fromEntries(Object.keys(casts).map((text) => [text, canonicalValue(type, text)])),
    casts,
  );
}

function assertUncastable(type: ColumnType, texts: readonly string[]): void {
  assert.deepEqual(
    texts.filter((text) => canonicalValue(type, text) !== undefined),
    [],
  );
}

/** Nothing but text may hold these. */
const HOSTILE = [
  '',
  ' ',
  ' 1',
  '1 ',
  '1\n',
  '\u00a01',
  '٤٢',
  '４２',
  '²',
  '1_000',
  '1,000',
  '0x10',
  '0b1',
  '1n',
  '--1',
  '+-1',
  '−1',
  '.',
  '+',
  'e5',
  'NaN',
  'Infinity',
  '-infinity',
  'null',
  'now',
  'today',
  'epoch',
  "1' OR '1'='1",
  '1\u0000',
  '__proto__',
  'constructor',
  'toString',
  '[object Object]',
  '1'.repeat(10_000),
  '0'.repeat(10_000),
  `${'0'.repeat(5_000)}x`,
];

test('a text that cannot be a number, a date or a UUID is not cast', () => {
  for (const type of COLUMN_TYPES.filter((each) => each !== 'text')) assertUncastable(type, HOSTILE);
});

test('text stays as it is', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => canonicalValue('text', text) === text));
  assert.equal(canonicalValue('text', 'e\u0301'), 'e\u0301');
});

test('an integer has one text', () => {
  assertCasts('integer', {
    '042': '42',
    '42': '42',
    '+42': '42',
    '-042': '-42',
    '-0': '0',
    '000': '0',
    '9007199254740993': '9007199254740993',
    '42.0': undefined,
    '1e3': undefined,
  });
});

test('a decimal has one text', () => {
  assertCasts('decimal', {
    '042.500': '42.5',
    '+1': '1',
    '-0.00': '0',
    '.5': '0.5',
    '5.': '5',
    '1.5E-7': '0.00000015',
    '1.5e3': '1500',
    '1200e-2': '12',
    '-0.1e1': '-1',
    '1e400': `1${'0'.repeat(400)}`,
    '1e1000': undefined,
    '1e-1000': undefined,
    '1e99999999': undefined,
    '0e9999': '0',
  });
});

test('a decimal with as many digits as are allowed is cast', () => {
  const longest = `0.${'7'.repeat(998)}`;
  assert.equal(canonicalValue('decimal', longest), longest);
  assertUncastable('decimal', [`${longest}7`, '-1e999']);
});

test('a boolean is cast as databases write it', () => {
  assertCasts('boolean', {
    true: 'true',
    TRUE: 'true',
    t: 'true',
    '1': 'true',
    false: 'false',
    f: 'false',
    '0': 'false',
    '2': undefined,
    yes: undefined,
    '': undefined,
  });
});

test('a UUID is in lower case with hyphens', () => {
  const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  assertCasts('uuid', {
    [uuid]: uuid,
    [uuid.toUpperCase()]: uuid,
    [uuid.replaceAll('-', '')]: uuid,
    [`{${uuid}}`]: undefined,
    [uuid.replace('-', '')]: undefined,
    [uuid.replace('a', 'g')]: undefined,
    [`${uuid}\n`]: undefined,
  });
});

test('a date is a day of the calendar', () => {
  assertCasts('date', {
    '2024-02-29': '2024-02-29',
    '0001-01-01': '0001-01-01',
    '9999-12-31': '9999-12-31',
    '2023-02-29': undefined,
    '2024-02-30': undefined,
    '2024-04-31': undefined,
    '1900-02-29': undefined,
    '2024-13-01': undefined,
    '2024-00-10': undefined,
    '2024-01-00': undefined,
    '0000-00-00': undefined,
    '0000-01-01': undefined,
    '10000-01-01': undefined,
    '-0001-01-01': undefined,
    '2024-2-3': undefined,
    '20240203': undefined,
    '2024-02-03 00:00:00': undefined,
    '２０２４-02-03': undefined,
  });
});

test('a timestamp is one instant in UTC', () => {
  assertCasts('timestamp', {
    '2024-02-29T10:00:00Z': '2024-02-29T10:00:00Z',
    '2024-02-29 10:00:00': '2024-02-29T10:00:00Z',
    '2024-02-29t10:00z': '2024-02-29T10:00:00Z',
    '2024-02-29': '2024-02-29T00:00:00Z',
    '2024-02-29 10:00:00.120000': '2024-02-29T10:00:00.12Z',
    '2024-02-29 10:00:00.123456+05:30': '2024-02-29T04:30:00.123456Z',
    '2024-02-29 23:30:00-0230': '2024-03-01T02:00:00Z',
    '2024-02-29 10:00:00+00': '2024-02-29T10:00:00Z',
    '2024-02-29T10:00:00-00:00': '2024-02-29T10:00:00Z',
    '2024-02-29T10:00:00.123456000Z': '2024-02-29T10:00:00.123456Z',
    '0099-01-01T00:00:00Z': '0099-01-01T00:00:00Z',
  });
});

test('a text that only some databases read as a timestamp is not cast', () => {
  assertUncastable('timestamp', [
    '2024-02-30T10:00:00Z',
    '0000-00-00 00:00:00',
    '2016-12-31T23:59:60Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T10:60:00Z',
    '2024-01-01T10Z',
    '2024-01-01Z',
    '2024-01-01T10:00.5Z',
    '2024-01-01T10:00:00.Z',
    '2024-01-01T10:00:00.1234567Z',
    '2024-01-01T10:00:00+16:00',
    '2024-01-01T10:00:00+01:60',
    '2024-01-01T10:00:00 Europe/Berlin',
    '2024-01-01T10:00:00Z\n',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:00:00-02:00',
    '1704067200',
    '2024-01-01 10:00:00 BC',
  ]);
});

test('a canonical text is its own canonical text', () => {
  const written = fc.oneof(
    fc.stringMatching(/^[+-]?\d{0,12}\.?\d{0,12}(e[+-]?\d{1,3})?$/),
    fc.stringMatching(/^[+-]?\d{1,999}$/),
    fc.stringMatching(/^[01]\d{3}-[01]\d-[0-3]\d([T ][0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,7})?([+-]1\d)?)?$/),
    fc.uuid().map((uuid) => uuid.toUpperCase()),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom(...COLUMN_TYPES), written, (type, text) => {
      const canonical = canonicalValue(type, text);
      return canonical === undefined || canonicalValue(type, canonical) === canonical;
    }),
    { numRuns: 10_000 },
  );
});

test('integers are equal exactly when their canonical texts are', () => {
  const written = fc.tuple(fc.bigInt({ min: -20n, max: 20n }), fc.integer({ min: 0, max: 3 }));
  const textOf = ([value, zeros]: [bigint, number]) =>
    `${value < 0n ? '-' : ''}${'0'.repeat(zeros)}${value < 0n ? -value : value}`;
  fc.assert(
    fc.property(
      written,
      written,
      (a, b) =>
        (canonicalValue('integer', textOf(a)) === canonicalValue('integer', textOf(b))) === (a[0] === b[0]),
    ),
  );
});

test('a decimal keeps its value', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const canonical = canonicalValue('decimal', String(value)) ?? '';
      return canonical !== '' && !/e/i.test(canonical) && Number(canonical) === value + 0;
    }),
    { numRuns: 5_000 },
  );
});

test('the instant of a timestamp does not depend on how its offset is written', () => {
  const instant = fc.date({
    min: new Date('1000-01-02T00:00:00Z'),
    max: new Date('9999-01-01T00:00:00Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(instant, fc.integer({ min: -15 * 60, max: 15 * 60 }), (date, offset) => {
      const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
      const minutes = Math.abs(offset);
      const zone = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'));
      const text = `${local}${offset < 0 ? '-' : '+'}${zone.join(':')}`;
      return canonicalValue('timestamp', text) === canonicalOf('timestamp', date);
    }),
  );
});

test('a value of a driver is compared in the same text as one of a file', () => {
  const cases: [ColumnType | undefined, unknown, string | undefined][] = [
    ['integer', 42, '42'],
    ['integer', 42n, '42'],
    ['integer', '042', '42'],
    ['integer', -0, '0'],
    ['integer', 1.5, undefined],
    ['integer', true, undefined],
    ['integer', 9007199254740993n, '9007199254740993'],
    ['decimal', '10.50', '10.5'],
    ['decimal', 10.5, '10.5'],
    ['decimal', 1e-7, '0.0000001'],
    ['boolean', true, 'true'],
    ['boolean', 1, 'true'],
    ['boolean', 0, 'false'],
    ['boolean', 0n, 'false'],
    ['boolean', 2, undefined],
    ['boolean', 't', 'true'],
    ['text', 'true', 'true'],
    ['text', 7, '7'],
    ['timestamp', new Date('2024-02-03T04:05:06.070Z'), '2024-02-03T04:05:06.07Z'],
    ['timestamp', 1704067200, undefined],
    ['date', 20240203, undefined],
    [undefined, 7, '7'],
    [undefined, '007', '007'],
    [undefined, 7n, '7'],
    [undefined, false, 'false'],
    [undefined, new Date('2024-02-03T00:00:00Z'), '2024-02-03T00:00:00Z'],
  ];
  assert.deepEqual(
    cases.map(([type, value]) => canonicalOf(type, value)),
    cases.map(([, , expected]) => expected),
  );
});

test('null, lists, objects and rounded numbers of a driver equal no value', () => {
  const values = [
    null,
    undefined,
    NaN,
    Infinity,
    -Infinity,
    2 ** 53,
    -(2 ** 53),
    [],
    ['1'],
    {},
    { toString: () => '1' },
    Object('1'),
    Buffer.from([1]),
    Symbol('1'),
    () => '1',
    new Date(Number.NaN),
  ];
  for (const type of [...COLUMN_TYPES, undefined]) {
    assert.deepEqual(
      values.filter((value) => canonicalOf(type, value) !== undefined),
      [],
    );
  }
});

test('a driver may give a date as midnight here or in UTC', () => {
  for (const zone of ['UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Kiritimati']) {
    process.env.TZ = zone;
    assert.equal(canonicalOf('date', new Date(2024, 1, 29)), '2024-02-29', zone);
    assert.equal(canonicalOf('date', new Date('2024-02-29T00:00:00Z')), '2024-02-29', zone);
    assert.equal(canonicalOf('date', new Date(2024, 1, 29, 4, 1)), undefined, zone);
  }
  assert.equal(canonicalOf('date', new Date('+012024-02-29T00:00:00Z')), undefined);
});
