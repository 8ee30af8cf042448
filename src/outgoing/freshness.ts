/** How long an answer may be kept (RFC 9111 section 4.2), by a cache that many share. */
import type { IncomingHttpHeaders } from 'node:http';

/** The smallest, where it is said several times. */
function findSeconds(directives: readonly string[], name: string): number | undefined {
  const said = directives.flatMap((directive) => {
    const [each, value = ''] = directive.split('=', 2);
    return each === name && /^"?\d{1,10}"?$/.test(value) ? [Number(value.replaceAll('"', ''))] : [];
  });
  return said.length > 0 ? Math.min(...said) : undefined;
}

/** A date that cannot be read is one in the past. */
function findExpiry({ expires, date = '' }: IncomingHttpHeaders, now: number): number | undefined {
  if (expires === undefined) return undefined;
  const sent = Date.parse(date);
  const lifetime = Date.parse(expires) - (Number.isNaN(sent) ? now : sent);
  return Number.isNaN(lifetime) ? 0 : lifetime / 1000;
}

/**
 * @param now milliseconds
 * @returns seconds; 0: it must be asked for each time; undefined: the answer does not say
 */
export function findFreshness(headers: IncomingHttpHeaders, now: number): number | undefined {
  const directives = (headers['cache-control'] ?? '')
    .toLowerCase()
    .split(',')
    .map((each) => each.trim());
  if (directives.some((directive) => /^(?:no-store|no-cache|private)(?:=|$)/.test(directive))) return 0;
  const lifetime =
    findSeconds(directives, 's-maxage') ?? findSeconds(directives, 'max-age') ?? findExpiry(headers, now);
  if (lifetime === undefined) return undefined;
  const age = /^\d{1,10}$/.test(headers.age ?? '') ? Number(headers.age) : 0;
  return Math.max(0, lifetime - age);
}
