import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomText } from '../../src/registry/random-pool.ts';

test('no random bytes are given out twice, across refills of the pool', () => {
  const seen = new Set<string>();
  for (let drawn = 0; drawn < 20_000; drawn += 1) seen.add(randomText(16));
  assert.equal(seen.size, 20_000);
});

test('the text spells as many bytes as were asked for, and all are random', () => {
  const zeros = new Array(30).fill(0);
  for (let drawn = 0; drawn < 500; drawn += 1) {
    const bytes = Buffer.from(randomText(30), 'base64url');
    assert.equal(bytes.length, 30);
    for (const [index, value] of bytes.entries()) zeros[index] += value === 0 ? 1 : 0;
  }
  // One byte in 256 is zero: a place that always is would be 500 times.
  assert.ok(Math.max(...zeros) < 25, String(zeros));
});
