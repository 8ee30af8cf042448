/** Errors as an operator reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toFailure } from '../../src/cli/failure.ts';
import { MalformedRequest } from '../../src/errors/domain.ts';

test('a description that is a sentence is printed as it is', () => {
  const error = new MalformedRequest({ description: 'The name is too long.' });
  assert.deepEqual(toFailure(error), { lines: ['The name is too long.'], exitCode: 1 });
});
