import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startAdmin, type TestAdmin } from './support.ts';

describe('administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  test('a token lists what its organization has', async () => {
    const { status, json } = await admin.call('GET', '/organizations/acme/probes', 'auditor');
    assert.equal(status, 200);
    assert.deepEqual(json.items.map(({ name }: any) => name).sort(), ['clerk', 'reader']);
  });
});
