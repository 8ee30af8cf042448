/** Facts of a request that everybody past here relies on: its id, and the address it came from. */
import { randomBytes } from 'node:crypto';
import type { Middleware } from 'koa';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Peers whose forwarding headers are believed. */
export interface TrustedPeers {
  includes(address: string): boolean;
}

function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** The right-most address of `X-Forwarded-For` that no trusted proxy of ours has. */
function forwardedAddress(header: string, peer: string, trusted: TrustedPeers): string {
  const hops = header.split(',').map((hop) => hop.trim());
  let client = peer;
  for (const hop of hops.reverse()) {
    if (hop === '' || !trusted.includes(client)) break;
    client = plain(hop);
  }
  return client;
}

/**
 * Sets `ctx.state.requestId` and `ctx.state.address`. Forwarding headers count only if the peer is a trusted proxy;
 * nothing else of the server reads any of them (HD-05).
 */
export function createRequestFacts({ trustedProxies }: { trustedProxies: TrustedPeers }): Middleware {
  return async function requestFacts(ctx, next) {
    const peer = plain(ctx.req.socket.remoteAddress ?? '');
    const isTrusted = trustedProxies.includes(peer);
    const givenId = ctx.get('X-Request-Id');
    ctx.state.peer = peer;
    ctx.state.requestId =
      isTrusted && REQUEST_ID.test(givenId) ? givenId : randomBytes(12).toString('base64url');
    ctx.state.address = isTrusted ? forwardedAddress(ctx.get('X-Forwarded-For'), peer, trustedProxies) : peer;
    ctx.set('X-Request-Id', ctx.state.requestId);
    await next();
  };
}
