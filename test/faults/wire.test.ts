import { after, before, describe, test } from 'node:test';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { until } from '../support/until.ts';
import { startTwoServers, type TwoServers } from './two-servers.ts';
import { type Fault, startWire, type Wire } from './wire.ts';

/** It lasts until it was met so often, and as many requests were told to come again. */
type Enough = { readonly met: number; readonly refused: number };
const CUT: [Fault, Enough] = ['cut', { met: 1, refused: 0 }];
const ROUND: readonly [Fault, Enough][] = [
  CUT,
  ['cut', { met: 6, refused: 1 }],
  ['not primary', { met: 20, refused: 5 }],
  ['drop acknowledgements', { met: 20, refused: 0 }],
  ['stall', { met: 1, refused: 5 }],
];
const FAULTS = process.env.GRANTABLE_TEST_LONG ? [CUT, ...ROUND, CUT, ...ROUND] : ROUND;

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

  for (const [turn, [fault, enough]] of FAULTS.entries()) {
    test(`E4 ${fault} (${turn + 1}) under load costs no promise, and errors stop with it`, async (t) => {
      const metBefore = wire.met;
      await servers.underLoad(t, async (refused) => {
        const refusedBefore = refused();
        wire.fault = fault;
        await until(
          'the fault is met',
          () => wire.met >= metBefore + enough.met && refused() >= refusedBefore + enough.refused,
        );
        wire.fault = 'none';
      });
    });
  }
});
