import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { LoginRow, TokenRow } from '../../src/storage/contract.ts';
import {
  decodeRow,
  encodeLogin,
  encodeToken,
  KnownShared,
  type RowDocuments,
} from '../../src/storage/row-documents.ts';
import { beginLogin, LOGIN_MEMBERS, TOKEN_MEMBERS, toSeconds } from '../../src/storage/rows.ts';
import { wholeLoginRow, wholeTokenRow } from '../contracts/whole-rows.ts';

const NOW = 1_800_000_000_000;
const partOf = ({ shared }: RowDocuments) => new KnownShared<string>().remember('1', shared);

function decodeToken(row: TokenRow): TokenRow {
  const documents = encodeToken(row);
  return decodeRow<TokenRow, 'expiresAt'>(partOf(documents), documents.own, { expiresAt: row.expiresAt });
}

test('nodes above a row come back in their order, wherever each of them is stored', () => {
  const row = wholeTokenRow('t', NOW);
  const ids = [row.user, row.login, row.connection, row.parent, 'node', 'tokens:login', randomUUID(), 'node'];
  for (let turn = 0; turn < 200; turn += 1) {
    const picked = ids.filter(() => Math.random() < 0.6).sort(() => Math.random() - 0.5);
    assert.deepEqual(decodeToken({ ...row, ancestors: picked }).ancestors, picked);
  }
});

test('rows of several clients, people and resources come back whole, in any order', () => {
  const { user, account: _, ...machine } = wholeTokenRow('t', NOW);
  const whole = [wholeTokenRow('t', NOW), machine as TokenRow, { ...machine, user } as TokenRow];
  const pick = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T;
  for (let turn = 0; turn < 500; turn += 1) {
    const row: Record<string, unknown> = { ...pick(whole), application: pick(['a', 'b']) };
    for (const [name, value] of Object.entries(row)) {
      const other = Array.isArray(value) ? [...value].reverse() : `${value}2`;
      const isText = typeof value === 'string' || Array.isArray(value);
      if (isText && name !== 'application' && Math.random() < 0.2) row[name] = other;
      else if (Math.random() < 0.05 && !['id', 'application', 'ancestors'].includes(name)) delete row[name];
    }
    const given = { expiresAt: NOW, asOf: NOW, ...row } as unknown as TokenRow;
    assert.deepEqual(decodeToken(given), given);
  }
});

test('tokens of one client share all but what is of each of them', () => {
  const { user: _, account: __, ...machine } = wholeTokenRow('t', NOW);
  const another = { ...machine, id: 'u', asOf: NOW + 1, issuedAt: NOW + 2, requestId: 'r', address: '::1' };
  assert.equal(encodeToken(another).shared, encodeToken(machine).shared);
  assert.ok(encodeToken(machine).shared.includes(machine.subject), 'its subject is that of each of them');
});

test('a shared document holds nothing of a person or a login', () => {
  const token = wholeTokenRow('AaIm94YZguz8zoLD5yeI-g', NOW);
  const login = wholeLoginRow('AaIm94Za85CnN5BG2UbG9g', NOW);
  for (const [row, { shared, own }] of [
    [token, encodeToken(token)],
    [login, encodeLogin(login)],
  ] as const) {
    for (const value of [row.id, row.user, row.subject, row.act.sub as string]) {
      assert.ok(own.includes(value));
      assert.ok(!shared.includes(value), value);
    }
  }
});

test('rows cannot change what a shared document gives them', () => {
  const row = decodeToken(wholeTokenRow('t', NOW));
  assert.throws(() => (row.permissions.tables as unknown[]).pop(), TypeError);
  assert.throws(() => (row.roles as string[]).push('admin'), TypeError);
});

test('a shared document has to be written anew for a row that outlives it', () => {
  const known = new KnownShared<number>();
  const first = encodeToken(wholeTokenRow('t', NOW));
  assert.equal(known.find(first), undefined);
  known.wrote(first, 1);
  assert.equal(known.find(first), 1);
  assert.equal(known.find({ ...first, expiresAt: NOW + 120_000 }), 1);
  assert.equal(known.find({ ...first, expiresAt: NOW + 120_001 }), undefined);
});

test('a login takes over from its token all that both have', () => {
  const token = wholeTokenRow('t', NOW);
  const { id, ancestors, createdAt, expiresAt, current, parent, origin, openid } = wholeLoginRow('l', NOW);
  const own = { id, ancestors, createdAt, expiresAt, current, parent, origin, openid };
  const login: LoginRow = beginLogin(token, own);
  const columns = ['previous', 'rotatedAt'];
  assert.deepEqual(
    Object.keys(login).sort(),
    Object.keys(LOGIN_MEMBERS)
      .filter((member) => !columns.includes(member))
      .sort(),
  );
  for (const member of Object.keys(LOGIN_MEMBERS) as (keyof LoginRow)[]) {
    if (member in own || columns.includes(member)) continue;
    assert.ok(member in TOKEN_MEMBERS, member);
    assert.deepEqual(login[member], token[member as keyof TokenRow], member);
  }
  const { parent: _, openid: __, ...root } = own;
  assert.deepEqual(
    ['parent', 'openid'].filter((member) => member in beginLogin(token, root)),
    [],
    'those are not the ones of its token',
  );
});

test('a claim has the second in which a time lies', () => {
  assert.deepEqual([toSeconds(1_999), toSeconds(2_000)], [1, 2]);
});

test('rows that share their ancestors share nothing else that differs', () => {
  const first = wholeTokenRow('t', NOW);
  encodeToken(first);
  for (const change of [{ scope: 'other' }, { login: 'other' }, { permissions: { ...first.permissions } }]) {
    const row = { ...first, ...change };
    const apart = { ...row, ancestors: [...row.ancestors] };
    assert.deepEqual(encodeToken(row), encodeToken(apart));
  }
});
