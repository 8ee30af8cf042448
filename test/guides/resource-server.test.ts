/** The first steps of the page as their reader follows them: the API that it shows, and what it answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGuide, skip } from './follow.ts';

const API = { command: 'node api.mjs', address: 'localhost:8080', ready: '/health', port: 'PORT' };

test('the first API of docs/resource-server.md answers as the page shows', { skip }, async () => {
  await using guide = await openGuide('docs/resource-server.md', { servers: [API] });
  const [save, start, ...others] = guide.steps;
  assert.ok(save?.kind === 'save' && start?.kind === 'type');
  const text = save.text.replace('app.listen(8080)', 'app.listen(process.env.PORT)');
  await guide.follow({ ...save, text });
  // In a clone the library is found as it is in its sources.
  const secret = "$(grep -om1 'demo-api:[^ ]*' data/quickstart.txt | cut -d: -f2)";
  const commands = `until [ -f data/quickstart.txt ]; do sleep 0.1; done; NODE_OPTIONS=--conditions=grantable-source ${start.commands.replace('SECRET-OF-demo-api', `"${secret}"`)}`;
  await guide.follow({ kind: 'type', commands: 'npm start' });
  await guide.follow({ ...start, commands });
  for (const step of others.slice(0, 2)) {
    assert.ok(step.kind === 'type' && step.output !== undefined);
    await guide.follow(step);
  }
});
