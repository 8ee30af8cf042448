/**
 * The counts of all workers in one scrape, whichever of them it reaches: that one asks the process that started them,
 * which asks all. One that does not answer in time is left out.
 */
import cluster, { type Worker } from 'node:cluster';
import { on } from 'node:events';
import type { Counts } from '../http/metrics.ts';

const TIMEOUT_MS = 1_000;

type Message =
  | { readonly grantable: 'collect'; readonly id: number }
  | { readonly grantable: 'count'; readonly id: number }
  | { readonly grantable: 'counted'; readonly id: number; readonly counts: Counts }
  | { readonly grantable: 'collected'; readonly id: number; readonly all: readonly Counts[] };

type Kind = Message['grantable'];

const isA = <K extends Kind>(kind: K, message: unknown): message is Message & { grantable: K } =>
  (message as Partial<Message> | null)?.grantable === kind;

let asked = 0;

/** A process that has ended does not get it. Without the callback, that would be an error that ends this one. */
function send(to: Worker | NodeJS.Process, message: Message): void {
  to.send?.(message, undefined, {}, () => undefined);
}

/** The first message of this kind and id that one of them sends; undefined if it does not come in time. */
async function answer<K extends Kind>(from: Worker | NodeJS.Process, kind: K, id: number) {
  try {
    for await (const [message] of on(from, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })) {
      if (isA(kind, message) && message.id === id) return message;
    }
  } catch {
    // The time is over, or the other process has ended.
  }
  return undefined;
}

/** In the process that starts the workers: answers each of them for all. */
export function collectForWorkers(): void {
  cluster.on('message', async (worker, message: unknown) => {
    if (!isA('collect', message)) return;
    const workers = Object.values(cluster.workers ?? {}).filter((each) => each?.isConnected());
    const all = await Promise.all(
      workers.map(async (each) => {
        asked += 1;
        const counted = answer(each as Worker, 'counted', asked);
        send(each as Worker, { grantable: 'count', id: asked });
        return (await counted)?.counts;
      }),
    );
    const counted = all.filter((counts) => counts !== undefined);
    const collected: Message = { grantable: 'collected', id: message.id, all: counted };
    if (worker.isConnected()) send(worker, collected);
  });
}

/** In a worker: answers when it is asked to count. */
export function countWhenAsked(count: () => Promise<Counts>): void {
  process.on('message', async (message: unknown) => {
    if (!isA('count', message)) return;
    send(process, { grantable: 'counted', id: message.id, counts: await count() });
  });
}

/** In a worker: the counts of all, or of this one alone if the others do not answer. */
export async function collectFromAll(count: () => Promise<Counts>): Promise<readonly Counts[]> {
  asked += 1;
  const id = asked;
  const collected = answer(process, 'collected', id);
  send(process, { grantable: 'collect', id });
  const { all = [] } = (await collected) ?? {};
  return all.length > 0 ? all : [await count()];
}
