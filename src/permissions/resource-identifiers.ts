/**
 * When two identifiers name the same resource (RFC 8707): as strings, in whatever case scheme and host are written, and with
 * or without the slash of an empty path.
 */

/** RFC 3986 sections 6.2.2.1 and 6.2.3. */
const SCHEME_AND_HOST = /^https?:\/\/[^/?#@]+(?=[/?#]|$)/i;
const WITHOUT_PATH = /^https?:\/\/[^/?#]+$/;

function inLowerCase(identifier: string): string {
  return identifier.replace(SCHEME_AND_HOST, (start) => start.toLowerCase());
}

/** The same for every spelling of an identifier. */
export function canonicalIdentifier(identifier: string): string {
  const lower = inLowerCase(identifier);
  return WITHOUT_PATH.test(lower) ? `${lower}/` : lower;
}

export function isSameResource(one: unknown, other: unknown): boolean {
  if (typeof one !== 'string' || typeof other !== 'string') return false;
  return one === other || canonicalIdentifier(one) === canonicalIdentifier(other);
}

/** All spellings of an identifier that a resource may be registered by, itself first. */
export function spellingsOf(identifier: string): readonly string[] {
  const canonical = canonicalIdentifier(identifier);
  const bare = canonical.slice(0, -1);
  const spellings = [identifier, inLowerCase(identifier), canonical];
  if (canonical.endsWith('/') && WITHOUT_PATH.test(bare)) spellings.push(bare);
  return [...new Set(spellings)];
}
