import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSWORD, startServer } from '../support/server.ts';

const MARK = '\uFEFF';

test('a byte order mark before JSON is skipped, whatever the charset says', async () => {
  await using server = await startServer({
    fixture: ({ organizations: [acme] }) => {
      const shop = { application: 'shop' };
      acme.faces = { devicehive: shop, usergrid: {}, fusio: shop };
      acme.applications.find(({ name }: any) => name === 'shop').grants.push('token_exchange');
    },
  });
  const send = async (path: string, text: string, type: string) =>
    fetch(server.issuer + path, { method: 'POST', headers: { 'content-type': type }, body: text });
  const logins: [path: string, body: object][] = [
    ['/token', { login: 'bob', password: PASSWORD }],
    ['/acme/shop/token', { grant_type: 'password', username: 'bob', password: PASSWORD }],
    ['/consumer/login', { username: 'bob', password: PASSWORD }],
  ];
  for (const [path, body] of logins) {
    const json = JSON.stringify(body);
    for (const type of ['application/json', 'application/json; charset=iso-8859-1']) {
      for (const text of [json, MARK + json]) {
        const answer = await send(path, text, type);
        assert.ok(
          answer.ok,
          `${path} ${type} ${JSON.stringify(text)}: ${answer.status} ${await answer.text()}`,
        );
      }
    }
    const twice = await send(path, MARK + MARK + json, 'application/json');
    assert.equal(twice.status, 400, path);
  }
});
