import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { withProgress } from '../../src/cli/administration/progress.ts';

async function runFor(t: TestContext, seconds: number, isTTY: boolean): Promise<string> {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const said: string[] = [];
  const output = { isTTY, write: (text: string) => said.push(text) };
  const result = await withProgress(
    { stdout: output, stderr: output },
    () => 'some users',
    async (stdout) => {
      t.mock.timers.tick(seconds * 1_000 + 999);
      stdout.write('row\n');
      return 'done';
    },
  );
  assert.equal(result, 'done');
  t.mock.timers.tick(5_000);
  return said.join('');
}

test('work below a second shows no progress', async (t) => {
  assert.equal(await runFor(t, 0, true), 'row\n');
});

test('longer work shows a line each second, which is gone before a row', async (t) => {
  const line = (seconds: number) => `\r\u001b[Ksome users (${seconds} s)`;
  assert.equal(await runFor(t, 2, true), `${line(1)}${line(2)}\r\u001b[Krow\n`);
});

test('without a terminal there is no progress', async (t) => {
  assert.equal(await runFor(t, 3, false), 'row\n');
});
