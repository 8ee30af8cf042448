/**
 * What a request's permissions can be wrong about.
 * - `malformed`: not one of the spellings, or a value in it that could be misread.
 * - `wrong_location`: it speaks of another resource than the request does (RFC 8707 section 2 `invalid_target`).
 * - `unknown_table`: a table that the resource's closed catalogue does not list.
 * - `too_large`: more tables, members or nesting than a set of permissions can have.
 */
export type PermissionsErrorCode = 'malformed' | 'wrong_location' | 'unknown_table' | 'too_large';

/**
 * Permissions that cannot be taken as they are. The message is safe to show to any client and consists of the characters
 * that an `error_description` may have (RFC 6749 section 5.2): what it quotes of the input is percent-encoded and cut.
 */
export class PermissionsError extends Error {
  override readonly name = 'PermissionsError';
  readonly code: PermissionsErrorCode;

  constructor(code: PermissionsErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const SHOWN_CHARACTERS = 64;

/** `name` percent-encoded and cut to what fits into a sentence, so that no input can break out of the message. */
export function quoteName(name: string): string {
  if (name === '') return 'the empty name';
  const encoded = encodeURIComponent(name.slice(0, SHOWN_CHARACTERS).toWellFormed());
  if (encoded.length <= SHOWN_CHARACTERS && name.length <= SHOWN_CHARACTERS) return encoded;
  return `${encoded.slice(0, SHOWN_CHARACTERS).replace(/%.?$/, '')}...`;
}
