/**
 * Which addresses a datasource may have: none of a private network unless the operator of the server names it. What counts is
 * the address that is connected to, not the name it was found by.
 */
import { lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isWithin } from '../nouns/networks.ts';
import { isPrivate } from '../nouns/private-addresses.ts';
import { DatasourceAway } from './connector.ts';

/** Whether a connection to this address may be made for a datasource with this host. */
export type AllowedHosts = (host: string, address: string) => boolean;

/** @param allowed names, addresses and networks (CIDR) that datasources may have although they are private */
export function createAllowedHosts(allowed: readonly string[]): AllowedHosts {
  const names = new Set(allowed.filter((entry) => isIP(entry.split('/')[0] ?? '') === 0));
  const networks = allowed.filter((entry) => !names.has(entry));
  return (host, address) =>
    !isPrivate(address) || names.has(host) || (networks.length > 0 && isWithin(address, networks));
}

/** A `lookup` for `net.connect` that knows no address which is not permitted. */
export function createCheckedLookup(host: string, allowed: AllowedHosts): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const permitted = addresses.filter(({ address }) => allowed(host, address));
      const [first] = permitted;
      if (!first) return callback(notPermitted(host), '');
      return options.all ? callback(null, permitted) : callback(null, first.address, first.family);
    });
  };
}

/** Addresses are not looked up, so they are checked before. @throws DatasourceAway */
export function requirePermitted(host: string, allowed: AllowedHosts): void {
  if (isIP(host) !== 0 && !allowed(host, host)) throw notPermitted(host);
}

function notPermitted(host: string): DatasourceAway {
  return new DatasourceAway(
    `${host} is an address of a private network, which GRANTABLE_DATASOURCE_HOSTS does not name`,
  );
}
