/** A server that a stranger attacks from one address, and an honest client beside it. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { crmDatasource, writeCrm } from '../support/crm.ts';
import { freePort } from '../support/free-port.ts';
import { basic, FIXTURE, PASSWORD } from '../support/server.ts';
import { type ChildServer, createChildServer, secretOf } from './child-server.ts';

const STRANGER = '127.0.0.66';

async function prepare(dataDir: string): Promise<void> {
  writeCrm(dataDir, 'right');
  const fixture: any = structuredClone(FIXTURE);
  const [acme] = fixture.organizations;
  acme.applications.push({
    name: 'public',
    clientId: 'public',
    authMethod: 'none',
    grants: ['password', 'database_user'],
    resource: acme.resources[0].identifier,
  });
  acme.users.push({ username: 'bob', password: PASSWORD, application: 'public' });
  acme.faces = { apiMaker: { application: 'shop' } };
  acme.datasources = [crmDatasource('public')];
  await writeFile(join(dataDir, 'apply.json'), JSON.stringify(fixture));
}

export interface AttackedServer {
  readonly server: ChildServer;
  readonly dataDir: string;
  readonly port: number;
}

/** Ended with the test. */
export async function startAttackedServer(t: TestContext): Promise<AttackedServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-strangers-'));
  await prepare(dataDir);
  const port = await freePort();
  // The limit that servers have unless they are told otherwise: what the store takes does not grow with the time.
  const env = { GRANTABLE_LOG_LEVEL: 'info', GRANTABLE_AUTHORIZATION_LIMIT: '120/1m' };
  const server = await createChildServer({ dataDir, port, env });
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });
  await server.start();
  return { server, dataDir, port };
}

/** Resolves when the attack has begun; it goes on until the process is killed. */
export async function startStranger(port: number): Promise<ChildProcess> {
  const stranger = fork(join(import.meta.dirname, 'stranger.ts'), [String(port), STRANGER]);
  await once(stranger, 'message');
  return stranger;
}

/** Tokens, introspections and sometimes a login, on connections of its own, which all have to succeed. */
export function createHonestClient(port: number) {
  const agent = new Agent({ keepAlive: true });
  let round = 0;
  async function ask(path: string, client: string, form: Record<string, string>): Promise<string> {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      agent,
      method: 'POST',
      headers: {
        Host: `localhost:${port}`,
        Authorization: basic(client, secretOf(client)),
        'Content-Type': 'application/x-www-form-urlencoded',
      },
    });
    sent.end(new URLSearchParams(form).toString());
    const [answer] = await once(sent, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    assert.equal(answer.statusCode, 200, `${path} ${text}`);
    return text;
  }
  return {
    close: () => agent.destroy(),
    /** @param timed around each request */
    async work(timed: <T>(request: () => Promise<T>) => Promise<T> = (ask) => ask()): Promise<void> {
      const issued = await timed(() => ask('/oauth/token', 'machine', { grant_type: 'client_credentials' }));
      const token = JSON.parse(issued).access_token;
      await timed(() => ask('/oauth/introspect', 'shop-api', { token }));
      if (round % 10 === 0) {
        const login = { grant_type: 'password', username: 'ann', password: PASSWORD };
        await timed(() => ask('/oauth/token', 'shop', login));
      }
      round += 1;
    },
  };
}
