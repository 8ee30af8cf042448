import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { withoutSecrets } from '../../../src/admin/api/secret-members.ts';
import { deriveBytes, reserve } from '../../../src/admin/operations/reserved.ts';

const derive = (seed: Buffer, label: string) => deriveBytes(seed, label, 32).toString('base64url');

const secret = z.string().meta({ secret: true });

test('the same seed and label give the same 256 bits', () => {
  const { seed } = reserve();
  const secrets = [derive(seed, 'a'), derive(seed, 'b'), derive(reserve().seed, 'a')];
  assert.equal(new Set(secrets).size, 3);
  assert.equal(derive(seed, 'a'), secrets[0]);
  for (const each of secrets) assert.equal(Buffer.from(each, 'base64url').length, 32);
});

test('members with secrets are left out wherever they stand', () => {
  const schema = z.strictObject({
    id: z.string(),
    secret,
    maybe: secret.optional(),
    meant: z.string().optional().meta({ secret: true }),
    inside: z.strictObject({ secret, shown: z.string() }).optional(),
    list: z.array(z.strictObject({ secret: secret.nullable(), shown: z.string() })),
  });
  const inside = { secret: 's', shown: 'a' };
  assert.deepEqual(
    withoutSecrets(schema, { id: '1', secret: 's', maybe: 's', meant: 's', inside, list: [inside, inside] }),
    { id: '1', inside: { shown: 'a' }, list: [{ shown: 'a' }, { shown: 'a' }] },
  );
});

test('members with secrets are left out of each choice of a union', () => {
  const schema = z.union([
    z.strictObject({ dryRun: z.literal(true) }),
    z.strictObject({ id: z.string(), secret }),
    z.strictObject({ id: z.string(), by: z.record(z.string(), z.strictObject({ secret })) }),
  ]);
  assert.deepEqual(withoutSecrets(schema, { id: '1', secret: 's' }), { id: '1' });
  assert.deepEqual(withoutSecrets(schema, { dryRun: true }), { dryRun: true });
  const by = { a: { secret: 's' } };
  assert.deepEqual(withoutSecrets(schema, { id: '1', by }), { id: '1', by: { a: {} } });
});
