/** The compact form of a JWS (RFC 7515 section 7.1). */

/**
 * Whether each of the three parts is base64url in its only valid spelling (RFC 7515 section 2). Decoders also read blanks,
 * line breaks, padding and other unused bits: these would give one token many spellings.
 */
export function isCompactJws(value: string): boolean {
  const parts = value.split('.');
  return (
    parts.length === 3 &&
    parts.every((part) => part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part)
  );
}
