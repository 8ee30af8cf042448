/**
 * Addresses of names that strangers choose. Such a name may have a name server that never answers. The system's resolver
 * would wait for it on a thread of the pool, of which the store and password hashes need each one; this one has no threads.
 * It knows the DNS only: not the hosts file, nor names of the local network.
 */
import { promises } from 'node:dns';

/** As `lookup` of `node:dns` with `all`. */
export type Resolve = (
  hostname: string,
  options: { readonly all: true },
  callback: (
    error: Error | null,
    addresses: readonly { readonly address: string; readonly family: number }[],
  ) => void,
) => void;

export interface DnsOptions {
  /** Milliseconds for each name server. */
  readonly timeoutMs: number;
  /** Addresses with ports; those of the system if left out. */
  readonly servers?: readonly string[];
}

export function createResolveInDns({ timeoutMs, servers }: DnsOptions): Resolve {
  const resolver = new promises.Resolver({ timeout: timeoutMs, tries: 1 });
  if (servers) resolver.setServers(servers);
  return (hostname, _options, callback) => {
    const asked = [resolver.resolve4(hostname), resolver.resolve6(hostname)];
    void Promise.allSettled(asked).then((answers) => {
      const addresses = answers.flatMap((answer, index) =>
        answer.status === 'fulfilled'
          ? answer.value.map((address) => ({ address, family: index === 0 ? 4 : 6 }))
          : [],
      );
      const failed = answers.find((answer) => answer.status === 'rejected');
      callback(addresses.length === 0 && failed ? failed.reason : null, addresses);
    });
  };
}
