/** A proxy in front of a MongoDB server that understands enough of the wire protocol to fail in chosen ways. */
import { connect, createServer, type Socket } from 'node:net';
import { answeredBy, answerTo, commandOf, createSplitter, idOf } from '../support/mongo-messages.ts';

/**
 * `cut`: connections end. `not primary`: commands are refused as a server does that has lost an election. `stall`:
 * nothing passes. `drop acknowledgements`: what is written is applied, and the connection ends in place of its answer.
 */
export type Fault = 'none' | 'cut' | 'not primary' | 'stall' | 'drop acknowledgements';

export interface Wire extends AsyncDisposable {
  readonly port: number;
  fault: Fault;
  /** How often a message met the fault. */
  readonly met: number;
}

const WRITES = new Set(['insert', 'update', 'delete', 'findAndModify', 'findandmodify']);
const MONITORING = new Set(['hello', 'ismaster', 'isMaster', 'buildInfo', 'endSessions']);

const NOT_PRIMARY = { ok: 0, code: 10_107, codeName: 'NotWritablePrimary', errmsg: 'not primary' };

export async function startWire(target: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let fault: Fault = 'none';
  let met = 0;
  const resumed: (() => void)[] = [];

  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    /** Requests whose answers are to be lost. */
    const lost = new Set<number>();
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    const forward = (message: Buffer): void => {
      if (fault === 'stall') {
        met += 1;
        resumed.push(() => forward(message));
        return;
      }
      const [command] = Object.keys(commandOf(message) ?? {});
      if (fault === 'cut') {
        met += 1;
        end();
      } else if (fault === 'not primary' && command !== undefined && !MONITORING.has(command)) {
        met += 1;
        client.write(answerTo(message, NOT_PRIMARY));
      } else {
        if (fault === 'drop acknowledgements' && command !== undefined && WRITES.has(command)) {
          lost.add(idOf(message));
        }
        upstream.write(message);
      }
    };
    client.on('data', createSplitter(forward));
    upstream.on(
      'data',
      createSplitter((answer) => {
        if (!lost.has(answeredBy(answer))) {
          client.write(answer);
          return;
        }
        met += 1;
        end();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as { port: number }).port,
    get fault() {
      return fault;
    },
    set fault(next) {
      fault = next;
      if (next === 'cut') for (const socket of sockets) socket.destroy();
      if (next !== 'stall') for (const resume of resumed.splice(0)) resume();
    },
    get met() {
      return met;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
