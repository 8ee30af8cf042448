import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnding } from '../../src/server/ending.ts';

function open() {
  const failures: (string | undefined)[] = [];
  const log = { error: (told: { err?: Error }) => void failures.push(told.err?.message) };
  return { ending: createEnding(log as never), failures };
}

const hanging = () => new Promise<never>(() => undefined);

test('a part has no more time because others before it took theirs', async () => {
  const { ending, failures } = open();
  ending.begin(-1);
  await ending.part('mails', 500, hanging)();
  assert.deepEqual(failures, ['it took longer than 0 ms']);
});

test('a part that has nothing left to do needs no time', async () => {
  const { ending } = open();
  ending.begin(-1);
  await ending.part('mails', 500, async () => undefined)();
  assert.ok(ending.isWhole());
});

test('parts of a server that does not start have a time of their own', async () => {
  const { ending, failures } = open();
  await ending.part('the store', 5, hanging)();
  assert.deepEqual(failures, ['it took longer than 5 ms']);
});
