import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createDerivedSecret, findDerivedSecret } from '../../src/directory/client-secrets.ts';

test('a derived secret is shown again although its key is rotated at that moment', () => {
  const versions = ['old', 'new'].map((id) => ({ id, key: randomBytes(32) }));
  let looks = 0;
  const keys = {
    current: () => versions[Math.min(looks++, 1)] as (typeof versions)[number],
    byId: (id: string) => versions.find((version) => version.id === id)?.key,
  };
  const { secret, stored } = createDerivedSecret(keys, 'application', 0);
  assert.equal(findDerivedSecret(keys, { id: 'application', secrets: [stored] }), secret);
});
