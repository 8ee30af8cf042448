/** Passwords that are guessed first. Compared whole: one that merely contains such a word is somebody's own. */
import { COMMON_PASSWORDS } from './common-passwords.ts';

let common: ReadonlySet<string> | undefined;

/** @param folded the password in NFC and lower case */
export function isBlocked(folded: string): boolean {
  common ??= new Set(COMMON_PASSWORDS.trim().split('\n'));
  return common.has(folded);
}
