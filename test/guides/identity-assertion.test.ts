/** The guide as its reader follows it, with the real server and the script in place of an identity provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuide, skip } from './follow.ts';

test('the commands of docs/guides/identity-assertion.md print what it shows', { skip }, async () => {
  await using guide = await openGuide('docs/guides/identity-assertion.md');
  assert.ok(guide.steps.length > 6);
  for (const step of guide.steps) await guide.follow(step);
});
