import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import type { User } from '../../src/nouns/index.ts';
import { Conflict, type Storage, StoreUnavailable } from '../../src/storage/contract.ts';
import { openTerminal, start } from '../cli/run.ts';
import { isGreeting, refusal, startFront, type Take } from '../support/mongo-front.ts';
import type { Command } from '../support/mongo-messages.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { startServer } from '../support/server.ts';

const NODES = 50;
const SIDE_BY_SIDE = 10;
const USER: Omit<User, 'number' | 'version'> = {
  id: randomUUID(),
  realm: 'management',
  username: 'a',
  canonicalUsername: 'a',
  emailVerified: false,
  secondFactor: false,
  roles: [],
  administers: [],
  enabled: true,
  createdAt: 1,
};
const skip =
  mongoMissing() || (process.env.MONGODB_URI ? 'a front needs a server without credentials' : false);

describe('servers that speak the protocol of MongoDB and are another product', { skip }, () => {
  let mongo: MongoServer;
  before(async () => {
    mongo = await startMongo();
  });
  after(() => mongo[Symbol.asyncDispose]());

  async function open(take: Take): Promise<Storage & AsyncDisposable> {
    const front = await startFront(take, mongo.port);
    const storage = await openMongooseStorage({ url: front.through(mongo.newUrl()) });
    const dispose = async () => {
      await storage.close();
      await front[Symbol.asyncDispose]();
    };
    return { ...storage, [Symbol.asyncDispose]: dispose };
  }

  /** Of parallel upserts of a new document one is kept, and all are acknowledged. */
  function overwritingUpserts(): Take {
    const seen = new Set<string>();
    const isLost = (collection: string, filter: Command): boolean => {
      const document = `${collection} ${JSON.stringify(filter._id)}`;
      const isSecond = seen.has(document);
      seen.add(document);
      return isSecond;
    };
    return (command) => {
      const [update] = command.updates ?? [];
      if (update?.upsert && isLost(command.update, update.q)) return { ok: 1, n: 1, nModified: 1 };
      if (command.upsert && isLost(command.findAndModify, command.query)) return { ok: 1, value: null };
      return undefined;
    };
  }

  test('lost upserts are a warning at the start', async (t) => {
    await using front = await startFront(overwritingUpserts(), mongo.port);
    const terminal = await openTerminal(t, { GRANTABLE_LOG_LEVEL: 'info', GRANTABLE_DEMO: '0' });
    const url = front.through(mongo.newUrl());
    const server = start(terminal, ['serve'], { GRANTABLE_STORAGE: url });
    while (!server.said().includes('"msg":"ready"')) await once(server.child.stdout, 'data');
    assert.match(server.said(), /"msg":"Of 40 parallel upserts of a new document [^"]* 1 were counted\./);
    server.child.kill('SIGTERM');
    assert.equal((await server.ended).code, 0);
    const doctor = await terminal.spawn(['doctor'], { GRANTABLE_STORAGE: url });
    assert.match(doctor.out, /^warning {2}Of 40 parallel upserts of a new document .* 1 were counted\./m);
    assert.equal(doctor.code, 0, doctor.out);
  });

  test('a server that loses upserts loses no mark, number, count or artifact', async () => {
    await using storage = await open(overwritingUpserts());
    const { nodes, counters, artifacts } = storage;
    const later = Date.now() + 60_000;
    const [key, uid] = [randomBytes(16), randomBytes(16)];
    const each = Array.from({ length: NODES }, (_, index) => `n${index}`);
    for (let from = 0; from < NODES; from += SIDE_BY_SIDE) {
      await Promise.all(
        each
          .slice(from, from + SIDE_BY_SIDE)
          .flatMap((id) => [
            nodes.mark(id, { revokedAt: 1 }, later),
            nodes.mark(id, { narrowedAt: 2 }, later),
            counters.increment('sum', 1, 60_000, 0),
          ]),
      );
    }
    await Promise.all([
      ...[3, 4].map((points) => counters.set('k', points, later)),
      ...[1, 2].map(() => artifacts.upsert('Session', key, { payload: {}, expiresAt: later }, { uid })),
    ]);
    const marks = (await nodes.read(each)).filter(({ revokedAt, narrowedAt }) => revokedAt && narrowedAt);
    assert.equal(marks.length, NODES);
    assert.ok((await nodes.latestChange()) >= 2 * NODES);
    assert.equal((await counters.get('sum', 0))?.points, NODES);
    await artifacts.upsert('Session', key, { payload: { a: 1 }, expiresAt: later }, { uid });
    assert.deepEqual((await artifacts.findByUid('Session', uid, 0))?.payload, { a: 1 });
    await counters.set('k', 5, later);
    assert.equal((await counters.get('k', 0))?.points, 5);
  });

  test('a clash names its key, whatever words the server has for it', async () => {
    const WORDS = [
      ['E11000 duplicate key error collection: a.users index: unique.email dup key: { : "b" }', 'email'],
      ["Duplicate key violation on the requested collection: Index 'unique.username'", 'username'],
      ['Duplicate key violation on the requested collection: Index "_id_"', 'id'],
      ['the value is taken (unique.email)', 'email'],
      ['index number: dup key', 'number'],
    ];
    let errmsg = '';
    await using storage = await open((command) =>
      command.insert === 'users'
        ? { ok: 1, n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg }] }
        : undefined,
    );
    for (const [words = '', key] of WORDS) {
      errmsg = words;
      await assert.rejects(
        storage.directory.users.insert(USER),
        (error) => error instanceof Conflict && error.key === key,
        words,
      );
    }
  });

  test('a front that calls itself a router is not called sharded', async () => {
    await using storage = await open((command) =>
      'hello' in command
        ? { ok: 1, msg: 'isdbgrid', isWritablePrimary: true, maxWireVersion: 21 }
        : undefined,
    );
    assert.match(storage.description, /^MongoDB \S+ \(behind a router\) at /);
  });

  test('while the database behind a front is down, requests get 503 and Retry-After', async () => {
    let code = 0;
    await using front = await startFront(
      (command) =>
        code === 0 || isGreeting(command) ? undefined : refusal(code, 'connection to server failed'),
      mongo.port,
    );
    await using server = await startServer({ env: { GRANTABLE_STORAGE: front.through(mongo.newUrl()) } });
    for (code of [1, 50_463_173]) {
      const refused = await server.token('machine');
      assert.equal(refused.status, 503, refused.text);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
      const { status, headers } = await fetch(`${server.issuer}/readyz`);
      assert.equal(status, 503);
      assert.ok(Number(headers.get('retry-after')) >= 1);
    }
    code = 0;
    assert.equal((await server.token('machine')).status, 200);
  });

  test('an export over a connection that breaks says that the database does not answer', async () => {
    let isBroken = false;
    await using storage = await open((command) => (isBroken && command.find ? 'cut' : undefined));
    isBroken = true;
    await assert.rejects(async () => {
      for await (const _ of storage.dump.export()) isBroken = true;
    }, StoreUnavailable);
  });

  test('indexes of a collection are made by one command', async () => {
    const made: string[] = [];
    await using storage = await open((command) => {
      if (command.createIndexes) made.push(command.createIndexes);
      return undefined;
    });
    assert.ok(made.length > 10);
    assert.equal(new Set(made).size, made.length);
    assert.deepEqual(await storage.verify(), []);
  });
});
