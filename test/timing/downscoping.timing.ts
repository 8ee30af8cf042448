import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../src/nouns/index.ts';
import { createPermissions, type Permissions } from '../../src/permissions/permissions.ts';
import { downscope } from '../../src/tokens/downscope.ts';
import { untilWithin } from './compare.ts';

const TABLES = Array.from({ length: 2_000 }, (_, n) => `shop_table_${String(n).padStart(5, '0')}`);
const RUNS = 100;

const shop = {
  identifier: 'https://api.acme.example/',
  catalogue: 'closed',
  tables: TABLES.map((id) => ({ id, name: id })),
  scopes: [],
} as unknown as Resource;

const allowing = (mask: number): Permissions => createPermissions(TABLES.map((id) => [id, mask] as const));

/** @returns milliseconds of the processor that one request and its parent, both of 2,000 tables and new, take */
async function cost(held: Permissions): Promise<number> {
  const requests = Array.from({ length: RUNS }, () => ({ asked: allowing(1), parent: allowing(3) }));
  const before = process.cpuUsage();
  for (const { asked, parent } of requests) {
    downscope({
      asked: { permissions: asked },
      proof: {
        subject: 'user',
        parent: { resource: shop.identifier, scope: '', permissions: parent },
      },
      resource: shop,
      rights: { permissions: held, scopes: new Set(), roles: [], roleIds: [], steps: [] },
    });
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / RUNS;
}

test('downscoping 2,000 tables takes less than a millisecond', async () => {
  const held = allowing(15);
  await cost(held);
  const milliseconds = await untilWithin({ most: 1 }, () => cost(held));
  assert.ok(milliseconds < 1, `${milliseconds.toFixed(2)} ms`);
});
