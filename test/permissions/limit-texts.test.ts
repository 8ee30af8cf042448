import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeLimit } from '../../src/permissions/limit-texts.ts';
import { Alternative } from '../../src/permissions/limits.ts';

test('a limit reads as the end of a sentence', () => {
  const limit = new Alternative(['id', 'total'], [['customer_id', ['42', '43']]]);
  assert.equal(describeLimit(limit), 'only those where customer_id is 42 or 43; columns id, total');
  assert.equal(describeLimit(limit, 1), 'only those where customer_id is 42 and 1 more; columns id, total');
});

test('values and column names cannot read as a part of the sentence', () => {
  const value = (text: string): string => describeLimit(new Alternative(undefined, [['owner', [text]]]));
  assert.equal(value('ann; columns id'), 'only those where owner is "ann; columns id"');
  assert.equal(value('ann or bob and id is 1'), 'only those where owner is "ann or bob and id is 1"');
  assert.equal(value('"'), 'only those where owner is "\\""');
  assert.equal(value('a\u202eb\u2066'), 'only those where owner is "a\\u202eb\\u2066"');
  assert.equal(value('a\u2028b'), 'only those where owner is "a\\u2028b"');
  assert.equal(describeLimit(new Alternative(['id, total'], [])), 'columns "id, total"');
  for (const word of ['42', '-1.5', 'ann@acme.example', '2026-01-01T00:00:00Z', 'Zoë'])
    assert.equal(value(word), `only those where owner is ${word}`);
});
