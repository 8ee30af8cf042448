/** The guide as its reader follows it. The official client of MCP takes the place of the products that the page names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agents/official-client.ts';
import { openPerson } from '../agents/person.ts';
import { chromiumMissing, startChromium, startSite } from '../support/chromium.ts';
import { type Guide, openGuide, skip } from './follow.ts';

const EXAMPLE = {
  command: 'npm run -s example:mcp',
  address: 'localhost:8090',
  ready: '/.well-known/oauth-protected-resource/mcp',
  port: 'PORT',
};

/** Lets a client in and calls two tools, as the page says of the reader's client. */
async function useClient(guide: Guide): Promise<void> {
  await using callback = await startSite();
  const chromium = await startChromium();
  try {
    const url = guide.here('http://localhost:8090/mcp');
    await using agent = createAgent({ url, redirectUri: `${callback.origin}/callback` });
    await using person = await openPerson(chromium, { username: 'mia', password: 'correct-horse-battery' });
    await agent.call('list_orders', {}, person.allow);
    await agent.call('create_order', { customer: 42, product: 1, amount: 2 }, person.allow);
    assert.match(person.consent, /new/);
  } finally {
    await chromium.close();
  }
}

test('the commands of docs/guides/mcp.md print what it shows', {
  skip: skip || chromiumMissing(),
}, async () => {
  await using guide = await openGuide('docs/guides/mcp.md', { servers: [EXAMPLE] });
  assert.ok(guide.steps.length > 5);
  for (const step of guide.steps) {
    if (step.kind === 'type' && step.commands.includes('agent list')) await useClient(guide);
    await guide.follow(step);
  }
});
