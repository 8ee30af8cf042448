import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Kind, startAdmin, type TestAdmin } from './support.ts';

const LIST = '/organizations/acme/probes';

describe('cursors of the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  const page = (who: Kind, query: string, path = LIST) => admin.call('GET', `${path}?${query}`, who);
  const first = async (query: string): Promise<string> => (await page('owner', query)).json.next;

  test('pages follow each other to the end', async () => {
    const found: string[] = [];
    let query = 'limit=1';
    for (let pages = 0; pages < 5; pages += 1) {
      const { json } = await page('owner', query);
      found.push(...json.items.map(({ name }: any) => name));
      if (json.next === undefined) break;
      query = `limit=1&after=${json.next}`;
    }
    assert.deepEqual(found.sort(), ['clerk', 'reader']);
  });

  test('a cursor goes on with another limit and after a restart', async () => {
    const next = await first('limit=1');
    assert.equal((await page('owner', `limit=7&after=${next}`)).json.items.length, 1);
    assert.equal((await page('owner', `after=${next}`)).json.items.length, 1);
    await admin.server.restart();
    assert.equal((await page('owner', `after=${next}`)).status, 200);
  });

  test('MT-07 a changed cursor, or one of another list or actor, is refused', async () => {
    const next = await first('limit=1&word=a');
    const other = await admin.call('GET', `${LIST}?limit=1`, 'server');
    const [cursor, mac] = next.split('.');
    const forged = `${Buffer.from('1000').toString('base64url')}.${mac}`;
    const refused: [Kind, string, string][] = [
      ['auditor', `word=a&after=${next}`, LIST],
      ['owner', `after=${next}`, LIST],
      ['owner', `word=b&after=${next}`, LIST],
      ['owner', `word=a&after=${forged}`, LIST],
      ['owner', `word=a&after=${cursor}`, LIST],
      ['owner', `word=a&after=${cursor}.`, LIST],
      ['owner', `word=a&after=${next}x`, LIST],
      ['owner', 'word=a&after=', LIST],
      ['server', `after=${other.json.next}`, '/organizations/other/probes'],
      ['owner', `after=${other.json.next}`, LIST],
    ];
    for (const [who, query, path] of refused) {
      const { status, json } = await page(who, query, path);
      assert.equal(`${status} ${json.code}`, '400 invalid_cursor', `${who} ${query}`);
    }
    assert.equal((await page('owner', `word=a&after=${next}`)).status, 200);
  });
});
