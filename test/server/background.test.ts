import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackground } from '../../src/server/background.ts';
import type { Foundations } from '../../src/server/foundations.ts';
import { until } from '../support/until.ts';

test('SE-02 changed secrets are told although the store was away right after', async (t) => {
  const secrets = [true];
  const isAway = [true];
  let told = 0;
  const foundations: Partial<Record<keyof Foundations, unknown>> = {
    vault: { refresh: async () => secrets.pop() ?? false },
    signingKeys: { refresh: async () => (isAway.pop() ? assert.fail('the store is away') : false) },
    followSigningAlgs: async () => false,
    refusals: { tellEnded: async () => undefined },
    outbox: { due: async () => [] },
  };
  const background = startBackground(foundations as unknown as Foundations, {
    keysChanged: () => {
      told += 1;
    },
    log: () => undefined,
  });
  t.after(background.stop);
  await until('the engine is told', () => told > 0);
  assert.deepEqual([secrets, isAway, told], [[], [], 1]);
});
