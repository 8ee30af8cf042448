import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameResource, spellingsOf } from '../../src/permissions/resource-identifiers.ts';

const SAME: readonly (readonly [string, string])[] = [
  ['https://api.example', 'https://api.example/'],
  ['HTTPS://API.Example/mcp', 'https://api.example/mcp'],
  ['https://API.example:8443', 'https://api.example:8443/'],
];
const OTHERS: readonly (readonly [string, string])[] = [
  ['https://api.example/mcp', 'https://api.example/MCP'],
  ['https://api.example/mcp', 'https://api.example/mcp/'],
  ['urn:example:Orders', 'urn:example:orders'],
  ['https://User@api.example/', 'https://user@api.example/'],
  ['https://api.example', 'http://api.example'],
];

test('identifiers differ in more than the case of scheme and host, and an empty path', () => {
  for (const [one, other] of SAME) assert.ok(isSameResource(one, other), one);
  for (const [one, other] of OTHERS) assert.ok(!isSameResource(one, other), one);
});

test('every spelling of an identifier leads to the registered one', () => {
  for (const [one, other] of SAME) assert.ok(spellingsOf(one).includes(other), one);
  assert.equal(spellingsOf('HTTPS://api.example')[0], 'HTTPS://api.example');
  assert.deepEqual(spellingsOf('urn:example:orders'), ['urn:example:orders']);
});
