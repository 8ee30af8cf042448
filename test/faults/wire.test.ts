import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { freePort } from '../support/server.ts';
import { type Answer, ask, type ChildServer, createChildServer } from './child-server.ts';
import { createCode } from './codes.ts';
import { checkHistory, createHistory, load } from './history.ts';
import { type Fault, startWire, type Wire } from './wire.ts';

const WORKERS = 4;
const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 3 : 1;
/** Milliseconds. */
const FAULTS: readonly [Fault, number][] = Array.from({ length: ROUNDS }).flatMap(() => [
  ['cut', 500],
  ['cut', 500],
  ['cut', 1_500],
  ['not primary', 1_000],
  ['drop acknowledgements', 1_000],
  ['stall', 5_000],
]);
/**
 * Milliseconds after a fault within which everything is answered again. A driver that has stopped looking after its
 * server gets a new one after six seconds; without that it is a second or two.
 */
const RECOVERY = 12_000;

const skip =
  mongoMissing() || (process.env.MONGODB_URI ? 'the wire to a given server is not ours to cut' : false);

/** Says properly that nothing was done, or that it is not known, and to come again. */
const isRefusal = ({ status, headers, json }: Answer): boolean =>
  status === 503 && json.error === 'temporarily_unavailable' && Number(headers.get('retry-after')) >= 1;

describe('faults between the server and MongoDB', { skip }, () => {
  let mongo: MongoServer;
  let wire: Wire;
  let servers: ChildServer[];
  before(async () => {
    mongo = await startMongo();
    wire = await startWire(Number(mongo.port));
    const url = new URL(mongo.newUrl());
    url.port = String(wire.port);
    const storage = { GRANTABLE_STORAGE: url.href };
    const first = await createChildServer({ env: storage });
    const port = await freePort();
    const second = await createChildServer({
      dataDir: first.dataDir,
      port,
      env: { ...storage, GRANTABLE_ISSUER: first.issuer, GRANTABLE_HOSTS: `localhost:${port}` },
    });
    servers = [first, second];
    for (const server of servers) await server.start();
  });
  after(async () => {
    for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
    await mongo[Symbol.asyncDispose]();
  });

  async function untilAllAnswer(): Promise<number> {
    const began = performance.now();
    for (const { issuer } of servers) {
      for (;;) {
        const answer = await ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' });
        if (answer?.status === 200) break;
        assert.ok(performance.now() - began < RECOVERY, `no recovery: ${JSON.stringify(answer)}`);
        await wait(50);
      }
    }
    return performance.now() - began;
  }

  for (const [turn, [fault, lasts]] of FAULTS.entries()) {
    test(`E4 ${fault} (${turn + 1}) under load from two processes costs no promise, and errors stop with it`, async (t) => {
      const [first] = servers;
      assert.ok(first);
      const codes = await Promise.all(Array.from({ length: 4 }, () => createCode(first.issuer)));
      const histories = servers.map(() => createHistory());
      let isOver = false;
      const metBefore = wire.met;
      const loading = servers.map(({ issuer }, index) =>
        load(issuer, histories[index] as ReturnType<typeof createHistory>, codes, {
          workers: WORKERS,
          isOver: () => isOver,
          isRefusal,
        }),
      );
      await wait(500);
      wire.fault = fault;
      await wait(lasts);
      while (wire.met === metBefore) await wait(50);
      wire.fault = 'none';
      const recovery = await untilAllAnswer();
      const refused = histories.reduce((sum, history) => sum + history.refused, 0);
      await wait(500);
      isOver = true;
      await Promise.all(loading);
      assert.ok(wire.met > metBefore, 'the fault was met');
      for (const history of histories) await checkHistory(first.issuer, history);
      const promises = histories.reduce(
        (sum, { issued, revoked, redeemed }) => sum + issued.length + revoked.length + redeemed.length,
        0,
      );
      t.diagnostic(
        `${promises} promises, ${refused} told to come again, all answered ${Math.round(recovery)} ms after`,
      );
    });
  }
});
