import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLogger } from '../../src/http/log.ts';
import { SystemRequestRefused, type SystemTokenRequest } from '../../src/index.ts';
import { StoreUnavailable } from '../../src/storage/contract.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const login = (p: string): SystemTokenRequest => ({ authTokenType: 'AM', authTokenAM: { u: 'ann', p } });

const refusal = (call: Promise<unknown>): Promise<SystemRequestRefused> =>
  call.then(
    () => assert.fail('it was not refused'),
    (error) => {
      assert.ok(error instanceof SystemRequestRefused);
      return error;
    },
  );

describe('server.system.getToken', () => {
  let server: TestServer;
  const lines: string[] = [];
  before(async () => {
    server = await startServer({
      env: { GRANTABLE_FACE_PREFIXES: 'apiMaker=/am' },
      log: createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } }),
      fixture(fixture) {
        fixture.organizations[0].faces = { apiMaker: { application: 'shop' } };
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const lastLine = () => JSON.parse(lines.at(-1) ?? '{}');

  test('it does not depend on the path of the face', async () => {
    const { token } = await server.server.system.getToken(login(PASSWORD), 'acme');
    assert.equal((await server.introspect(token)).username, 'ann');
  });

  test('a request is logged and counted like one over HTTP', async () => {
    await server.server.system.getToken(login(PASSWORD), 'acme');
    const { msg, method, path, status, clientId } = lastLine();
    assert.deepEqual(
      [msg, method, path, status, clientId],
      ['request', 'POST', '/api/system-api/acme/token', 200, 'acme.apiMaker'],
    );
    const metrics = await (await fetch(`${server.issuer}/metrics`)).text();
    assert.match(metrics, /grantable_tokens_issued_total\{grant="password"\} 2/);
  });

  test('a refused request has the same id in the log and in the audit', async () => {
    const error = await refusal(server.server.system.getToken(login('wrong'), 'acme'));
    assert.deepEqual([error.statusCode, error.message], [401, 'the user name or the password is wrong']);
    const { requestId, status, reason } = lastLine();
    assert.deepEqual([status, typeof reason], [401, 'string']);
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 10 });
    const entry = entries.find((each) => each.event === 'request.refused' && each.requestId === requestId);
    assert.equal(entry?.client, 'acme.apiMaker');
  });

  test('a store that is away is told as over HTTP, and the error has the cause', async (t) => {
    const { directory } = server.server.foundations.storage;
    const away = new StoreUnavailable('away');
    const { mock } = t.mock.method(directory, 'revision', () => Promise.reject(away));
    // So that the view of the directory is not the one of a moment ago.
    server.clock.offset += 60_000;
    const error = await refusal(server.server.system.getToken(login(PASSWORD), 'acme'));
    const line = lastLine();
    const response = await fetch(`${server.issuer}/am/api/system-api/acme/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(login(PASSWORD)),
    });
    mock.restore();
    const body: any = await response.json();
    assert.deepEqual([error.statusCode, error.message], [response.status, body.error_description]);
    assert.deepEqual([error.statusCode, error.cause], [503, away]);
    assert.deepEqual([line.status, line.reason, line.err], [503, 'StoreUnavailable', undefined]);
  });

  test('a malformed request names the field', async () => {
    const error = await refusal(server.server.system.getToken({} as never, 'acme'));
    assert.deepEqual([error.statusCode, error.errors[0]?.field], [400, 'authTokenType']);
  });

  test('an organization without the face is named', async () => {
    const error = await refusal(server.server.system.getToken(login(PASSWORD), 'nowhere'));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /"nowhere"/);
    assert.equal(lastLine().status, 404);
  });

  test('MT-02 a call without an organization does not mean the default one', async () => {
    for (const organization of [undefined, null, '', '\ud800'] as never[]) {
      const error = await refusal(server.server.system.getToken(login(PASSWORD), organization));
      assert.equal(error.statusCode, 404, String(organization));
    }
  });

  test('wrong passwords are throttled as over HTTP', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      statuses.push((await refusal(server.server.system.getToken(login('wrong'), 'acme'))).statusCode);
    }
    assert.equal(statuses[0], 401);
    assert.equal(statuses.at(-1), 429);
  });
});
