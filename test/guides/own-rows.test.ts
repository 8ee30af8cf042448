/** The guide as its reader follows it: its commands, copied out of the page, with the real server and the example. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuide, skip } from './follow.ts';

const EXAMPLE = {
  command: 'npm run -s example',
  address: 'localhost:8080',
  ready: '/health',
  port: 'PORT',
};

test('the commands of docs/guides/own-rows.md print what it shows', { skip }, async () => {
  await using guide = await openGuide('docs/guides/own-rows.md', { servers: [EXAMPLE] });
  assert.ok(guide.steps.length > 15);
  for (const step of guide.steps) await guide.follow(step);
});
