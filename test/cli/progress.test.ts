import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withProgress } from '../../src/cli/administration/progress.ts';

async function runFor(ticks: number, isTTY: boolean, clears = false): Promise<string> {
  const said: string[] = [];
  let tick = (): void => assert.fail('nothing was to be repeated');
  let stopped = 0;
  const result = await withProgress(
    { isTTY, write: (text) => said.push(text) },
    () => 'some users',
    async (clear) => {
      for (let done = 0; done < ticks; done += 1) tick();
      if (clears) clear();
      said.push('row\n');
      return 'done';
    },
    (work, ms) => {
      assert.equal(ms, 1_000);
      tick = work;
      return () => {
        stopped += 1;
      };
    },
  );
  assert.equal(result, 'done');
  assert.equal(stopped, isTTY ? 1 : 0);
  return said.join('');
}

test('work below a second shows no progress', async () => {
  assert.equal(await runFor(0, true), 'row\n');
});

test('longer work shows a line each second, which is gone at the end', async () => {
  const line = (seconds: number) => `\r\u001b[Ksome users (${seconds} s)`;
  assert.equal(await runFor(2, true, true), `${line(1)}${line(2)}\r\u001b[Krow\n`);
});

test('without a terminal there is no progress', async () => {
  assert.equal(await runFor(0, false), 'row\n');
});
