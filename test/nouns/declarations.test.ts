/** Each administered noun is declared once, with all that follows from a field. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { COLLECTIONS, declarationOf } from '../../src/nouns/index.ts';
import { withInitialValues } from '../../src/nouns/initial-values.ts';
import { defineNoun, type Field, field } from '../../src/nouns/noun.ts';
import { NOTHING_STORED } from '../../src/nouns/values.ts';

test('a field without a declared effect does not compile', () => {
  // @ts-expect-error: what does a change of it do to living tokens?
  const color = field(z.string(), { describe: 'Its color.' });
  const fields = { color, enabled: declarationOf('roles').fields.enabled };
  const bare = { singular: 'role', describe: 'A role.', fields, unique: {}, listed: {} } as const;
  assert.equal(defineNoun(bare).fields.color, color);
  // @ts-expect-error: a schema alone is not a field
  defineNoun({ ...bare, fields: { ...fields, color: z.string() } });
});

test('an initial value has the type of its field', () => {
  // @ts-expect-error: a number is not a text
  field(z.string(), { effect: 'none', describe: 'Its color.', initially: 1 });
  assert.ok(field(z.string(), { effect: 'none', describe: 'Its color.', initially: 'red' }));
});

test('a noun is made with the initial values that it is not given', () => {
  const given = { id: 'i', number: 1, version: 1, createdAt: 1, organization: 'o', name: 'n' };
  // @ts-expect-error: the resource of a role has no initial value
  withInitialValues('roles', given);
  const role = { ...given, resource: 'urn:r', default: true };
  const initial = { enabled: true, scopes: [], permissions: NOTHING_STORED };
  assert.deepEqual(withInitialValues('roles', role), { ...initial, ...role });
});

test('every field of every noun has a description', () => {
  const found = COLLECTIONS.flatMap((collection) =>
    Object.entries<Field>(declarationOf(collection).fields)
      .filter(([, { describe }]) => !/[.)]$/.test(describe))
      .map(([name]) => `${collection}.${name}`),
  );
  assert.deepEqual(found, []);
});

test('initial values are values of their fields', () => {
  for (const collection of COLLECTIONS) {
    for (const [name, { value, initially }] of Object.entries<Field>(declarationOf(collection).fields)) {
      if (initially === undefined || typeof initially === 'function') continue;
      assert.deepEqual(value.parse(initially), initially, `${collection}.${name}`);
    }
  }
});
