/** Under which key an address is counted. */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from './request-facts.ts';

/** Eight groups from the compressed form (RFC 5952). */
function expand(compressed: string): string[] {
  const [head = '', tail] = compressed.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
}

/**
 * IPv4 addresses count one by one, also when mapped into IPv6 (RFC 4291 section 2.5.5.2); IPv6 addresses by their
 * /64, which is what one customer gets and can walk through. A text that is not an address counts as itself.
 *
 * @param address of the peer, already resolved behind trusted proxies
 */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  return isIPv6(plain) ? `${expand(plain).slice(0, 4).join(':')}::/64` : plain;
}

/** The addresses that one customer may have: one IPv4 address, or an IPv6 /48 (RFC 6177). */
export function customerKey(address: string): string {
  const [network, key] = networksOf(address);
  return isIPv4(key) ? key : network;
}

/**
 * The networks that an address counts for, the widest first: the IPv6 /48 that one customer may get (RFC 6177) or the
 * IPv4 /24, then the result of `addressKey`.
 */
export function networksOf(address: string): readonly [string, string] {
  const key = addressKey(address);
  if (isIPv4(key)) return [`${key.split('.').slice(0, 3).join('.')}.0/24`, key];
  return [key.replace(/:[0-9a-f]+::\/64$/, '::/48'), key];
}
