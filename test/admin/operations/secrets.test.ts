import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createApplicationSecret,
  removeApplicationSecret,
} from '../../../src/admin/operations/application-secrets.ts';
import { rotateWebhookSecret } from '../../../src/admin/operations/webhooks.ts';
import { NotAllowed, NotFound } from '../../../src/errors/domain.ts';
import { basic } from '../../support/server.ts';
import { start, WEAK } from './support.ts';

test('an application has secrets beside each other, shown once and ended one by one', async (t) => {
  const running = await start(t);
  const application = await running.idOf('acme', 'applications', 'machine');
  const path = `/organizations/acme/applications/${application}/secrets`;
  const made = await running.call('POST', path, 'owner', { json: { name: 'spare' } });
  assert.equal(made.status, 201, made.text);
  const { id, secret } = made.json;
  const proves = async () =>
    (
      await running.server.post(
        '/oauth/token',
        undefined,
        { grant_type: 'client_credentials' },
        {
          authorization: basic('machine', secret),
        },
      )
    ).status;
  assert.equal(await proves(), 200);
  assert.equal((await running.server.token('machine')).status, 200, 'the other one stays good');
  const listed = await running.call('GET', path, 'auditor');
  assert.deepEqual(listed.json.items.map(({ name }: any) => name).sort(), ['default', 'spare']);
  assert.ok(
    listed.json.items.every((each: any) => each.lastUse),
    listed.text,
  );
  assert.ok(!listed.text.includes(secret) && !listed.text.includes('hash'));
  assert.equal((await running.call('DELETE', `${path}/${id}`, 'auditor')).status, 403);
  assert.equal((await running.call('DELETE', `${path}/${id}`, 'owner')).status, 204);
  assert.equal(await proves(), 401);
});

test('secrets take the rights of the application, and are those of its organization', async (t) => {
  const running = await start(t);
  const other = await running.idOf('other', 'applications', 'other-shop');
  const application = await running.idOf('acme', 'applications', 'machine');
  const body = { name: 'spare' };
  const add = (id: string, actor: object) =>
    running.run(createApplicationSecret, { parameters: { application: id }, body, actor });
  await assert.rejects(add(other, {}), NotFound);
  await assert.rejects(add(application, WEAK), NotAllowed);
  const parameters = { application, secret: application };
  await assert.rejects(running.run(removeApplicationSecret, { parameters }), NotFound);
});

test('a webhook is tried out, and its secret is rotated', async (t) => {
  const running = await start(t, {
    fixture({ organizations: [acme] }) {
      acme.webhooks = [{ name: 'hook', url: 'https://hooks.acme.example/x', events: ['user.changed'] }];
    },
  });
  const { store } = running.server.server.foundations;
  const [hook] = (await store.webhooks.page({ limit: 1 })).items;
  const path = `/organizations/acme/webhooks/${hook?.id}`;
  const ping = await running.call('POST', `${path}/ping`, 'owner');
  assert.deepEqual([ping.status, ping.json.event], [200, 'webhook.ping'], ping.text);
  const { json } = await running.call('GET', `${path}/deliveries`, 'auditor');
  assert.ok(json.items.some(({ id }: any) => id === ping.json.id));
  const again = await running.call('POST', `${path}/deliveries/${ping.json.id}/resend`, 'owner');
  assert.equal(again.status, 200, again.text);
  assert.equal((await running.call('POST', `${path}/deliveries/evt_none/resend`, 'owner')).status, 404);
  assert.equal((await running.call('GET', `${path}/deliveries`, 'other')).status, 404);
  const parameters = { webhook: hook?.id as string };
  const rotated = await running.call('POST', `${path}/rotate-secret`, 'owner', { json: {} });
  assert.match(rotated.json.secret, /^whsec_/, rotated.text);
  await assert.rejects(running.run(rotateWebhookSecret, { parameters, body: {}, actor: WEAK }), NotAllowed);
});
