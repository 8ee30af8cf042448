/** The page as its reader follows it, with the real server and the receiver of the page. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuide, skip } from './follow.ts';

const RECEIVER = { command: 'node receiver.mjs', address: 'localhost:4000', ready: '/', port: 'PORT' };

test('the commands of docs/webhooks.md print what it shows', { skip }, async () => {
  await using guide = await openGuide('docs/webhooks.md', { servers: [RECEIVER] });
  assert.ok(guide.steps.length > 10);
  for (const step of guide.steps) await guide.follow(step);
});
