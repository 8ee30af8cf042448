/** A front before a MongoDB server that passes commands on, answers them itself, or ends connections. */
import { connect, createServer, type Socket } from 'node:net';
import { answerTo, type Command, commandOf, createSplitter } from './mongo-messages.ts';

/** undefined: passed on. A document: the answer. */
export type Take = (command: Command) => object | 'cut' | undefined;

export interface Front extends AsyncDisposable {
  readonly port: number;
  /** The database of `url`, through the front. */
  through(url: string): string;
}

/** What a server of today says when it is greeted. */
export const HELLO = {
  ok: 1,
  isWritablePrimary: true,
  ismaster: true,
  minWireVersion: 0,
  maxWireVersion: 21,
};

export const isGreeting = (command: Command): boolean =>
  'hello' in command || 'ismaster' in command || 'isMaster' in command;

export const refusal = (code: number, errmsg: string): object => ({ ok: 0, code, errmsg });

/** @param target the port of the server; without one every command must be answered by `take` */
export async function startFront(take: Take, target?: number): Promise<Front> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, end: () => void): void => {
    sockets.add(socket);
    socket
      .on('error', () => undefined)
      .once('close', () => {
        sockets.delete(socket);
        end();
      });
  };
  const server = createServer((client) => {
    const upstream = target === undefined ? undefined : connect(target, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream?.destroy();
    };
    keep(client, end);
    if (upstream) keep(upstream, end);
    const forward = (message: Buffer): void => {
      const taken = take(commandOf(message) ?? {});
      if (taken === 'cut') end();
      else if (taken !== undefined) client.write(answerTo(message, taken));
      else upstream?.write(message);
    };
    client.on('data', createSplitter(forward));
    upstream?.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    through(url) {
      const through = new URL(url);
      through.host = `127.0.0.1:${port}`;
      return through.href;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
