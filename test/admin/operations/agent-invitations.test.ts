import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inviteAgents } from '../../../src/admin/operations/agent-invitations.ts';
import { MalformedRequest, NotAllowed } from '../../../src/errors/domain.ts';
import { NATIVE, register, setAgents } from '../../agents/registration-world.ts';
import { permissionsOf, start, WEAK } from './support.ts';

const PATH = '/organizations/acme/initial-access-tokens';

const withAgents = {
  fixture({ organizations: [acme] }: any) {
    acme.agents = { policy: 'off', application: 'spa', registration: 'token' };
  },
};

test('an administrator makes an initial access token, which registers an agent', async (t) => {
  const running = await start(t, withAgents);
  const made = await running.call('POST', PATH, 'owner', { json: { uses: 2 } });
  assert.equal(made.status, 201, made.text);
  const { id, token, expiresAt } = made.json;
  assert.match(token, /^gia_[\w-]{43}$/);
  assert.equal(Math.round((Date.parse(expiresAt) - Date.now()) / 86_400_000), 7);
  const registered = await register(running.server, NATIVE, { token });
  assert.equal(registered.status, 201, registered.text);
  const entries = await running.deps.audit.page({ limit: 20 });
  const of = (event: string) => entries.entries.find((entry) => entry.event === event);
  assert.equal(of('agent.invited')?.subject, id);
  assert.equal(of('agent.registered')?.actor, `initialToken:${id}`);
  assert.equal(JSON.stringify(entries).includes(token.slice(4)), false);
});

test('a creation that is tried again gives the same initial access token', async (t) => {
  const running = await start(t, withAgents);
  const headers = { 'idempotency-key': 'once' };
  const [one, other] = [
    await running.call('POST', PATH, 'owner', { json: {}, headers }),
    await running.call('POST', PATH, 'owner', { json: {}, headers }),
  ];
  assert.deepEqual([one.status, other.status], [201, 201]);
  assert.deepEqual(other.json, one.json);
});

test('an initial access token takes the rights of what agents may have', async (t) => {
  const running = await start(t, withAgents);
  const invite = (given: object) => running.run(inviteAgents, { body: { uses: 1, lifetime: 60 }, ...given });
  await assert.rejects(invite({ actor: WEAK }), NotAllowed);
  const reading = { permissions: permissionsOf({ applications: { read: true } }) };
  await assert.rejects(invite({ actor: reading }), NotAllowed);
  assert.equal((await running.call('POST', PATH, 'auditor', { json: {} })).status, 403);
  await setAgents(running.server, 'acme', { registration: 'off' });
  await assert.rejects(invite({}), MalformedRequest);
  assert.equal((await running.call('POST', PATH, 'owner', { json: { uses: 0 } })).status, 422);
});
