import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';

/** As many as fill so many pages that a page more or less does not count. */
const TOKENS = 400;

test('a token of a client takes 320 bytes of the file, with its indexes', async (t) => {
  await using server = await startServer();
  const database = new DatabaseSync(join(server.dataDir, 'grantable.db'), { readOnly: true });
  const read = (sql: string) => Number(Object.values(database.prepare(sql).get() ?? {})[0]);
  const ask = async (count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, () => server.token('machine')));
    for (const { status } of answers) assert.equal(status, 200);
  };
  await ask(20);
  const before = read('PRAGMA page_count');
  for (let made = 0; made < TOKENS; made += 50) await ask(50);
  const bytes = ((read('PRAGMA page_count') - before) * read('PRAGMA page_size')) / TOKENS;
  const own = read('SELECT avg(length(document)) FROM tokens');
  t.diagnostic(
    `${bytes.toFixed(0)} bytes of the file for each token, ${own.toFixed(0)} of them its own document`,
  );
  assert.equal(read('SELECT count(DISTINCT shared) FROM tokens'), 1);
  assert.ok(own < 160, `${own} bytes`);
  assert.ok(bytes < 320, `${bytes} bytes`);
  database.close();
});
