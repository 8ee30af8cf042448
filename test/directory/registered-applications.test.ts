/** Which agents the settings of an organization let ask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentPermitted } from '../../src/directory/registered-applications.ts';

const URLS = ['https://claude.ai/a.json', 'https://claude.ai:8443/a.json', 'https://not-claude.ai/a.json'];

const settings = (policy: 'off' | 'hosts' | 'any', hosts?: string[]) => ({
  agents: { policy, application: 'agents', ...(hosts && { hosts }) },
});

const permitted = (of: Parameters<typeof isAgentPermitted>[0], isApproved = false): boolean[] =>
  URLS.map((url) => isAgentPermitted(of, url, isApproved));

test('the policy hosts permits a listed host with any port, or with the listed one', () => {
  assert.deepEqual(permitted(settings('hosts', ['claude.ai'])), [true, true, false]);
  assert.deepEqual(permitted(settings('hosts', ['claude.ai:8443'])), [false, true, false]);
  assert.deepEqual(permitted(settings('hosts')), [false, false, false]);
});

test('approved agents may ask from any host, unless the policy is off', () => {
  assert.deepEqual(permitted(settings('hosts', ['elsewhere.example']), true), [true, true, true]);
  assert.deepEqual(permitted(settings('off'), true), [false, false, false]);
  assert.deepEqual(permitted({}, true), [false, false, false]);
});

test('the policy any permits every host', () => {
  assert.deepEqual(permitted(settings('any')), [true, true, true]);
});
