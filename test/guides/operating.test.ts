/** The page as its reader follows it: the proxy that it shows, the log and the metrics behind it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openTerminal, start } from '../cli/run.ts';
import { freePort } from '../support/free-port.ts';
import { nginxMissing, startNginx } from '../support/nginx.ts';
import { until } from '../support/until.ts';

const HOST = 'login.acme.example';
const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'operating.md'), 'utf8');

/** What stands in the page's `server` block, without TLS. */
function readServerBlock(port: number): string {
  const block = /^```nginx\nserver \{\n([\s\S]*?)^\}\n```/m.exec(page)?.[1] ?? '';
  return block.replace(/^ *(?:listen|ssl_).*\n/gm, '').replace('127.0.0.1:3000', `127.0.0.1:${port}`);
}

/** Asks nginx as a browser does that was given the name of the server. */
function get(port: number, path: string, headers = {}): Promise<{ status?: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, headers: { host: HOST, ...headers } }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      resolve({ ...(answer.statusCode !== undefined && { status: answer.statusCode }), text });
    });
    asked.on('error', reject).end();
  });
}

/** A server as the page starts one, and an nginx before it with what the page shows. */
async function open(t: TestContext, change = (block: string): string => block) {
  const terminal = await openTerminal(t, {
    NODE_ENV: 'production',
    GRANTABLE_ISSUER: `https://${HOST}`,
    GRANTABLE_TRUSTED_PROXIES: '127.0.0.1',
    GRANTABLE_MASTER_KEY: randomBytes(32).toString('hex'),
    GRANTABLE_METRICS_TOKEN: 'metrics-of-the-operator-0123456789',
    GRANTABLE_LOG_LEVEL: 'info',
    GRANTABLE_BCRYPT_COST: '10',
  });
  await writeFile(join(terminal.dataDir, 'acme.yaml'), 'organizations: [{ name: acme }]');
  assert.equal((await terminal.run(['apply', 'acme.yaml'])).code, 0);
  const { child, ended, said } = start(terminal, ['serve']);
  t.after(() => {
    child.kill();
    return ended;
  });
  await until('the server is ready', async () => said().includes('"msg":"ready"'));
  const own = Number(terminal.env.GRANTABLE_PORT);
  const port = await freePort();
  const block = `listen 127.0.0.1:${port}; ${change(readServerBlock(own))}`;
  const nginx = await startNginx({}, block);
  t.after(() => nginx[Symbol.asyncDispose]());
  const lines = () =>
    said()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  /** The line of a path, once it is written. */
  const lineOf = async (path: string) => {
    await until('the line is written', async () => lines().some((line) => line.path === path));
    return lines().findLast((line) => line.path === path);
  };
  return { port, own, lineOf };
}

test('behind the nginx of docs/operating.md clients keep their addresses', {
  skip: nginxMissing(),
}, async (t) => {
  const { port, own, lineOf } = await open(t);
  const path = '/.well-known/openid-configuration';
  const { status, text } = await get(port, path, { 'x-forwarded-for': '198.51.100.1' });
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).issuer, `https://${HOST}`);
  const line = await lineOf(path);
  // nginx and the client are on one machine here; what the client wrote itself is gone.
  assert.equal(line.address, '127.0.0.1');
  assert.match(line.requestId, /^[0-9a-f]{32}$/);
  for (const member of Object.keys(line)) {
    assert.ok(page.includes(`"${member}":`) || page.includes(`\`${member}\``), member);
  }

  assert.equal((await get(port, '/metrics')).status, 404);
  const bearer = { authorization: 'Bearer metrics-of-the-operator-0123456789' };
  assert.equal((await get(port, '/metrics', bearer)).status, 200);
  const direct = await get(own, '/metrics', { host: `127.0.0.1:${own}` });
  const named = [...direct.text.matchAll(/^# TYPE (grantable_\w+)/gm)].map(([, name]) => name);
  const listed = [...page.matchAll(/^\| `(grantable_\w+)`/gm)].map(([, name]) => name);
  assert.deepEqual(listed.filter((name) => name !== 'grantable_workers').sort(), named.sort());
});

test('without the Host header the log has the host that arrived', { skip: nginxMissing() }, async (t) => {
  const { port, own, lineOf } = await open(t, (block) => block.replace(/^.*Host \$.*\n/m, ''));
  const { status, text } = await get(port, '/oauth/jwks');
  assert.equal(status, 421);
  assert.equal(JSON.parse(text).error, 'misdirected_request');
  assert.equal((await lineOf('/oauth/jwks')).reason, `host "127.0.0.1:${own}"`);
});
