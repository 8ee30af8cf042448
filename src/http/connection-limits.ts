/**
 * Limits of open connections. At the limit, a new connection replaces the one that has waited longest, so a flood of
 * silent connections does not keep active clients out. A connection waits while it has no request, while the body of
 * its request has not come, and while its client does not read the answer. Each address has its own limit. A connection
 * whose body goes on after the answer is ended soon.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressKey } from './address-key.ts';

interface ConnectionLimits {
  readonly connections: number;
  /** Limit of one address (IPv6: of one /64, RFC 4291). */
  readonly connectionsPerAddress: number;
  /** Milliseconds for the rest of a body whose answer was given without it. */
  readonly lateBody: number;
}

/** Connections that count together. */
interface Group {
  readonly limit: number;
  open: number;
  /** The longest wait first. Some may have stopped waiting; `keepBound` checks that. */
  readonly waiting: Set<Socket>;
}

const createGroup = (limit: number): Group => ({ limit, open: 0, waiting: new Set() });

interface Connection {
  readonly groups: readonly Group[];
  /**
   * Those not sent, in the order of the requests: clients may send several requests at once. A list, because a set that fills
   * and empties all the time keeps its old tables, and with them answers, until a full garbage collection.
   */
  readonly answers: ServerResponse[];
}

/** @param isExempt peers that limit their own clients: trusted proxies, by address */
export function boundConnections(
  server: Server,
  limits: ConnectionLimits,
  isExempt: (address: string) => boolean = () => false,
) {
  const connections = new Set<Connection>();
  const known = new WeakMap<Socket, Connection>();
  const isWaiting = (socket: Socket): boolean => {
    const first = known.get(socket)?.answers[0];
    return first === undefined || !first.req.complete || first.writableEnded;
  };
  const all = createGroup(limits.connections);
  const byAddress = new Map<string, Group>();

  function findGroup(address: string): Group | undefined {
    if (isExempt(address)) return undefined;
    const key = addressKey(address);
    const known = byAddress.get(key);
    if (known) return known;
    const group = createGroup(limits.connectionsPerAddress);
    byAddress.set(key, group);
    return group;
  }

  /** Above the limit, ends the connection that has waited longest. */
  function keepBound({ limit, open, waiting }: Group): void {
    if (open <= limit) return;
    for (const socket of waiting) {
      if (isWaiting(socket)) {
        socket.destroy();
        return;
      }
      waiting.delete(socket);
    }
  }

  /** The connection waits until its request is complete or its answer is sent. */
  function startWaiting(socket: Socket): void {
    for (const { waiting } of known.get(socket)?.groups ?? []) {
      waiting.delete(socket);
      waiting.add(socket);
    }
  }

  /** What was sent whole closes at once. A request whose connection was ended is answered too. */
  function onEnded(this: ServerResponse): void {
    const { socket } = this.req;
    if (!socket.destroyed && socket.writableLength > 0) startWaiting(socket);
  }

  /** Also when the answer was sent whole. */
  function onClosed(this: ServerResponse): void {
    const request = this.req;
    const { socket } = request;
    const answers = known.get(socket)?.answers ?? [];
    answers.splice(answers.indexOf(this), 1);
    if (socket.destroyed) return;
    startWaiting(socket);
    if (!request.complete) setTimeout(() => request.complete || socket.destroy(), limits.lateBody).unref();
  }

  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const own = findGroup(address);
    const groups = own ? [own, all] : [all];
    const connection: Connection = { groups, answers: [] };
    known.set(socket, connection);
    connections.add(connection);
    for (const group of groups) {
      group.open += 1;
      group.waiting.add(socket);
    }
    socket.once('close', () => {
      connections.delete(connection);
      for (const group of groups) {
        group.open -= 1;
        group.waiting.delete(socket);
      }
      if (own?.open === 0) byAddress.delete(addressKey(address));
    });
    for (const group of groups) if (!socket.destroyed) keepBound(group);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    startWaiting(request.socket);
    known.get(request.socket)?.answers.push(response);
    response.on('prefinish', onEnded);
    response.on('close', onClosed);
  });
  return {
    open: () => all.open,
    /** Answers under way. */
    running: () => [...connections].flatMap(({ answers }) => answers),
    /** Ends those that wait; Node's own method keeps those that never had a request. */
    closeIdle() {
      for (const socket of all.waiting) if (known.get(socket)?.answers.length === 0) socket.destroy();
    },
  };
}
