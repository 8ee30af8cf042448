/** Stops of real processes at awkward moments. Each ends with 0, in its time, and says what was left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { basic, FIXTURE, PASSWORD, secretOf } from '../support/server.ts';
import { until } from '../support/until.ts';
import { childrenOf, openTerminal, start } from './run.ts';

const ENDED = { code: 0, signal: null };

async function begin(t: TestContext, file: object, env: Record<string, string>) {
  const terminal = await openTerminal(t, {
    GRANTABLE_APPLY: 'apply.json',
    GRANTABLE_LOG_LEVEL: 'info',
    ...env,
  });
  await writeFile(join(terminal.dataDir, 'apply.json'), JSON.stringify(file));
  const server = start(terminal, ['serve']);
  t.after(() => server.child.kill('SIGKILL'));
  return { terminal, server, untilSaid: (text: string) => until(text, () => server.said().includes(text)) };
}

test('a stop leaves a receiver of webhooks that does not answer', { timeout: 60_000 }, async (t) => {
  const sockets: Socket[] = [];
  const receiver = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    receiver.close();
  });
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const webhooks = [{ name: 'crm', url: `http://${host}/in`, events: ['user.*'] }];
  const organization = (users: object[]) => ({ organizations: [{ name: 'acme', users, webhooks }] });
  const { terminal, server, untilSaid } = await begin(t, organization([]), {
    GRANTABLE_WEBHOOK_HOSTS: host,
    GRANTABLE_SHUTDOWN_SECONDS: '0',
  });
  await untilSaid('"ready"');
  await writeFile(join(terminal.dataDir, 'more.json'), JSON.stringify(organization([{ username: 'ann' }])));
  const { code, err } = await terminal.run(['apply', 'more.json']);
  assert.equal(code, 0, err);
  await until('an event is being sent', () => sockets.length > 0);
  server.child.kill('SIGTERM');
  assert.deepEqual(await server.ended, ENDED, server.said());
  assert.match(server.said(), /"msg":"work in the background: not brought to the end"/);
  assert.match(server.said(), /"msg":"stopped, but not all was brought to its end"\}\n$/);
});

test('a stop that is asked for cuts a start that takes long', { timeout: 60_000 }, async (t) => {
  const users = Array.from({ length: 200 }, (_, at) => ({ username: `user-${at}`, password: PASSWORD }));
  const { terminal, server } = await begin(
    t,
    { organizations: [{ name: 'acme', users }] },
    { GRANTABLE_BCRYPT_COST: '13', GRANTABLE_SHUTDOWN_SECONDS: '0' },
  );
  await until('it listens', () =>
    fetch(`http://localhost:${terminal.env.GRANTABLE_PORT}/healthz`).catch(() => undefined),
  );
  server.child.kill('SIGTERM');
  assert.deepEqual(await server.ended, ENDED, server.said());
  assert.match(server.said(), /"msg":"cut off: it did not start and stop in time"/);
});

test('a worker that is told twice to stop answers what is under way', { timeout: 60_000 }, async (t) => {
  const { terminal, server, untilSaid } = await begin(t, FIXTURE, { GRANTABLE_WORKERS: '2' });
  await untilSaid('all workers are ready');
  const form = 'grant_type=client_credentials';
  const sent = request(`http://localhost:${terminal.env.GRANTABLE_PORT}/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: basic('machine', secretOf('machine')),
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': form.length,
      expect: '100-continue',
    },
  });
  sent.flushHeaders();
  await once(sent, 'continue');
  // As a supervisor does that signals each process of a group.
  for (const pid of childrenOf(server.child.pid)) process.kill(pid, 'SIGTERM');
  await untilSaid('"stopped"');
  server.child.kill('SIGTERM');
  sent.end(form);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(answer.statusCode, 200, (await answer.toArray()).join(''));
  assert.deepEqual(await server.ended, ENDED, server.said());
});
