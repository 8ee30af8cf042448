/** The page as its reader follows it: its commands, copied out of it, with the real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuide, skip } from './follow.ts';

test('the commands of docs/agents.md print what it shows', { skip }, async () => {
  await using guide = await openGuide('docs/agents.md');
  assert.ok(guide.steps.length > 2);
  for (const step of guide.steps) await guide.follow(step);
});
