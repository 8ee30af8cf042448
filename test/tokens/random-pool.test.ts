import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeRandom } from '../../src/registry/random-pool.ts';

test('no random bytes are given out twice, across refills of the pool', () => {
  const seen = new Set<string>();
  for (let drawn = 0; drawn < 20_000; drawn += 1) {
    const bytes = writeRandom(Buffer.alloc(16));
    seen.add(bytes.toString('hex'));
  }
  assert.equal(seen.size, 20_000);
});

test('bytes before the beginning stay, and all others are random', () => {
  const zeros = new Array(30).fill(0);
  for (let drawn = 0; drawn < 500; drawn += 1) {
    const bytes = writeRandom(Buffer.alloc(32), 2);
    assert.deepEqual([...bytes.subarray(0, 2)], [0, 0]);
    for (const [index, value] of bytes.subarray(2).entries()) zeros[index] += value === 0 ? 1 : 0;
  }
  // One byte in 256 is zero: a place that always is would be 500 times.
  assert.ok(Math.max(...zeros) < 25, String(zeros));
});

test('more bytes than the pool has come as well', () => {
  const bytes = writeRandom(Buffer.alloc(10_000));
  assert.ok(new Set(bytes).size > 200);
});
