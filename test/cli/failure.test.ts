/** Errors as an operator reads them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailed } from '../../src/cli/command.ts';
import { toFailure } from '../../src/cli/failure.ts';
import { MalformedRequest } from '../../src/errors/domain.ts';

test('a description that is a sentence is printed as it is', () => {
  const error = new MalformedRequest({ description: 'The name is too long.' });
  assert.deepEqual(toFailure(error), { lines: ['The name is too long.'], exitCode: 1 });
});

test('the first of two failures is told first', async () => {
  async function work(): Promise<void> {
    await using parts = new AsyncDisposableStack();
    parts.defer(() => Promise.reject(new CommandFailed('It could not be closed.')));
    throw new CommandFailed('It could not be done.');
  }
  const error = await work().catch((thrown) => thrown);
  assert.deepEqual(toFailure(error), {
    lines: ['It could not be done.', 'It could not be closed.'],
    exitCode: 1,
  });
});
