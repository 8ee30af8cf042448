/** Facts of a request that everybody past here relies on: its id, and the address it came from. */
import { randomUUID } from 'node:crypto';
import { isIP, type Socket, SocketAddress } from 'node:net';
import type { Middleware } from 'koa';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const MAPPED_IPV4 = /^::ffff:(\d+(?:\.\d+){3})$/i;
/** An address as proxies write it: alone, or with the port it came from. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d+(?:\.\d+){3}):\d{1,5})$/;

/** Peers whose forwarding headers are believed. */
export interface TrustedPeers {
  includes(address: string): boolean;
}

/** One spelling for each address: IPv4 for what is IPv4 in IPv6, IPv6 compressed (RFC 5952), no zone. */
export function plainAddress(address: string): string {
  const bare = isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
  return MAPPED_IPV4.exec(bare)?.[1] ?? bare;
}

/** Undefined for a text that is not an address. */
function findAddress(hop: string): string | undefined {
  const text = hop.trim();
  const [, bracketed, dotted] = WITH_PORT.exec(text) ?? [];
  const address = bracketed ?? dotted ?? text;
  return isIP(address) === 0 ? undefined : plainAddress(address);
}

/**
 * The right-most address of `X-Forwarded-For` that is not a trusted proxy's. Each hop is believed only if the one behind
 * it is trusted, so what a client wrote itself is never reached.
 */
function forwardedAddress(header: string, peer: string, trusted: TrustedPeers): string {
  let client = peer;
  let end = header.length;
  while (end > 0 && trusted.includes(client)) {
    const comma = header.lastIndexOf(',', end - 1);
    const address = findAddress(header.slice(comma + 1, end));
    if (address === undefined) break;
    client = address;
    end = comma;
  }
  return client;
}

interface Peer {
  readonly address: string;
  readonly isTrusted: boolean;
}

/**
 * Sets `ctx.state.requestId`, `ctx.state.address` and `ctx.state.peer`. Forwarding headers count only if the peer is a
 * trusted proxy; nothing else of the server believes any of them (HD-05).
 */
export function createRequestFacts({ trustedProxies }: { trustedProxies: TrustedPeers }): Middleware {
  /** The same for all requests of a connection. */
  const peers = new WeakMap<Socket, Peer>();
  const peerOf = (socket: Socket): Peer => {
    let peer = peers.get(socket);
    if (!peer) {
      const address = plainAddress(socket.remoteAddress ?? '');
      peer = { address, isTrusted: trustedProxies.includes(address) };
      peers.set(socket, peer);
    }
    return peer;
  };
  return function requestFacts(ctx, next) {
    const { address, isTrusted } = peerOf(ctx.req.socket);
    const { state } = ctx;
    state.peer = address;
    state.address = address;
    state.requestId = randomUUID();
    if (isTrusted) {
      state.address = forwardedAddress(ctx.get('X-Forwarded-For'), address, trustedProxies);
      const given = ctx.get('X-Request-Id');
      if (REQUEST_ID.test(given)) state.requestId = given;
    }
    ctx.res.setHeader('X-Request-Id', state.requestId);
    return next();
  };
}
