/**
 * Limits of open connections. At the limit, a new connection replaces the one that has waited longest, so a flood of
 * silent connections does not keep active clients out. A connection waits while it has no request, while the body of
 * its request has not come, and while its client does not read the answer. Each address has its own limit. A connection
 * whose body goes on after the answer is ended soon.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { addressKey } from './address-key.ts';

export interface Connections {
  open(): number;
  /** Answers under way. */
  running(): Iterable<ServerResponse>;
  /** Ends those that wait; Node's own method keeps those that never had a request. */
  closeIdle(): void;
}

export interface ConnectionLimits {
  readonly connections: number;
  /** Limit of one address (IPv6: of one /64, RFC 4291). */
  readonly connectionsPerAddress: number;
  /** Milliseconds for the rest of a body whose answer was given without it. */
  readonly lateBody: number;
}

/** Connections that count together. */
class Group {
  readonly #limit: number;
  readonly #isWaiting: (socket: Socket) => boolean;
  /** The longest wait first. Some may have stopped waiting; `keepBound` checks that. */
  readonly waiting = new Set<Socket>();
  open = 0;

  constructor(limit: number, isWaiting: (socket: Socket) => boolean) {
    this.#limit = limit;
    this.#isWaiting = isWaiting;
  }

  add(socket: Socket): void {
    this.open += 1;
    this.waiting.add(socket);
  }

  remove(socket: Socket): void {
    this.open -= 1;
    this.waiting.delete(socket);
  }

  /** Above the limit, ends the connection that has waited longest. */
  keepBound(): void {
    if (this.open <= this.#limit) return;
    for (const socket of this.waiting) {
      if (this.#isWaiting(socket)) {
        socket.destroy();
        return;
      }
      this.waiting.delete(socket);
    }
  }
}

/** @param isExempt peers that limit their own clients: trusted proxies, by address */
export function boundConnections(
  server: Server,
  limits: ConnectionLimits,
  isExempt: (address: string) => boolean = () => false,
): Connections {
  const groupsOf = new WeakMap<Socket, readonly Group[]>();
  const running = new Set<ServerResponse>();
  /** The unsent answers of each connection, in the order of the requests: clients may send several requests at once. */
  const underWay = new WeakMap<Socket, Set<ServerResponse>>();
  const isWaiting = (socket: Socket): boolean => {
    const first = underWay.get(socket)?.values().next().value;
    return first === undefined || !first.req.complete || first.writableEnded;
  };
  const all = new Group(limits.connections, isWaiting);
  const byAddress = new Map<string, Group>();

  function findGroup(address: string): Group | undefined {
    if (isExempt(address)) return undefined;
    const key = addressKey(address);
    const known = byAddress.get(key);
    if (known) return known;
    const group = new Group(limits.connectionsPerAddress, isWaiting);
    byAddress.set(key, group);
    return group;
  }

  /** The connection waits until its request is complete or its answer is sent. */
  function startWaiting(socket: Socket): void {
    for (const { waiting } of groupsOf.get(socket) ?? []) {
      waiting.delete(socket);
      waiting.add(socket);
    }
  }

  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const own = findGroup(address);
    const groups = own ? [own, all] : [all];
    groupsOf.set(socket, groups);
    for (const group of groups) group.add(socket);
    socket.once('close', () => {
      for (const group of groups) group.remove(socket);
      if (own?.open === 0) byAddress.delete(addressKey(address));
    });
    for (const group of groups) if (!socket.destroyed) group.keepBound();
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    startWaiting(socket);
    const answers = underWay.get(socket) ?? new Set();
    underWay.set(socket, answers.add(response));
    running.add(response);
    // A request whose connection was ended is answered too.
    response.once('prefinish', () => socket.destroyed || startWaiting(socket));
    // Also when the answer was sent whole.
    response.once('close', () => {
      running.delete(response);
      answers.delete(response);
      if (answers.size === 0) underWay.delete(socket);
      if (socket.destroyed) return;
      startWaiting(socket);
      if (!request.complete) setTimeout(() => request.complete || socket.destroy(), limits.lateBody).unref();
    });
  });
  return {
    open: () => all.open,
    running: () => running,
    closeIdle() {
      for (const socket of all.waiting) if (!underWay.has(socket)) socket.destroy();
    },
  };
}
