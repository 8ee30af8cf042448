/**
 * When and from where connections are used. It is written once a minute at most for each connection and process, and
 * at once when the network is one that the connection was never used from.
 */
import { hash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { ArtifactStore } from '../storage/contract.ts';

const MODEL = 'ConnectionUse';
const WRITTEN_EVERY_MS = 60_000;
const KEPT_FOR_MS = 400 * 86_400_000;
const NETWORKS_KNOWN = 50;
const CONNECTIONS_REMEMBERED = 10_000;

export interface Use {
  /** Milliseconds. */
  readonly at: number;
  readonly address: string;
  /** Networks it was used from, latest first. */
  readonly networks: readonly string[];
}

export interface ConnectionUses {
  /** @returns whether this is the first use from this network, and not the first of all */
  record(connection: string, address: string): Promise<boolean>;
  find(connection: string): Promise<Use | undefined>;
}

/** The /24 of an IPv4 address; what is counted of an IPv6 one is a /64 already. */
function networkOf(key: string): string {
  return isIPv4(key) ? key.replace(/\.\d+$/, '.0/24') : key;
}

function keyOf(connection: string): Buffer {
  return hash('sha256', `${MODEL}\0${connection}`, 'buffer').subarray(0, 22);
}

/** @param toKey under which key an address is counted */
export function createConnectionUses({
  artifacts,
  toKey,
  now,
}: {
  artifacts: Pick<ArtifactStore, 'find' | 'upsert'>;
  toKey: (address: string) => string;
  /** Milliseconds. */
  now: () => number;
}): ConnectionUses {
  const recent = new LRUCache<string, Use>({ max: CONNECTIONS_REMEMBERED });

  async function find(connection: string): Promise<Use | undefined> {
    const stored = await artifacts.find(MODEL, keyOf(connection), now());
    return stored?.payload as Use | undefined;
  }

  return {
    find,
    async record(connection, address) {
      const at = now();
      const network = networkOf(toKey(address));
      const last = recent.get(connection);
      if (last && at - last.at < WRITTEN_EVERY_MS && last.networks.includes(network)) return false;
      const known = (await find(connection))?.networks;
      const networks = [network, ...(known ?? []).filter((other) => other !== network)];
      const use = { at, address, networks: networks.slice(0, NETWORKS_KNOWN) };
      await artifacts.upsert(MODEL, keyOf(connection), { payload: use, expiresAt: at + KEPT_FOR_MS });
      recent.set(connection, use);
      return known !== undefined && !known.includes(network);
    },
  };
}
