import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { startTwoServers, type TwoServers } from './two-servers.ts';
import { type Fault, startWire, type Wire } from './wire.ts';

const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 2 : 1;
/** Milliseconds. */
const FAULTS: readonly [Fault, number][] = Array.from({ length: ROUNDS }).flatMap(() => [
  ['cut', 500],
  ['cut', 500],
  ['cut', 1_500],
  ['not primary', 1_000],
  ['drop acknowledgements', 1_000],
  ['stall', 5_000],
]);

const skip =
  mongoMissing() || (process.env.MONGODB_URI ? 'the wire to a given server is not ours to cut' : false);

describe('faults between the server and MongoDB', { skip }, () => {
  let mongo: MongoServer;
  let wire: Wire;
  let servers: TwoServers;
  before(async () => {
    mongo = await startMongo();
    wire = await startWire(Number(mongo.port));
    const url = new URL(mongo.newUrl());
    url.port = String(wire.port);
    servers = await startTwoServers(url.href);
  });
  after(async () => {
    await servers[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
    await mongo[Symbol.asyncDispose]();
  });

  for (const [turn, [fault, lasts]] of FAULTS.entries()) {
    test(`E4 ${fault} (${turn + 1}) under load costs no promise, and errors stop with it`, async (t) => {
      const metBefore = wire.met;
      await servers.underLoad(t, async () => {
        wire.fault = fault;
        await wait(lasts);
        while (wire.met === metBefore) await wait(50);
        wire.fault = 'none';
      });
      assert.ok(wire.met > metBefore, 'the fault was met');
    });
  }
});
