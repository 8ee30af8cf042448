/**
 * Where this server connects to for others, such as the receiver of a webhook. Who names the URL decides where that is, so
 * addresses of private networks are out of reach unless the server's operator lists the host. The address that was checked
 * is the one that is connected to.
 */
import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isPrivate } from '../nouns/private-addresses.ts';
import { createResolveInDns, type Resolve } from './resolve-in-dns.ts';

export type Targets = ReturnType<typeof createTargets>;

/** The name of the host does not lead to an address that may be connected to. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused';
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };

export interface TargetsDeps {
  /** Hosts, each with or without a port, that may be private, and reached without TLS on this machine. */
  readonly listed: readonly string[];
  /** The option that lists them, for the sentence of a refusal. */
  readonly option: string;
  /** For tests: of all hosts, or of listed ones. */
  readonly resolve?: Resolve;
  /** For tests. */
  readonly resolveOthers?: Resolve;
}

/** Milliseconds: a part of the time that an attempt may take. */
const NAME_SERVER_MS = 2_000;

/** @returns the address that the host is, without the brackets of URLs; undefined: it is a name */
export function addressOf({ hostname }: URL): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) === 0 ? undefined : bare;
}

export function createTargets(deps: TargetsDeps) {
  const { listed, option, resolve = lookup as Resolve } = deps;
  // Strangers choose those names: see `resolve-in-dns.ts`.
  const resolveOthers =
    deps.resolveOthers ?? deps.resolve ?? createResolveInDns({ timeoutMs: NAME_SERVER_MS });
  const hosts = new Set(listed);

  /** Whether the operator lists the host. */
  function isListed({ hostname, port, protocol }: URL): boolean {
    return hosts.has(hostname) || hosts.has(`${hostname}:${port || DEFAULT_PORTS[protocol]}`);
  }

  const notPermitted = (host: string): string =>
    `has the host ${host}, which is not at a public address, and ${option} does not list it`;

  return {
    isListed,
    /** What is wrong with a URL, as the end of a sentence, as far as it can be said without looking its name up. */
    findProblem(url: URL): string | undefined {
      if (isListed(url)) return undefined;
      if (url.protocol !== 'https:') return 'is not an https URL';
      const address = addressOf(url);
      return address !== undefined && isPrivate(address) ? notPermitted(address) : undefined;
    },
    /** For one connection to the URL: gives addresses only if all that the name has are permitted. */
    lookupFor(url: URL): LookupFunction {
      const mayBePrivate = isListed(url);
      return (hostname, options, callback) => {
        const find = mayBePrivate ? resolve : resolveOthers;
        find(hostname, { all: true }, (error, addresses) => {
          if (error) return callback(error as NodeJS.ErrnoException, '');
          const [first] = addresses;
          const isPermitted = mayBePrivate || addresses.every(({ address }) => !isPrivate(address));
          if (!first || !isPermitted)
            return callback(new TargetRefused(`The URL ${notPermitted(hostname)}.`), '');
          return options.all ? callback(null, [...addresses]) : callback(null, first.address, first.family);
        });
      };
    },
  };
}
