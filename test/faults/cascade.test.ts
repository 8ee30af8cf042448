import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/load.ts';
import type { Connection } from '../../src/nouns/index.ts';
import { type Foundations, openFoundations } from '../../src/server/foundations.ts';
import { AUTHOR, exchangeForm, stored } from '../support/exchange.ts';
import { STORE, storageForTests } from '../support/mongodb.ts';
import { childEnv } from '../support/programs.ts';
import { RESOURCE } from '../support/server.ts';
import { until } from '../support/until.ts';
import { ask, type ChildServer, createChildServers, secretOf } from './child-server.ts';

const LONG = Number(process.env.GRANTABLE_TEST_ROUNDS ?? (STORE === 'MongoDB' ? 50 : 200));
/** Over MongoDB fewer, because each takes several times as long; `GRANTABLE_TEST_ROUNDS=200` has them all. */
const ROUNDS = process.env.GRANTABLE_TEST_LONG ? LONG : 5;
/** Each is a process to start. */
const COMMANDS = process.env.GRANTABLE_TEST_LONG ? LONG / 10 : 2;
const WORKERS = 8;
/** Tokens that are there at least when the end comes. */
const MADE_BEFORE = 10;
/** Requests of each worker that begin after the end was answered. */
const TURNS_AFTER = 4;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const run = promisify(execFile);

const clerk = { isAdmin: false, tables: { orders: { read: true, update: true }, products: { read: true } } };

describe(`TX-06 an end under fire, ${WORKERS} workers on 2 processes, ${STORE}`, () => {
  let servers: ChildServer[];
  let env: Record<string, string>;
  /** The third process on the store: this one. */
  let foundations: Foundations;
  let application: { id: string; organization: string };
  before(async () => {
    const storage = await storageForTests();
    servers = await createChildServers(2, { ...storage, GRANTABLE_EXCHANGE_LIMIT: '1000000/1m' });
    const [{ dataDir, issuer } = assert.fail()] = servers;
    const file = join(dataDir, 'apply.json');
    const fixture = JSON.parse(await readFile(file, 'utf8'));
    fixture.organizations[0].applications.push({
      name: 'trader',
      clientId: 'trader',
      clientSecret: secretOf('trader'),
      grants: ['token_exchange'],
      resource: RESOURCE,
      permissions: clerk,
    });
    await writeFile(file, JSON.stringify(fixture));
    for (const server of servers) await server.start();
    env = { ...storage, GRANTABLE_DATA_DIR: dataDir, GRANTABLE_ISSUER: issuer, GRANTABLE_BCRYPT_COST: '4' };
    foundations = await openFoundations(loadConfig(env, { cwd: dataDir }));
    application =
      (await foundations.storage.directory.applications.findBy('clientId', 'trader')) ?? assert.fail();
  });
  after(async () => {
    await foundations?.close();
    for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
  });

  const issuerOf = (index: number): string => (servers[index % 2] as ChildServer).issuer;
  const exchange = (index: number, token: string, form: Record<string, string> = {}) =>
    ask(issuerOf(index), '/oauth/token', 'trader', exchangeForm(token, form));
  const isActive = async (index: number, token: string): Promise<boolean> => {
    const answer = await ask(issuerOf(index), '/oauth/introspect', 'shop-api', { token });
    assert.equal(answer?.status, 200, JSON.stringify(answer));
    return answer.json.active;
  };

  let connections = 0;
  const connect = (): Promise<{ connection: Connection; token: string }> => {
    connections += 1;
    return foundations.connections.create(
      {
        organization: application.organization,
        application: application.id,
        name: `site-${connections}`,
        resource: RESOURCE,
        scopes: [],
        permissions: stored(clerk),
      },
      AUTHOR,
    );
  };
  const trade = async (token: string): Promise<string> => {
    const answer = await exchange(0, token);
    assert.equal(answer?.status, 200, JSON.stringify(answer));
    return answer.json.access_token;
  };

  /** Everybody trades `parent` and what came from it, and looks at it, while it is ended; nothing of it is left. */
  async function endUnderFire(parent: string, end: () => Promise<unknown>): Promise<number> {
    const made: string[] = [await trade(parent)];
    const wrong: string[] = [];
    let isOver = false;
    const pick = (): string => made[Math.floor(Math.random() * made.length)] as string;

    async function turn(index: number): Promise<void> {
      const isLate = isOver;
      if (index % 2 === 0) {
        const token = pick();
        if ((await isActive(Math.floor(index / 2), token)) && isLate) wrong.push('a dead token is active');
        return;
      }
      const answer = await exchange(Math.floor(index / 2), index % 4 === 1 ? parent : pick());
      if (answer?.status === 200) {
        made.push(answer.json.access_token);
        if (isLate) wrong.push('a dead token was traded');
      } else if (answer?.status !== 400 || answer.json.error !== 'invalid_request') {
        wrong.push(JSON.stringify(answer ?? 'no answer'));
      }
    }
    async function work(worker: number): Promise<void> {
      let index = worker;
      for (; !isOver; index += 1) await turn(index);
      for (let late = 0; late < TURNS_AFTER; late += 1) await turn(index + late);
    }

    const working = Array.from({ length: WORKERS }, (_, worker) => work(worker));
    const enough = MADE_BEFORE + Math.random() * 20;
    await until('tokens are made', () => made.length >= enough || wrong.length > 0);
    await end();
    isOver = true;
    await Promise.all(working);
    assert.deepEqual(wrong, []);
    for (const index of [0, 1]) {
      const active = await Promise.all(made.map((token) => isActive(index, token)));
      assert.equal(active.filter(Boolean).length, 0, 'what was made before the end was answered is dead too');
      for (const token of [parent, ...made.slice(-3)]) {
        assert.equal((await exchange(index, token))?.json.error, 'invalid_request');
      }
    }
    return made.length;
  }

  test(`a connection that a third process ends takes all with it, ${ROUNDS} times`, async (t) => {
    let made = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { connection, token } = await connect();
      made += await endUnderFire(token, () => foundations.connections.end(connection, AUTHOR));
    }
    t.diagnostic(`${made} tokens were made and died`);
  });

  test(`a connection that the command line disables takes all with it, ${COMMANDS} times`, async () => {
    for (let round = 0; round < COMMANDS; round += 1) {
      const { connection, token } = await connect();
      const file = join(env.GRANTABLE_DATA_DIR ?? '', 'disable.json');
      const { name } = connection;
      const connections = [{ name, application: 'trader', enabled: false }];
      await writeFile(file, JSON.stringify({ organizations: [{ name: 'acme', connections }] }));
      await endUnderFire(token, () =>
        run(process.execPath, [MAIN, 'apply', file], { env: { ...childEnv, ...env } }),
      );
    }
  });

  test(`RT-07 revoking a traded token ends its children, not siblings, ${ROUNDS} times`, async () => {
    const { token } = await connect();
    const sibling = await trade(token);
    for (let round = 0; round < ROUNDS; round += 1) {
      const parent = await trade(round % 2 === 0 ? token : sibling);
      await endUnderFire(parent, async () => {
        const answer = await ask(issuerOf(round), '/oauth/revoke', 'trader', { token: parent });
        assert.equal(answer?.status, 200);
      });
    }
    for (const index of [0, 1]) assert.equal(await isActive(index, sibling), true);
  });
});
