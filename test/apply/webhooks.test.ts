import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { formatReport } from '../../src/apply/report.ts';
import type { Webhook } from '../../src/nouns/index.ts';
import { keyOfSecret } from '../../src/nouns/webhook.ts';
import { type Administration, fileOf, openAdministration, refusal } from '../admin/fixture.ts';

const secretOf = (text: string): string => `whsec_${Buffer.from(text.padEnd(32, '.')).toString('base64')}`;
const [FIRST, SECOND] = [secretOf('first'), secretOf('second')];

const acme = (webhook: object) =>
  fileOf({
    organizations: [
      { name: 'acme', webhooks: [{ name: 'crm', url: 'https://crm.example/in', events: ['*'], ...webhook }] },
    ],
  });

async function findWebhook({ storage }: Administration): Promise<Webhook> {
  const [webhook] = (await storage.directory.webhooks.page({ limit: 2 })).items;
  assert.ok(webhook);
  return webhook;
}

test('a webhook without a secret gets one, which stands in the file of secrets', async (t) => {
  const administration = await openAdministration(t);
  const report = await administration.apply(acme({}));
  const kept = await readFile(report.generatedSecrets.path, 'utf8');
  const [, secret = ''] = /webhook acme\/crm webhookSecret (\S+)/.exec(kept) ?? [];
  assert.ok(keyOfSecret(secret));
  const webhook = await findWebhook(administration);
  const [key] = administration.webhookSecrets.signingKeys(webhook, administration.now());
  assert.deepEqual(key, keyOfSecret(secret));
  assert.ok(!formatReport(report).join().includes(secret));
  assert.deepEqual((await administration.apply(acme({}))).changes, []);
});

test('another secret in the file signs beside the earlier one for a day', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme({ secret: FIRST }));
  await administration.apply(acme({ secret: SECOND }));
  const webhook = await findWebhook(administration);
  const keysAt = (ms: number) =>
    administration.webhookSecrets.signingKeys(webhook, administration.now() + ms);
  assert.deepEqual(keysAt(0), [keyOfSecret(SECOND), keyOfSecret(FIRST)]);
  assert.deepEqual(keysAt(86_400_000), [keyOfSecret(SECOND)]);
  for (const secret of [FIRST, SECOND])
    assert.deepEqual((await administration.apply(acme({ secret }))).changes, []);
});

test('the secret of a webhook is sealed at rest', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme({ secret: FIRST }));
  const stored = JSON.stringify(await findWebhook(administration));
  for (const shape of [FIRST, FIRST.slice(6), Buffer.from('first').toString('base64url')])
    assert.ok(!stored.includes(shape));
});

test('a webhook at a private address is refused before the first write', async (t) => {
  const administration = await openAdministration(t);
  for (const url of ['https://10.0.0.1/in', 'http://localhost:4000/in', 'https://[::1]/'])
    assert.match(
      String(await refusal(administration.apply(acme({ url })))),
      /^webhook acme\/crm: the url /,
      url,
    );
  assert.equal((await administration.storage.directory.organizations.page({ limit: 1 })).items.length, 0);
});

test('webhooks beyond the limit are told before the first write', async (t) => {
  const administration = await openAdministration(t);
  const webhooks = Array.from({ length: 51 }, (_, index) => ({
    name: `w${index}`,
    url: 'https://crm.example/in',
    events: ['*'],
  }));
  const withWebhooks = (some: typeof webhooks) =>
    fileOf({ organizations: [{ name: 'acme', webhooks: some }] });
  const namesIn = async () =>
    (await administration.storage.directory.webhooks.page({ limit: 99 })).items.map(({ name }) => name);
  const told = ['webhook acme/w50 is beyond the 50 webhooks that an organization may have'];
  assert.deepEqual(await refusal(administration.apply(withWebhooks(webhooks))), told);
  assert.deepEqual(await namesIn(), []);
  await administration.apply(withWebhooks(webhooks.slice(0, 50)));
  assert.deepEqual(await refusal(administration.apply(withWebhooks(webhooks.slice(50)))), told);
  const pruned = await refusal(administration.apply(withWebhooks(webhooks.slice(1)), { prune: true }));
  assert.deepEqual(pruned, [
    `${told}. Those that the file leaves out go last: remove them with a file before`,
  ]);
  assert.deepEqual((await administration.apply(withWebhooks(webhooks.slice(0, 50)))).changes, []);
});
