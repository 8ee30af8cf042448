import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { startFront } from '../support/mongo-front.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { startServer } from '../support/server.ts';

/** Which command meets the cut, counted over all connections. */
const CUTS = process.env.GRANTABLE_TEST_LONG
  ? Array.from({ length: 200 }, (_, index) => index + 1)
  : [1, 3, 140, 155];
/** A server goes on to write keys and its apply file, and then the keys that the file names (about 456). */
const SERVER_CUTS = process.env.GRANTABLE_TEST_LONG
  ? Array.from({ length: 60 }, (_, index) => 160 + index * 5)
  : [185, 240, 456];

const skip =
  mongoMissing() || (process.env.MONGODB_URI ? 'the wire to a given server is not ours to cut' : false);

describe('a connection to MongoDB that is cut at one command', { skip }, () => {
  let mongo: MongoServer;
  before(async () => {
    mongo = await startMongo();
  });
  after(() => mongo[Symbol.asyncDispose]());

  /** Cuts once, or not any more when it was disarmed. */
  async function startCutter(cut: number) {
    let commands = 0;
    let isArmed = true;
    const front = await startFront(() => {
      commands += 1;
      return isArmed && commands === cut ? 'cut' : undefined;
    }, mongo.port);
    const disarm = (): void => {
      isArmed = false;
    };
    return { ...front, disarm };
  }

  test(`${CUTS.length} times while a new store is opened: it opens, whole`, async (t: TestContext) => {
    for (const cut of CUTS) {
      await t.test(`at command ${cut}`, async () => {
        await using cutter = await startCutter(cut);
        const storage = await openMongooseStorage({ url: cutter.through(mongo.newUrl()) });
        cutter.disarm();
        try {
          assert.deepEqual(await storage.verify(), []);
          assert.match(storage.description, /^MongoDB \d/);
        } finally {
          await storage.close();
        }
      });
    }
  });

  test(`${SERVER_CUTS.length} times while a server starts on it: it serves`, async (t: TestContext) => {
    for (const cut of SERVER_CUTS) {
      await t.test(`at command ${cut}`, async () => {
        await using cutter = await startCutter(cut);
        await using server = await startServer({
          env: { GRANTABLE_STORAGE: cutter.through(mongo.newUrl()) },
        });
        cutter.disarm();
        assert.equal((await server.token('machine')).status, 200);
        assert.equal((await fetch(`${server.issuer}/readyz`)).status, 200);
      });
    }
  });
});
