/**
 * Passwords that are guessed first. Compared whole: one that merely contains such a word is accepted. The list beside
 * this file has one a line, in lower case, of 8 characters and more: shorter ones are refused for their length.
 */
import { readFileSync } from 'node:fs';

const LIST = new URL('./common-passwords.txt', import.meta.url);

let common: ReadonlySet<string> | undefined;

/** @param folded the password in NFC and lower case */
export function isBlocked(folded: string): boolean {
  common ??= new Set(readFileSync(LIST, 'utf8').trimEnd().split('\n'));
  return common.has(folded);
}
