/** Two server processes on one store, and a fault that comes over it while both are under load. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../support/server.ts';
import { type Answer, ask, type ChildServer, createChildServer } from './child-server.ts';
import { createCode } from './codes.ts';
import { checkHistory, createHistory, load } from './history.ts';

const WORKERS = 4;
/**
 * Milliseconds after a fault within which everything is answered again. A driver that has stopped looking after its
 * server gets a new one after six seconds; without that it is a second or two.
 */
const RECOVERY = 12_000;

/** Says properly that nothing was done, or that it is not known, and to come again. */
const isRefusal = ({ status, headers, json }: Answer): boolean =>
  status === 503 && json.error === 'temporarily_unavailable' && Number(headers.get('retry-after')) >= 1;

export interface TwoServers extends AsyncDisposable {
  /** @param fault begins the fault and ends it */
  underLoad(t: TestContext, fault: () => Promise<void>): Promise<void>;
}

/** @param url of a database that is empty */
export async function startTwoServers(url: string): Promise<TwoServers> {
  const storage = { GRANTABLE_STORAGE: url };
  const first = await createChildServer({ env: storage });
  const port = await freePort();
  const second = await createChildServer({
    dataDir: first.dataDir,
    port,
    env: { ...storage, GRANTABLE_ISSUER: first.issuer, GRANTABLE_HOSTS: `localhost:${port}` },
  });
  const servers: readonly ChildServer[] = [first, second];
  for (const server of servers) await server.start();

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

  return {
    async underLoad(t, fault) {
      const codes = await Promise.all(Array.from({ length: 4 }, () => createCode(first.issuer)));
      let isOver = false;
      const histories = servers.map(() => createHistory());
      const loading = servers.map(({ issuer }, index) =>
        load(issuer, histories[index] as ReturnType<typeof createHistory>, codes, {
          workers: WORKERS,
          isOver: () => isOver,
          isRefusal,
        }),
      );
      await wait(500);
      await fault();
      const recovery = await untilAllAnswer();
      const sum = (count: (history: (typeof histories)[number]) => number): number =>
        histories.reduce((total, history) => total + count(history), 0);
      const refused = sum((history) => history.refused);
      await wait(500);
      isOver = true;
      await Promise.all(loading);
      for (const history of histories) await checkHistory(first.issuer, history);
      const promises = sum(
        ({ issued, revoked, redeemed }) => issued.length + revoked.length + redeemed.length,
      );
      t.diagnostic(
        `${promises} promises, ${refused} told to come again, all answered ${Math.round(recovery)} ms after`,
      );
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
    },
  };
}
