import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAssets } from '../../src/http/assets.ts';
import { BadViews, createViews } from '../../src/http/views.ts';
import { packageFolder } from '../../src/server/package-folder.ts';
import { startShell } from './shell.ts';

async function folderWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-views-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

const builtin = packageFolder('views');
const required = ['layout', 'error'];

test('pages escape what they are given, quotes included', () => {
  const views = createViews({ folders: [builtin], required });
  const page = views.render('error', { error: '<b>', description: `"><script>'x'</script>&` });
  assert.match(page, /&lt;b&gt;/);
  assert.match(page, /&quot;&gt;&lt;script&gt;&#39;x&#39;&lt;\/script&gt;&amp;/);
  assert.doesNotMatch(page, /<script|style=|onload/);
  assert.match(page, /<link rel="stylesheet" href="\/assets\/grantable\.css">/);
});

test('an operator’s template comes first, the others stay', async (t) => {
  const own = await folderWith(t, { 'layout.eta': '<h1>Acme</h1><%~ it.body %>' });
  const views = createViews({ folders: [own, builtin], required });
  const page = views.render('error', { error: 'e', description: 'd' });
  assert.match(page, /^<h1>Acme<\/h1>/);
  assert.match(page, /<code>e<\/code>/);
});

test('a missing or broken template is said at start, by name', async (t) => {
  assert.throws(
    () => createViews({ folders: [builtin], required: ['error', 'nowhere'] }),
    (error) => error instanceof BadViews && /none of the folders of views: nowhere/.test(error.message),
  );
  const broken = await folderWith(t, { 'error.eta': '<% if ( %>' });
  assert.throws(
    () => createViews({ folders: [broken, builtin], required }),
    (error) => error instanceof BadViews && error.message.includes(join(broken, 'error.eta')),
  );
  const views = createViews({ folders: [builtin], required });
  assert.throws(() => views.render('nowhere', {}), BadViews);
});

test('a page that fails while it is drawn does not hide the error it was for', async (t) => {
  const own = await folderWith(t, { 'error.eta': '<%= it.nothing.there %>' });
  const views = createViews({ folders: [own, builtin], required });
  await using shell = await startShell({ views });
  const reply = await shell.ask('/nowhere', { headers: { Accept: 'text/html' } });
  assert.equal(reply.status, 404);
  assert.equal(reply.text, 'There is nothing at this path.\n');
  assert.match(String(reply.headers['content-type']), /^text\/plain/);
  assert.match(shell.log[0]?.msg, /could not be drawn/);
});

test('the stylesheet is served by its exact name only, and revalidated cheaply', async () => {
  await using shell = await startShell();
  const css = await shell.ask('/assets/grantable.css');
  assert.equal(css.status, 200);
  assert.equal(css.headers['content-type'], 'text/css; charset=utf-8');
  assert.equal(css.headers['cache-control'], 'public, max-age=300');
  assert.match(css.text, /:root/);
  const again = await shell.ask('/assets/grantable.css', {
    headers: { 'If-None-Match': String(css.headers.etag) },
  });
  assert.equal(again.status, 304);
  assert.equal(again.text, '');
  for (const path of [
    '/assets/',
    '/assets/error.eta',
    '/assets/../package.json',
    '/assets/..%2fpackage.json',
    '/assets/%2e%2e/package.json',
    '/assets//grantable.css',
    '/assets/grantable.css/',
    '/assets/grantable.css%00',
    '/assets/constructor',
    '/assets/__proto__',
  ]) {
    assert.equal((await shell.ask(path)).status, 404, path);
  }
});

test('an operator’s stylesheet comes first, and one must be there', async (t) => {
  const own = await folderWith(t, { 'grantable.css': 'body { color: red }' });
  await using shell = await startShell({ viewFolders: [own, builtin] });
  assert.equal((await shell.ask('/assets/grantable.css')).text, 'body { color: red }');
  const empty = await folderWith(t, {});
  assert.throws(() => createAssets({ folders: [empty] }), /grantable\.css/);
});
