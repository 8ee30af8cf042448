/** Two server processes on one store, and a fault that comes over it while both are under load. */
import type { TestContext } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { type Answer, ask, type ChildServer, createChildServer } from './child-server.ts';
import { createCode } from './codes.ts';
import { checkHistory, createHistory, load, promisesOf } from './history.ts';

const WORKERS = 4;
/** Promises that are made before a fault, and after it. */
const MADE = process.env.GRANTABLE_TEST_LONG ? 40 : 20;

/** Says properly that nothing was done, or that it is not known, and to come again. */
const isRefusal = ({ status, headers, json }: Answer): boolean =>
  status === 503 && json.error === 'temporarily_unavailable' && Number(headers.get('retry-after')) >= 1;

export interface TwoServers extends AsyncDisposable {
  /** @param fault begins the fault and ends it; `refused` says how many requests were told to come again */
  underLoad(t: TestContext, fault: (refused: () => number) => Promise<void>): Promise<void>;
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

  async function untilAllAnswer(): Promise<void> {
    for (const { issuer } of servers) {
      await until(`${issuer} answers`, async () => {
        const answer = await ask(issuer, '/oauth/token', 'machine', { grant_type: 'client_credentials' });
        return answer?.status === 200;
      });
    }
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
      const sum = (count: (history: (typeof histories)[number]) => number): number =>
        histories.reduce((total, history) => total + count(history), 0);
      const refused = () => sum((history) => history.refused);
      const work = async () => {
        const before = sum(promisesOf);
        await until('work is done', () => sum(promisesOf) >= before + MADE);
      };
      await work();
      await fault(refused);
      await untilAllAnswer();
      await work();
      isOver = true;
      await Promise.all(loading);
      for (const history of histories) await checkHistory(first.issuer, history);
      t.diagnostic(`${sum(promisesOf)} promises, ${refused()} told to come again`);
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers.toReversed()) await server[Symbol.asyncDispose]();
    },
  };
}
