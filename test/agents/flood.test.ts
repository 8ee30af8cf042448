/** A stranger who asks for many agents that are not there, at a server that lets any agent in. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { createLogger } from '../../src/http/log.ts';
import { createBrowser } from '../support/browser.ts';
import { type AgentServer, startAgentServer } from './support.ts';

const { GRANTABLE_TEST_LONG, GRANTABLE_TEST_STORAGE } = process.env;
const IDS = GRANTABLE_TEST_LONG ? 10_000 : 1_000;
/** The rows of the store are counted in its file. */
const skip = GRANTABLE_TEST_STORAGE === 'mongodb';

describe('a flood of URLs as client ids', () => {
  let acme: AgentServer;
  const lines: string[] = [];
  before(async () => {
    acme = await startAgentServer(undefined, {
      env: { GRANTABLE_AUTHORIZATION_LIMIT: '100000/1m' },
      log: createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    });
  });
  after(() => acme[Symbol.asyncDispose]());

  /** Rows of each table of the store. */
  function countRows(): Record<string, number> {
    const { storage } = acme.server.server.foundations.config;
    assert.equal(storage.kind, 'sqlite');
    const database = new DatabaseSync(storage.path, { readOnly: true });
    const names = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const counts = names.map(({ name }) => {
      const row = database.prepare(`SELECT count(*) AS rows FROM "${name}"`).get();
      return [String(name), Number(row?.rows)] as const;
    });
    database.close();
    return Object.fromEntries(counts);
  }

  test('DO-09 leaves the store with counts only, and 30 fetches were made', { skip }, async () => {
    const { publisher } = acme;
    const before = countRows();
    lines.length = 0;
    const statuses = new Map<number, number>();
    const ask = async (index: number): Promise<void> => {
      const { url } = acme.request({
        clientId: publisher.urlOf(`/${index}/${'a'.repeat(400)}`, 'localhost'),
      });
      const { status } = await fetch(url, { redirect: 'manual' });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    };
    for (let index = 0; index < IDS; index += 20)
      await Promise.all(Array.from({ length: 20 }, (_, offset) => ask(index + offset)));
    assert.deepEqual(Object.fromEntries(statuses), { 400: 30, 429: IDS - 30 });
    assert.equal(publisher.requests.length, 30);
    const grown = Object.entries(countRows()).filter(([name, rows]) => rows !== before[name]);
    // One line of each request, however long its id is.
    assert.equal(lines.length, IDS);
    assert.ok(Math.max(...lines.map(({ length }) => length)) < 1_000, lines[0]);
    // Of authorization requests and of fetches, for the address and for the host.
    assert.deepEqual(grown, [['counters', (before.counters ?? 0) + 3]]);
  });

  test('CN-01 a person reads why a private host is not asked', async () => {
    await using other = await startAgentServer();
    const browser = createBrowser(other.server.issuer);
    const { url } = other.request({ clientId: 'https://localhost:1/agent.json' });
    const page = await browser.get(url);
    assert.equal(page.status, 400, page.text);
    assert.match(page.text, /cannot be fetched: an https server at a public address must answer in time\./);
    for (const host of ['169.254.169.254', '[::ffff:7f00:1]', '10.0.0.1']) {
      const refused = await browser.get(other.request({ clientId: `https://${host}/agent.json` }).url);
      assert.match(refused.text, /not at a public address/);
    }
    assert.deepEqual(other.publisher.requests, []);
  });
});
