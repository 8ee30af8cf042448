/** The scopes that the metadata of a resource names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate } from '../../src/resource-server/access.ts';
import { openVerifier } from './open-verifier.ts';

const metadataWith = (scopes?: readonly string[]) =>
  createGate(openVerifier, scopes && { scopes }).metadata({
    method: 'GET',
    path: '/.well-known/oauth-protected-resource',
  })?.body;

test('the metadata names the basic scopes once each, and none unless some are given', () => {
  assert.deepEqual(metadataWith(['orders:read', '*:read', 'orders:read'])?.scopes_supported, [
    'orders:read',
    '*:read',
  ]);
  assert.ok(!('scopes_supported' in (metadataWith() ?? {})));
});

test('the metadata of a resource names neither offline_access nor admin', () => {
  assert.throws(() => metadataWith(['orders:read', 'offline_access']), /does not ask for offline_access/);
  assert.throws(() => metadataWith(['*:admin']), /does not ask for \*:admin\. Name the scopes/);
  for (const scope of ['', 'orders read', '"']) {
    assert.throws(() => metadataWith([scope]), /is not a scope\. Use visible ASCII/);
  }
});
