/**
 * A bound on open connections that a flood of idle ones cannot use up: at the bound, the one that has waited longest
 * without a request gives way to the new one, so whoever speaks is served.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Connections {
  open(): number;
  /** Answers under way. */
  running(): Iterable<ServerResponse>;
}

export function boundConnections(server: Server, limit: number): Connections {
  /** Without a complete request head, longest first. */
  const idle = new Set<Socket>();
  const running = new Set<ServerResponse>();
  let open = 0;

  server.on('connection', (socket: Socket) => {
    open += 1;
    idle.add(socket);
    socket.once('close', () => {
      open -= 1;
      idle.delete(socket);
    });
    if (open <= limit) return;
    const [longest = socket] = idle;
    longest.destroy();
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    running.add(response);
    response.once('close', () => {
      running.delete(response);
      if (!socket.destroyed) idle.add(socket);
    });
  });
  return { open: () => open, running: () => running };
}
