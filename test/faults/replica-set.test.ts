import { type TestContext, test } from 'node:test';
import mongoose from 'mongoose';
import { startMongo } from '../support/mongodb.ts';
import { startTwoServers } from './two-servers.ts';

const TIMES = 3;
/** Seconds that a primary that stepped down does not stand for election, so that another one is elected. */
const ASIDE = 10;

interface Hello {
  readonly setName?: string;
  readonly hosts?: readonly string[];
}

/** What the server lacks for this test; undefined if it can be run. */
async function findMissing(uri: string): Promise<string | undefined> {
  const connection = await mongoose.createConnection(uri).asPromise();
  try {
    const admin = connection.getClient().db().admin();
    const { setName, hosts = [] }: Hello = await admin.command({ hello: 1 });
    if (setName === undefined) return 'MONGODB_URI names no replica set';
    return hosts.length < 2 ? 'the replica set has one member that could be primary' : undefined;
  } catch {
    return 'the server does not know the command hello';
  } finally {
    await connection.close();
  }
}

/** Its connections are closed by this, so the command may end without an answer. */
async function stepDown(uri: string): Promise<void> {
  const connection = await mongoose.createConnection(uri).asPromise();
  try {
    const admin = connection.getClient().db().admin();
    await admin.command({ replSetStepDown: ASIDE, force: true }).catch(() => undefined);
  } finally {
    await connection.close();
  }
}

const uri = process.env.MONGODB_URI;
const skip = uri ? false : 'set MONGODB_URI to a replica set whose primary may be made to step down';

test(`E4 a primary that steps down ${TIMES} times under load costs no promise`, {
  skip,
}, async (t: TestContext) => {
  const missing = await findMissing(String(uri));
  if (missing !== undefined) return t.skip(missing);
  await using mongo = await startMongo();
  await using servers = await startTwoServers(mongo.newUrl());
  for (let turn = 0; turn < TIMES; turn += 1) {
    await servers.underLoad(t, () => stepDown(String(uri)));
  }
});
