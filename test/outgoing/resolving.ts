import type { Resolve } from '../../src/outgoing/resolve-in-dns.ts';

/** Each name has its addresses; all others are unknown. */
export function resolving(names: Readonly<Record<string, readonly string[]>>): Resolve {
  return (hostname, _options, callback) => {
    const addresses = names[hostname];
    if (!addresses) return callback(new Error(`queryA ENOTFOUND ${hostname}`), []);
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
}
