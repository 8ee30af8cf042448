/** The audit log says of a refused request which status its client saw, whichever face answered. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';

const json = (body: unknown, headers = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});
const basic = (id: string, secret: string) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` });

/** Requests that the token service refuses, and the statuses with which each face tells that. */
const REFUSED: Record<string, readonly (readonly [path: string, init: RequestInit, status: number])[]> = {
  devicehive: [['/token', json({ login: 'ann', password: 'wrong' }), 401]],
  apiMaker: [
    ['/api/system-api/acme/token', json({ authTokenType: 'AM', authTokenAM: { u: 'ann', p: 'wrong' } }), 401],
  ],
  usergrid: [
    ['/acme/shop/token', json({ grant_type: 'password', username: 'ann', password: 'wrong' }), 400],
    ['/acme/shop/users/bob', { headers: basic('shop', 'wrong') }, 401],
  ],
  fusio: [
    ['/consumer/login', json({ username: 'ann', password: 'wrong' }), 400],
    ['/authorization/token', json({ grant_type: 'client_credentials' }, basic('shop', 'wrong')), 401],
  ],
  sunbreak: [
    [
      '/api/database/connection',
      json({ data: [{ email: 'ann', password: 'wrong' }], context: { domain: 'shop.example' } }),
      403,
    ],
  ],
};

for (const [face, requests] of Object.entries(REFUSED)) {
  describe(`a refused request to ${face}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({
        fixture(fixture) {
          fixture.organizations[0].faces = { [face]: face === 'usergrid' ? {} : { application: 'shop' } };
        },
      });
    });
    after(() => server[Symbol.asyncDispose]());

    for (const [path, init, expected] of requests) {
      test(`is in the audit log with the status of the answer: ${path}`, async () => {
        const { status, headers } = await fetch(server.issuer + path, init);
        const { entries } = await server.server.foundations.storage.audit.page({ limit: 10 });
        const id = headers.get('x-request-id');
        const row = entries.find(({ event, requestId }) => event === 'request.refused' && requestId === id);
        assert.deepEqual([status, row?.details?.status], [expected, expected]);
      });
    }
  });
}
