/** Two server processes on one store and one clock: one with hot caches, and one that keeps nothing. */
import assert from 'node:assert/strict';
import type { NounChanges } from '../../src/changes/changes.ts';
import type { CollectionName, Nouns } from '../../src/nouns/index.ts';
import type { GrantableServer } from '../../src/server.ts';
import type { Collection } from '../../src/storage/contract.ts';
import { freePort } from '../support/free-port.ts';
import { storageForTests } from '../support/mongodb.ts';
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts';

const AUTHOR = { actor: 'test' };

export interface CachedPair extends AsyncDisposable {
  readonly hot: TestServer;
  /** Changes are made through it, as another process makes them. */
  readonly plain: TestServer;
  /** What a client is told of a token by both: the hot one's text, and the other one's. */
  ask(token: string, clientId: string): Promise<readonly [string, string]>;
  /** Changes a noun that has this value of this member. */
  change<C extends CollectionName>(
    collection: C,
    member: keyof Nouns[C] & string,
    value: string,
    change: Partial<Nouns[C]>,
  ): Promise<void>;
  /** Both notice at once what the poll for keys would tell them within a second. */
  noticeKeys(): Promise<void>;
}

async function ask(server: GrantableServer, token: string, clientId: string): Promise<string> {
  const view = await server.foundations.directory.view();
  const client = await view.findApplication(clientId);
  return client ? server.tokens.introspect(token, { client: client.application, view }) : 'unknown client';
}

export async function startCachedPair(options: TestServerOptions = {}): Promise<CachedPair> {
  const env = { ...options.env, ...(await storageForTests()) };
  const hot = await startServer({ ...options, env });
  const port = await freePort();
  const plain = await startServer({
    ...options,
    dataDir: hot.dataDir,
    clock: hot.clock,
    port,
    cacheBytes: 0,
    env: { ...env, GRANTABLE_ISSUER: hot.issuer, GRANTABLE_HOSTS: `localhost:${port}` },
  });
  return {
    hot,
    plain,
    async ask(token, clientId) {
      const { clock } = hot;
      const { stoppedAt } = clock;
      // Both answer of one moment: a token that is a little ahead of the clock comes to life by itself.
      clock.stoppedAt = stoppedAt ?? Date.now() + clock.offset;
      try {
        return [await ask(hot.server, token, clientId), await ask(plain.server, token, clientId)];
      } finally {
        if (stoppedAt === undefined) delete clock.stoppedAt;
      }
    },
    async change<C extends CollectionName>(
      name: C,
      member: keyof Nouns[C] & string,
      value: string,
      change: Partial<Nouns[C]>,
    ) {
      const { storage, changes } = plain.server.foundations;
      const collection = storage.directory[name] as Collection<any> as Collection<Nouns[C]>;
      const found = (await collection.page({ limit: 100 })).items.find((noun) => noun[member] === value);
      assert.ok(found, `${name} ${value}`);
      await (changes[name] as NounChanges<Nouns[C]>).replace({ ...found, ...change }, AUTHOR);
    },
    async noticeKeys() {
      for (const { server } of [hot, plain]) {
        await server.foundations.signingKeys.refresh();
        server.tokens.keysChanged();
      }
    },
    async [Symbol.asyncDispose]() {
      await plain[Symbol.asyncDispose]();
      await hot[Symbol.asyncDispose]();
    },
  };
}
