import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entry } from '../../../src/admin/operations/audit.ts';
import { key } from '../../../src/admin/operations/keys.ts';
import { login, token } from '../../../src/admin/operations/token-shapes.ts';
import { adminColumns } from '../../../src/nouns/admin-tables.ts';

test('rights can be limited by each member of tokens, logins, keys and audit entries', () => {
  for (const [table, { shape }] of Object.entries({
    tokens: token,
    logins: login,
    keys: key,
    audit: entry,
  })) {
    // Keys are of no organization, so rights to the rows of one see none.
    const members = new Set([...Object.keys(shape), 'organization']);
    assert.deepEqual([...adminColumns(table as 'tokens')].sort(), [...members].sort(), table);
  }
});
