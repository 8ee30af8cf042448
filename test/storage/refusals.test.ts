import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '../../src/storage/contract.ts';
import { createRefusals } from '../../src/storage/refusals.ts';

const LEFT_OUT = 'request.refusals_left_out';

function refused(address: string): AuditEntry {
  return { at: 0, event: 'request.refused', outcome: 'denied', address };
}

test('numbers of refused requests that could not be written are written later', async () => {
  const written: AuditEntry[] = [];
  let time = 1_000_000;
  let room = Number.POSITIVE_INFINITY;
  const refusals = createRefusals({
    audit: {
      async append(entry) {
        if (room === 0) throw new Error('the store is away');
        room -= 1;
        written.push(entry);
      },
    },
    toKey: (address) => address,
    now: () => time,
  });
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    for (let turn = 0; turn < 12; turn += 1) await refusals.append(refused(address), false);
  time += 10_000;
  room = 1;
  await assert.rejects(refusals.settle(), /away/);
  // Meanwhile there are more.
  await refusals.append(refused('192.0.2.3'), false);
  room = Number.POSITIVE_INFINITY;
  time += 10_000;
  await refusals.settle();
  await refusals.settle();
  const told = written.filter(({ event }) => event === LEFT_OUT);
  assert.deepEqual(
    told.map(({ address, details }) => [address, details]),
    [
      ['192.0.2.1', { count: 2, seconds: 10 }],
      ['192.0.2.2', { count: 2, seconds: 20 }],
      ['192.0.2.3', { count: 3, seconds: 20 }],
    ],
  );
});
