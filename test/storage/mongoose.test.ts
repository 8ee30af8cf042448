import { after, before, describe } from 'node:test';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import type { Storage } from '../../src/storage/contract.ts';
import { storageContract } from '../contracts/storage.contract.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';

describe('MongoDB', { skip: mongoMissing() }, () => {
  let server: MongoServer;
  before(async () => {
    server = await startMongo();
  });
  after(() => server[Symbol.asyncDispose]());

  storageContract('MongoDB', async () => {
    const url = server.newUrl();
    const opened: Storage[] = [await openMongooseStorage({ url })];
    return {
      storage: opened[0] as Storage,
      async another() {
        const storage = await openMongooseStorage({ url });
        opened.push(storage);
        return storage;
      },
      async close() {
        for (const storage of opened) await storage.close();
      },
    };
  });
});
