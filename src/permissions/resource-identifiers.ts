/** When two identifiers name the same resource (RFC 8707): as strings, and with or without the slash of an empty path. */

/** RFC 3986 section 6.2.3. */
const WITHOUT_PATH = /^https?:\/\/[^/?#]+$/i;

/** The same for every spelling of an identifier. */
export function canonicalIdentifier(identifier: string): string {
  return WITHOUT_PATH.test(identifier) ? `${identifier}/` : identifier;
}

export function isSameResource(one: unknown, other: unknown): boolean {
  if (typeof one !== 'string' || typeof other !== 'string') return false;
  return canonicalIdentifier(one) === canonicalIdentifier(other);
}

/** All spellings of an identifier, itself first. */
export function spellingsOf(identifier: string): readonly string[] {
  const canonical = canonicalIdentifier(identifier);
  if (canonical !== identifier) return [identifier, canonical];
  const bare = identifier.slice(0, -1);
  return identifier.endsWith('/') && WITHOUT_PATH.test(bare) ? [identifier, bare] : [identifier];
}
