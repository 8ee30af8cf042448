/**
 * Which addresses a datasource may have. The operator of an organization decides where this server connects to, so machines of
 * the operator's own network are out of reach unless he names them. What counts is the address that is connected to,
 * not the name it was found by.
 */
import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isWithin } from '../nouns/networks.ts';
import { DatasourceAway } from './connector.ts';

/** IANA special-purpose registries (RFC 6890 and its successors), IPv4 in IPv6 included. */
const PRIVATE: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

const privateAddresses = new BlockList();
for (const [address, bits] of PRIVATE) {
  privateAddresses.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** @param address IPv4 mapped into IPv6 counts as the IPv4 address that it is */
export function isPrivate(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  const family = isIP(plain);
  return family === 0 || privateAddresses.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

export interface AllowedHosts {
  /** Whether a connection to this address may be made for a datasource with this host. */
  permits(host: string, address: string): boolean;
}

/** @param allowed names, addresses and networks (CIDR) that datasources may have although they are private */
export function createAllowedHosts(allowed: readonly string[]): AllowedHosts {
  const names = new Set(allowed.filter((entry) => isIP(entry.split('/')[0] ?? '') === 0));
  const networks = allowed.filter((entry) => !names.has(entry));
  return {
    permits: (host, address) =>
      !isPrivate(address) || names.has(host) || (networks.length > 0 && isWithin(address, networks)),
  };
}

/** A `lookup` for `net.connect` that knows no address which is not permitted. */
export function createCheckedLookup(host: string, allowed: AllowedHosts): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const permitted = addresses.filter(({ address }) => allowed.permits(host, address));
      const [first] = permitted;
      if (!first) return callback(notPermitted(host), '');
      return options.all ? callback(null, permitted) : callback(null, first.address, first.family);
    });
  };
}

/** Addresses are not looked up, so they are checked before. @throws DatasourceAway */
export function requirePermitted(host: string, allowed: AllowedHosts): void {
  if (isIP(host) !== 0 && !allowed.permits(host, host)) throw notPermitted(host);
}

function notPermitted(host: string): DatasourceAway {
  return new DatasourceAway(
    `${host} is an address of a private network, which GRANTABLE_DATASOURCE_HOSTS does not name`,
  );
}
