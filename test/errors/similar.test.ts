import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSimilar } from '../../src/errors/similar.ts';

test('a mistyped name finds the closest candidate', () => {
  const candidates = ['grants', 'scopes', 'redirectUris', 'resource', 'resources'];
  const expected: Record<string, string | undefined> = {
    grant: 'grants',
    gratns: 'grants',
    redirectUri: 'redirectUris',
    redirecturis: 'redirectUris',
    redirect_uris: 'redirectUris',
    resorce: 'resource',
    scopes: 'scopes',
  };
  for (const [name, similar] of Object.entries(expected))
    assert.equal(findSimilar(name, candidates), similar, name);
});

test('a name without a similar name finds nothing', () => {
  for (const name of ['', 'x', 'password', 'faces'])
    assert.equal(findSimilar(name, ['grants', 'redirectUris']), undefined, name);
  assert.equal(findSimilar('grants', []), undefined);
});

test('DO-08 a name of millions of letters is not compared letter by letter', () => {
  const candidates = Array.from({ length: 100 }, (_, at) => `candidate${at}`);
  // Letter by letter this would take a minute.
  assert.equal(findSimilar('a'.repeat(10_000_000), candidates), undefined);
});
