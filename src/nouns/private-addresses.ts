/**
 * Addresses that are not of the public Internet. Nouns name machines that this server connects to (databases, receivers of
 * webhooks), and who may change a noun must not reach the operator's own network with it.
 */
import { isIPv4 } from 'node:net';
import { createIsWithin } from './networks.ts';

/** IANA special-purpose registry of IPv4 (RFC 6890 and its successors). */
const isPrivateIpv4 = createIsWithin([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  // The host of a virtual machine of Azure, which gives it its certificates.
  '168.63.129.16',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]);

/** All that IANA has given out for the public Internet, and what is special in it. Some of that has IPv4 in it. */
const isGlobalIpv6 = createIsWithin(['2000::/3']);
const isPrivateInGlobal = createIsWithin(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** @param address IPv4 mapped into IPv6 and written with dots counts as the IPv4 address that it is */
export function isPrivate(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  if (isIPv4(plain)) return isPrivateIpv4(plain);
  return !isGlobalIpv6(plain) || isPrivateInGlobal(plain);
}
