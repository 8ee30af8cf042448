import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createViews } from '../../src/http/views.ts';
import { toDuration } from '../../src/interaction/duration.ts';
import { createPages, REQUIRED_VIEWS } from '../../src/interaction/index.ts';
import { packageFolder } from '../../src/server/package-folder.ts';
import { createBrowser, createPkce } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { createFlow, type Flow } from './flow.ts';

const SCRIPT = '"><script>alert(1)</script>';

describe('errors that no client can be told of', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer();
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('AZ-01 WB-06 an unknown client or address gets an escaped page, no redirect', async () => {
    for (const parameters of [
      { client_id: SCRIPT },
      { client_id: 'nope' },
      { redirect_uri: `https://evil.example/${SCRIPT}` },
      { redirect_uri: 'javascript:alert(1)' },
      { redirect_uri: undefined },
    ]) {
      const page = await createBrowser(server.issuer).get(flow.request(parameters).url);
      const what = JSON.stringify(parameters);
      assert.equal(page.status, 400, what);
      assert.equal(new URL(page.url).origin, server.issuer, what);
      assert.match(page.text, /Something went wrong/);
      assert.doesNotMatch(page.text, /<script|evil\.example/, what);
    }
  });

  test('TE-12 pages for interactions that are not there say nothing of our insides', async () => {
    const browser = createBrowser(server.issuer);
    for (const path of [
      '/interaction/x',
      '/interaction/%00',
      '/interaction/a%2Fb/login',
      '/interaction/x/nope',
    ]) {
      const page = await browser.get(server.issuer + path);
      assert.ok([400, 404].includes(page.status), `${path} ${page.status}`);
      assert.doesNotMatch(page.text, /node_modules|\.ts|oidc-provider|at \w+ \(/);
      assert.ok(page.headers.get('x-request-id'));
      assert.doesNotMatch(page.text, new RegExp(String(page.headers.get('x-request-id'))));
    }
  });

  test('AZ-15 the way back from a form’s address stays on this server', async () => {
    for (const uid of [
      '%2F%2Fevil.example',
      '%5Cevil.example',
      '..%2F..',
      '%0d%0aLocation:%20https:%2F%2Fevil.example',
    ]) {
      const answer = await fetch(`${server.issuer}/interaction/${uid}/login`, { redirect: 'manual' });
      const location = new URL(answer.headers.get('location') ?? '/', server.issuer);
      assert.equal(location.origin, server.issuer, uid);
      assert.match(location.pathname, /^\/interaction\//, uid);
    }
  });

  test('AZ-12 the address of an interaction alone gives no page', async () => {
    const { url } = flow.request({}, createPkce());
    const page = await createBrowser(server.issuer).get(url);
    const bare = await fetch(page.url, { headers: { accept: 'text/html' } });
    assert.equal(bare.status, 400);
  });
});

test('TE-12 the page of a server error names the request and nothing else', async () => {
  const views = createViews({ folders: [packageFolder('views')], required: REQUIRED_VIEWS });
  const { renderError } = createPages({ views });
  const draw = async (status: number) => {
    const ctx = { status, state: { requestId: 'r-42' }, type: '', body: '' };
    const out = { error: 'server_error', error_description: 'oops! something went wrong' };
    await renderError(ctx as never, out as never, new Error('SQLITE_BUSY at /srv/secret.db'));
    return ctx;
  };
  const broken = await draw(500);
  assert.equal(broken.type, 'html');
  assert.match(broken.body, /<code>r-42<\/code>/);
  assert.doesNotMatch(broken.body, /SQLITE|secret/);
  assert.doesNotMatch((await draw(400)).body, /r-42/);
});

test('lengths of time are spelled for people', () => {
  assert.equal(toDuration(3_600), '1 hour');
  assert.equal(toDuration(30 * 86_400), '30 days');
  assert.equal(toDuration(5_400), '1 hour 30 minutes');
  assert.equal(toDuration(86_401), '1 day 1 second');
});
