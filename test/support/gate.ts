/** A way to a server that can be shut: what is under way is cut, and connections are refused. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** @param target the port of the server */
export function createGate(target: number) {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  return {
    async open(port: number): Promise<void> {
      server = createServer((socket) => {
        const upstream = connect(target, '127.0.0.1');
        for (const each of [socket, upstream]) {
          sockets.add(each);
          each.on('error', () => undefined).once('close', () => sockets.delete(each));
        }
        socket.pipe(upstream).pipe(socket);
      });
      await new Promise<void>((resolve) => server?.unref().listen(port, '127.0.0.1', resolve));
    },
    async close(): Promise<void> {
      const closed = new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
