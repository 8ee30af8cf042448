/**
 * What open connections may take. At their bound, the one that has waited longest without a request gives way to the
 * new one, so a flood of idle ones keeps nobody out who speaks. One whose body goes on after the answer is ended soon.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Connections {
  open(): number;
  /** Answers under way. */
  running(): Iterable<ServerResponse>;
  /** Ends those that no request is under way on; Node's own way spares those that never had one. */
  closeIdle(): void;
}

export interface ConnectionLimits {
  readonly connections: number;
  /** Milliseconds for the rest of a body whose answer was given without it. */
  readonly lateBody: number;
}

export function boundConnections(server: Server, limits: ConnectionLimits): Connections {
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
    if (open <= limits.connections) return;
    const [longest = socket] = idle;
    longest.destroy();
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    idle.delete(socket);
    running.add(response);
    // Also when the answer was sent whole.
    response.once('close', () => {
      running.delete(response);
      if (socket.destroyed) return;
      idle.add(socket);
      if (!request.complete) setTimeout(() => request.complete || socket.destroy(), limits.lateBody).unref();
    });
  });
  return {
    open: () => open,
    running: () => running,
    closeIdle() {
      for (const socket of idle) socket.destroy();
    },
  };
}
