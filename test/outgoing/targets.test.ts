import assert from 'node:assert/strict';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { isPrivate } from '../../src/nouns/private-addresses.ts';
import type { Resolve } from '../../src/outgoing/resolve-in-dns.ts';
import { createTargets, type Targets } from '../../src/outgoing/targets.ts';
import fc from '../support/properties.ts';
import { resolving } from './resolving.ts';

const targetsOf = (listed: readonly string[], resolve?: Resolve): Targets =>
  createTargets({ listed, option: 'GRANTABLE_SOME_HOSTS', ...(resolve && { resolve }) });

/** The addresses that a connection is given. */
function lookUp(targets: Targets, url: string): Promise<readonly string[]> {
  const { hostname } = new URL(url);
  return new Promise((resolve, reject) => {
    targets.lookupFor(new URL(url))(hostname, { all: true }, (error, found) => {
      if (error) return reject(error);
      resolve((found as { readonly address: string }[]).map(({ address }) => address));
    });
  });
}

const REFUSED =
  /has the host \S+, which is not at a public address, and GRANTABLE_SOME_HOSTS does not list it/;

test('DO-10 URLs with private addresses are refused, however they are written', () => {
  const { findProblem } = targetsOf([]);
  const private_ = [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0.0.0.0', '10.1.2.3', '172.16.0.1'],
    ...['192.168.1.1', '100.64.0.1', '169.254.169.254', '192.0.0.192', '224.0.0.1', '255.255.255.255'],
    ...[
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::a9fe:a9fe]',
      '[2002:7f00:1::]',
    ],
    ...['[fe80::1]', '[fd00::1]', '[ff02::1]', '[2001:0:1::1]', '[::ffff:0:7f00:1]'],
  ];
  for (const host of private_) {
    assert.match(findProblem(new URL(`https://${host}/in`)) ?? '', REFUSED, host);
  }
  for (const host of ['hooks.example', '93.184.215.14', '[2606:2800:21f:cb07::1]']) {
    assert.equal(findProblem(new URL(`https://${host}/in`)), undefined, host);
  }
});

test('plain http is refused but for a listed host', () => {
  const { findProblem } = targetsOf(['localhost:4000']);
  assert.equal(findProblem(new URL('http://localhost:4000/in')), undefined);
  assert.equal(findProblem(new URL('http://localhost:4001/in')), 'is not an https URL');
});

test('a host is listed with any port or with one', () => {
  const { findProblem } = targetsOf(['10.0.0.1', '10.0.0.2:8443', '10.0.0.3:443']);
  for (const url of ['https://10.0.0.1:1/', 'https://10.0.0.2:8443/', 'https://10.0.0.3/'])
    assert.equal(findProblem(new URL(url)), undefined, url);
  assert.match(findProblem(new URL('https://10.0.0.2/')) ?? '', REFUSED);
});

test('a name with one private address among its addresses is refused', async () => {
  const targets = targetsOf(
    [],
    resolving({
      'good.example': ['93.184.215.14', '2606:2800:21f:cb07::1'],
      'mixed.example': ['93.184.215.14', '10.0.0.1'],
      'mapped.example': ['::ffff:10.0.0.1'],
      'empty.example': [],
    }),
  );
  assert.deepEqual(await lookUp(targets, 'https://good.example/'), [
    '93.184.215.14',
    '2606:2800:21f:cb07::1',
  ]);
  for (const name of ['mixed.example', 'mapped.example', 'empty.example'])
    await assert.rejects(lookUp(targets, `https://${name}/`), REFUSED, name);
});

test('a name that rebinds after it was checked is refused at its next connection', async () => {
  const names = { 'rebinds.example': ['93.184.215.14'] };
  const targets = targetsOf([], resolving(names));
  assert.deepEqual(await lookUp(targets, 'https://rebinds.example/'), ['93.184.215.14']);
  names['rebinds.example'] = ['169.254.169.254'];
  await assert.rejects(lookUp(targets, 'https://rebinds.example/'), REFUSED);
});

test('DO-10 names that strangers choose take no thread of the pool', async (t) => {
  const asked: string[] = [];
  t.mock.method(dns, 'lookup', (name: string, _: unknown, callback: (error: null, found: []) => void) => {
    asked.push(name);
    callback(null, []);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const targets = targetsOf(['listed.invalid']);
  for (const name of ['listed.invalid', 'other.invalid'])
    await assert.rejects(lookUp(targets, `https://${name}/`), Error, name);
  assert.deepEqual(asked, ['listed.invalid']);
});

/** The ways to write an IPv4 address as the host of a URL, and those that carry one in IPv6. */
function spellings(bytes: readonly number[]): { readonly same: string[]; readonly inside: string[] } {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = number.toString(16).padStart(8, '0');
  const groups = `${hex.slice(0, 4)}:${hex.slice(4)}`;
  const dotted = bytes.join('.');
  return {
    same: [
      ...[
        dotted,
        `${dotted}.`,
        `${number}`,
        `0x${hex}`,
        `0${number.toString(8)}`,
        `${a}.${b}.${c * 256 + d}`,
      ],
      ...[`${a}.${(b * 256 + c) * 256 + d}`, bytes.map((byte) => `0x${byte.toString(16)}`).join('.')],
      bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
    ],
    inside: [
      ...[`[::ffff:${dotted}]`, `[::ffff:${groups}]`, `[::${dotted}]`, `[64:ff9b::${groups}]`],
      ...[`[2002:${groups}::1]`, `[::ffff:0:${groups}]`, `[2001:0:${groups}::]`],
    ],
  };
}

test('CN-01 an address is judged alike in all spellings', () => {
  const byte = fc.oneof(
    fc.constantFrom(0, 10, 127, 169, 172, 192, 254, 255),
    fc.integer({ min: 0, max: 255 }),
  );
  const { findProblem } = targetsOf([]);
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
      const { same, inside } = spellings(bytes);
      const isRefused = (host: string) => findProblem(new URL(`https://${host}/`)) !== undefined;
      for (const host of same) assert.equal(isRefused(host), isPrivate(bytes.join('.')), host);
      // None of these is an address of the public Internet of its own.
      for (const host of inside) assert.equal(isRefused(host), true, host);
    }),
    { numRuns: 1_000 },
  );
});
