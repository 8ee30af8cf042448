/** Facts of a request that everybody past here relies on: its id, the address it came from, and when. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket, SocketAddress } from 'node:net';
import type { Middleware } from 'koa';
import { keptStates, type RequestState } from './request-state.ts';

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
 * Forwarding headers count only if the peer is a trusted proxy; nothing else of the server believes any of them (HD-05).
 */
export function createReadFacts(trustedProxies: TrustedPeers): (request: IncomingMessage) => RequestState {
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
  return (request) => {
    const { address, isTrusted } = peerOf(request.socket);
    const started = performance.now();
    if (!isTrusted) return { requestId: randomUUID(), address, peer: address, started };
    const { 'x-forwarded-for': forwarded = '', 'x-request-id': given } = request.headers;
    return {
      requestId: typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID(),
      address: forwardedAddress(String(forwarded), address, trustedProxies),
      peer: address,
      started,
    };
  };
}

/** Leaves them in `ctx.state`, with what the direct lane left. */
export function createRequestFacts(readFacts: ReturnType<typeof createReadFacts>): Middleware {
  return function requestFacts(ctx, next) {
    const { req, state } = ctx;
    Object.assign(state, keptStates.get(req) ?? readFacts(req));
    ctx.res.setHeader('X-Request-Id', state.requestId);
    return next();
  };
}
