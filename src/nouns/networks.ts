/** Whether an address lies in one of some networks (CIDR, RFC 4632). */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

const CIDR = /^(.+)\/(\d{1,3})$/;

/** What is wrong with it, as the end of a sentence; undefined if it is a network or an address. */
export function findNetworkProblem(network: string): string | undefined {
  const [, address = network, bits] = CIDR.exec(network) ?? [];
  const family = isIPv4(address) ? 32 : isIPv6(address) ? 128 : undefined;
  if (family === undefined) return 'is neither an IP address nor a CIDR block';
  return bits !== undefined && Number(bits) > family ? 'has too long a prefix' : undefined;
}

/** @returns whether an address lies in one of the networks, which are good ones */
export function createIsWithin(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [, base = network, bits] = CIDR.exec(network) ?? [];
    const family = isIPv4(base) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(base, family);
    else list.addSubnet(base, Number(bits), family);
  }
  return (address) =>
    isIPv4(address) ? list.check(address, 'ipv4') : isIPv6(address) && list.check(address, 'ipv6');
}

/** @param networks none: every address is in */
export function isWithin(address: string, networks: readonly string[]): boolean {
  return networks.length === 0 || createIsWithin(networks)(address);
}
