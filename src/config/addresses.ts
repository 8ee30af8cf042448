/** The issuer, proxies and paths: what may stand in the places of the configuration that name machines. */
import { isIP } from 'node:net';
import { createIsWithin } from '../nouns/networks.ts';

/** What is wrong with an issuer (RFC 8414 section 2), as the end of a sentence; undefined if nothing is. */
export function findIssuerProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'is not an http or https URL';
  if (url.username || url.password) return 'names a user';
  if (text.includes('?')) return 'has a query';
  if (text.includes('#')) return 'has a fragment';
  if (url.pathname !== '/') return 'has a path, but the server answers at the root of its host';
  // Clients compare the issuer as a string, so there is one spelling.
  if (text !== url.origin) return `is not in its plain form, ${url.origin}`;
  return undefined;
}

/** The proxies whose `X-Forwarded-For` Grantable trusts. */
export interface TrustedProxies {
  /** As configured. */
  readonly list: readonly string[];
  /** @param address of a peer as a socket gives it, IPv4 in IPv6 (`::ffff:10.0.0.1`) included */
  includes(address: string): boolean;
}

/** @param list of good entries, see `findProxyProblem` */
export function createTrustedProxies(list: readonly string[]): TrustedProxies {
  return { list, includes: createIsWithin(list) };
}

/** What is wrong with an address or CIDR block of proxies; undefined if nothing is. */
export function findProxyProblem(entry: string): string | undefined {
  const [address = '', prefix, ...rest] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return 'is not an IP address';
  if (prefix === undefined) return undefined;
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 6 ? 128 : 32))
    return 'has a wrong prefix length';
  if (Number(prefix) === 0) return 'includes every address, so any client could claim any address';
  return undefined;
}
