import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfSecret, toSecret } from '../../src/nouns/webhook.ts';
import { sign } from '../../src/webhooks/secrets.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

test('a signature is that of the libraries of Standard Webhooks', () => {
  const key = keyOfSecret(SECRET);
  assert.ok(key);
  const event = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' };
  assert.deepEqual(sign(event, [key], 1_614_265_330), {
    'webhook-id': event.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
  assert.equal(toSecret(key), SECRET);
});

test('secrets of another form or length are refused', () => {
  const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');
  for (const good of [24, 32, 64]) assert.ok(keyOfSecret(`whsec_${base64(good)}`), String(good));
  for (const bad of [
    `whsec_${base64(23)}`,
    `whsec_${base64(65)}`,
    base64(32),
    'whsec_',
    `whsec_${base64(32)}!`,
  ])
    assert.equal(keyOfSecret(bad), undefined, bad);
});
