/** Names of hosts. */
import { isIP } from 'node:net';

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const HOSTNAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const NAME_AND_PORT = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/;

/** A name of the DNS in lower case, or an IP address without brackets. */
export function isHostname(text: string): boolean {
  if (isIP(text)) return true;
  // What looks like a number would be taken for an address by URL parsers.
  return text.length <= 253 && HOSTNAME.test(text) && !/^[\d.]+$/.test(text);
}

/** As it stands in a Host header: name or address (IPv6 in brackets), with or without port. */
export function isHostAndPort(text: string): boolean {
  const [, host, port] = NAME_AND_PORT.exec(text) ?? [];
  if (!host || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) return false;
  return host.startsWith('[') ? isIP(host.slice(1, -1)) === 6 : isHostname(host);
}
