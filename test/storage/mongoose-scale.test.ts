/** 10,000 users in MongoDB: lists, searches and counts are complete. How long they take is not asked of a server for tests. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import mongoose from 'mongoose';
import { toNounDocument } from '../../adapters/storage/mongoose/directory.ts';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { loginKey, type User } from '../../src/nouns/index.ts';
import type { Among, Storage } from '../../src/storage/contract.ts';
import { createNoun } from '../nouns/whole-nouns.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';

const USERS = 10_000;
const ORGANIZATIONS = 20;

const users = Array.from({ length: USERS }, (_, index): User => {
  const organization = `o${index % ORGANIZATIONS}`;
  return {
    ...createNoun('users', false),
    id: randomUUID(),
    number: index + 1,
    version: 1,
    organization,
    realm: index % 3 ? `organization:${organization}` : `application:a${index % 7}`,
    username: `User-${index}`,
    canonicalUsername: `user-${index}`,
    canonicalEmail: `user-${index}@people.example`,
    roles: index % 4 ? [`clerk-${organization}`] : [],
  };
});

describe(`MongoDB with ${USERS} users`, { skip: mongoMissing() }, () => {
  let server: MongoServer;
  let storage: Storage;
  before(async () => {
    server = await startMongo();
    const url = server.newUrl();
    storage = await openMongooseStorage({ url });
    const connection = await mongoose.createConnection(url).asPromise();
    const documents = users.map((row) => toNounDocument({ kind: 'users', row }));
    for (let at = 0; at < USERS; at += 1_000) {
      await connection.collection<{ _id: string }>('users').insertMany(documents.slice(at, at + 1_000));
    }
    await connection.close();
  });
  after(async () => {
    await storage.close();
    await server[Symbol.asyncDispose]();
  });

  const lists: [name: string, among: Among, isAmong: (user: User) => boolean][] = [
    ['all', {}, () => true],
    ['of an organization', { organization: 'o3' }, ({ organization }) => organization === 'o3'],
    [
      'of an application',
      { listed: { key: 'application', value: 'a2' } },
      ({ realm }) => realm === 'application:a2',
    ],
    [
      'of an organization itself',
      { listed: { key: 'realm', value: 'organization:o5' } },
      ({ realm }) => realm === 'organization:o5',
    ],
    [
      'of an organization and an application',
      { organization: 'o3', listed: { key: 'application', value: 'a2' } },
      ({ organization, realm }) => organization === 'o3' && realm === 'application:a2',
    ],
    [
      'with a role',
      { listed: { key: 'role', value: 'clerk-o7' } },
      ({ roles }) => roles.includes('clerk-o7'),
    ],
    [
      'with a role of another organization',
      { organization: 'o3', listed: { key: 'role', value: 'x' } },
      () => false,
    ],
    [
      'by name',
      { listed: { key: 'login', value: loginKey('o7', 'user-4007') } },
      ({ number }) => number === 4_008,
    ],
    [
      'by email address',
      { organization: 'o7', listed: { key: 'login', value: loginKey('o7', 'user-4007@people.example') } },
      ({ number }) => number === 4_008,
    ],
  ];

  for (const [name, among, isAmong] of lists) {
    test(`users ${name} are listed and counted, each once`, async () => {
      const expected = users.filter(isAmong).map(({ number }) => number);
      const found: number[] = [];
      let after: string | undefined;
      do {
        const limit = 1_000;
        const page = await storage.directory.users.page({ ...among, limit, ...(after && { after }) });
        found.push(...page.items.map(({ number }) => number));
        after = page.next;
      } while (after !== undefined);
      assert.deepEqual(found, expected);
      const { length } = expected;
      assert.deepEqual(await storage.directory.users.count(among, USERS), { count: length, isMore: false });
      if (length < 2) return;
      const cut = await storage.directory.users.count(among, length - 1);
      assert.deepEqual(cut, { count: length - 1, isMore: true });
    });
  }
});
