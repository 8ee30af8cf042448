/**
 * When and from where connections are used. It is written at once when the network is one that the connection was never
 * used from.
 */
import { isIPv4 } from 'node:net';
import { createUses, type Use, type UsesDeps } from '../directory/uses.ts';

const MODEL = 'ConnectionUse';
const NETWORKS_KNOWN = 50;

export interface LastUse extends Use {
  /** Networks it was used from, latest first. */
  readonly networks: readonly string[];
}

export type ConnectionUses = ReturnType<typeof createConnectionUses>;

/** The /24 of an IPv4 address; what is counted of an IPv6 one is a /64 already. */
const networkOf = (key: string): string => (isIPv4(key) ? key.replace(/\.\d+$/, '.0/24') : key);

/** @param toKey under which key an address is counted */
export function createConnectionUses(deps: UsesDeps & { readonly toKey: (address: string) => string }) {
  const uses = createUses<LastUse>(MODEL, deps);
  return {
    find: uses.find,
    /** @returns whether this is the first use from this network, and not the first of all */
    async record(connection: string, address: string): Promise<boolean> {
      const at = deps.now();
      const network = networkOf(deps.toKey(address));
      if (uses.recent(connection)?.networks.includes(network)) return false;
      const known = (await uses.find(connection))?.networks;
      const networks = [network, ...(known ?? []).filter((other) => other !== network)];
      await uses.write(connection, { at, address, networks: networks.slice(0, NETWORKS_KNOWN) });
      return known !== undefined && !known.includes(network);
    },
  };
}
