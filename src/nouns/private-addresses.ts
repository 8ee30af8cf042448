/**
 * Addresses that are not of the public Internet. Nouns name machines that this server connects to (databases, receivers of
 * webhooks), and who may change a noun must not reach the operator's own network with it.
 */
import { BlockList, isIP } from 'node:net';

/** IANA special-purpose registry of IPv4 (RFC 6890 and its successors). */
const PRIVATE: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // The host of a virtual machine of Azure, which gives it its certificates.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** All that IANA has given out for the public Internet, and what is special in it. Some of that has IPv4 in it. */
const GLOBAL = ['2000::', 3] as const;
const PRIVATE_IN_GLOBAL: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const privateIpv4 = new BlockList();
for (const [address, bits] of PRIVATE) privateIpv4.addSubnet(address, bits, 'ipv4');

const globalIpv6 = new BlockList();
globalIpv6.addSubnet(...GLOBAL, 'ipv6');

const privateIpv6 = new BlockList();
for (const [address, bits] of PRIVATE_IN_GLOBAL) privateIpv6.addSubnet(address, bits, 'ipv6');

/** @param address IPv4 mapped into IPv6 and written with dots counts as the IPv4 address that it is */
export function isPrivate(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  const family = isIP(plain);
  if (family === 4) return privateIpv4.check(plain, 'ipv4');
  return family === 0 || !globalIpv6.check(plain, 'ipv6') || privateIpv6.check(plain, 'ipv6');
}
