import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findIds } from '../../src/apply/plan/noun.ts';
import type { Plan } from '../../src/apply/plan/plan.ts';

test('DO-06 roles are read once to find names that are like unknown ones', async () => {
  let reads = 0;
  const page = async () => {
    reads += 1;
    return { items: [{ name: 'clerk' }] };
  };
  const problems: string[] = [];
  const plan = { findId: async () => undefined, problems, store: { roles: { page } } } as unknown as Plan;
  const names = Array.from({ length: 1_000 }, () => 'clerc');
  assert.deepEqual(await findIds(plan, 'user acme/ann', 'role', 'acme', names), []);
  assert.equal(reads, 1);
  assert.equal(problems.length, names.length);
  assert.equal(problems[0], 'user acme/ann: the organization has no role clerc (did you mean clerk?)');
  assert.equal(problems.at(-1), 'user acme/ann: the organization has no role clerc');
});
