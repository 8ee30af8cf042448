import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogOutput } from '../../src/http/log-output.ts';

/** Longer than output waits before it tries again. */
const AGAIN_MS = 300;

/** A file that takes `room` bytes, and then fails as it is told. */
function createFile() {
  const file = { text: '', room: Number.POSITIVE_INFINITY, code: 'ENOSPC', attempts: 0 };
  const write = (_: number, bytes: Uint8Array): number => {
    file.attempts += 1;
    if (file.room === 0) throw Object.assign(new Error('no'), { code: file.code });
    const taken = bytes.subarray(0, file.room);
    file.room -= taken.length;
    file.text += Buffer.from(taken).toString();
    return taken.length;
  };
  return { file, output: createLogOutput(1, write) };
}

for (const code of ['ENOSPC', 'EAGAIN', 'EIO']) {
  test(`after ${code} the log goes on where it stopped, and no request waits for it`, (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { file, output } = createFile();
    Object.assign(file, { room: 5, code });
    output.write('first\n');
    output.flush();
    output.write('second\n');
    const { attempts } = file;
    for (let index = 0; index < 100; index += 1) output.flush();
    assert.equal(file.attempts, attempts, 'it is not tried at each line');
    assert.equal(file.text, 'first');
    file.room = Number.POSITIVE_INFINITY;
    t.mock.timers.tick(AGAIN_MS);
    assert.equal(file.text, 'first\nsecond\n');
  });
}

test('lines kept while the log is stuck have a limit, and the loss is logged', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { file, output } = createFile();
  file.room = 0;
  const line = `${'x'.repeat(1_023)}\n`;
  for (let index = 0; index < 2_000; index += 1) output.write(line);
  file.room = Number.POSITIVE_INFINITY;
  t.mock.timers.tick(AGAIN_MS);
  const lines = file.text.split('\n').slice(0, -1);
  const { lines: lost, level } = JSON.parse(lines.pop() ?? '');
  assert.equal(level, 'warn');
  assert.equal(lines.length + lost, 2_000);
  assert.ok(lost > 900 && lost < 1_000, String(lost));
});

test('a reader that went away is not written to any more', () => {
  const { file, output } = createFile();
  Object.assign(file, { room: 0, code: 'EPIPE' });
  output.write('a\n');
  output.flush();
  for (let index = 0; index < 10_000; index += 1) output.write('b\n');
  output.flush();
  output.finish();
  assert.equal(file.attempts, 1);
});

test('the end tries a slow reader again and again, but not for ever', () => {
  const { file, output } = createFile();
  Object.assign(file, { room: 0, code: 'EAGAIN' });
  output.write('last\n');
  output.finish();
  assert.ok(file.attempts > 10, String(file.attempts));
});
