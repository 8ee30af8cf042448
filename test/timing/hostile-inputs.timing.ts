import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findableEmail, findableUsername } from '../../src/nouns/usernames.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { floods } from '../accounts/floods.ts';
import { hostileForms } from '../http/hostile-forms.ts';
import { startShell } from '../http/shell.ts';
import { createTooLarge } from '../permissions/too-large.ts';
import { ratioOf, untilWithin } from './compare.ts';

const LARGEST_FORM = 56 * 1024;

async function costsAtMost(most: number, hostile: () => unknown, harmless: () => unknown): Promise<void> {
  const ratio = await untilWithin({ most }, () => ratioOf(hostile, harmless, { tries: 9 }));
  assert.ok(ratio <= most, `takes ${ratio.toFixed(1)} times as long`);
}

describe('PM-05 refusing very large permissions costs no more than 20 large ones', () => {
  const { tables, attempts } = createTooLarge();
  const largest = { tables: Object.fromEntries(Object.entries(tables).slice(0, 1_000)) };
  for (const [name, attempt] of Object.entries(attempts)) {
    test(name, () =>
      costsAtMost(
        20,
        () => assert.throws(attempt),
        () => parsePermissions(largest, { unknownFlags: 'refuse' }),
      ),
    );
  }
});

test('DO-08 names of 100 KB cost no more than 20 times those of 250 bytes', async () => {
  const [long, short] = [floods(100_000), floods(250)];
  const find = (names: readonly string[]) => () => {
    for (const name of names) {
      findableUsername(name);
      findableEmail(name);
    }
  };
  await costsAtMost(20, find(long), find(short));
});

test('DO-06 a hostile form costs no more than 20 times a harmless one of its size', async () => {
  await using shell = await startShell({
    routes: [
      (ctx) => {
        ctx.body = { form: ctx.state.form };
      },
    ],
  });
  const post = (body: string) => async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    assert.equal((await shell.ask('/oauth/token', { method: 'POST', headers, body })).status, 200);
  };
  for (const form of hostileForms(LARGEST_FORM)) {
    await costsAtMost(20, post(form), post(`a=${'x'.repeat(LARGEST_FORM - 2)}`));
  }
});
