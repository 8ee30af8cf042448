/** What all operations share, over an operation of a noun that has a secret. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startAdmin, type TestAdmin } from './support.ts';

const LIST = '/organizations/acme/applications';

describe('applications over the administration API', () => {
  let admin: TestAdmin;
  before(async () => {
    admin = await startAdmin();
  });
  after(() => admin[Symbol.asyncDispose]());

  test('a creation that is sent again gives the same working secret for ten minutes', async () => {
    const json = { name: 'portal', grants: ['client_credentials'] };
    const create = async () => {
      const headers = { 'idempotency-key': 'portal' };
      return admin.call('POST', LIST, undefined, { token: await admin.token('owner'), json, headers });
    };
    const first = await create();
    assert.equal(first.status, 201, first.text);
    assert.deepEqual((await create()).json, first.json);
    const { clientSecret, ...told } = first.json;
    const { status } = await admin.server.post('/oauth/token', undefined, {
      grant_type: 'client_credentials',
      client_id: told.clientId,
      client_secret: clientSecret,
    });
    assert.notEqual(status, 401);
    admin.server.clock.offset += 601_000;
    assert.deepEqual((await create()).json, told);
  });

  test('of 50 changes with one If-Match, one wins', async () => {
    const token = await admin.token('owner');
    const made = await admin.call('POST', LIST, undefined, {
      token,
      json: { name: 'wanted', grants: ['client_credentials'] },
    });
    const path = `${LIST}/${made.json.id}`;
    const headers = { 'if-match': '"1"' };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        admin.call('PATCH', path, undefined, { token, headers, json: { name: `wanted-${index}` } }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array.from({ length: 49 }, () => 412)]);
  });

  test('a wrong member is named by its path', async () => {
    const token = await admin.token('owner');
    const { status, json } = await admin.call('POST', LIST, undefined, { token, json: { nam: 'x' } });
    assert.equal(status, 422);
    assert.deepEqual(
      json.errors.map(({ path }: any) => path),
      ['/name', '/nam'],
    );
  });

  test('a query or a body that is wrong as a whole is called so', async () => {
    const token = await admin.token('owner');
    const query = await admin.call('GET', `${LIST}?name=a&clientId=b`, undefined, { token });
    assert.equal(query.json.detail, 'The query has several of name, clientId, resource: give one.');
    const body = await admin.call('POST', LIST, undefined, { token, json: [] });
    assert.equal(body.json.detail, 'the content must be a group of keys, but is a list.');
  });
});
