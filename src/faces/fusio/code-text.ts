/** Authorization codes as Fusio's clients carry them, who know no PKCE: the code and its verifier in one text. */

import type { NewCode } from '../../tokens/codes.ts';

const VERIFIER = /^[A-Za-z0-9_-]{43}$/;

export function joinCode({ code, verifier }: NewCode): string {
  return `${code}.${verifier}`;
}

/** @returns without a verifier if the text does not have one, or has something else in its place */
export function splitCode(text: string): { readonly code: string; readonly verifier: string | undefined } {
  const at = text.indexOf('.');
  if (at < 0) return { code: text, verifier: undefined };
  const verifier = text.slice(at + 1);
  return { code: text.slice(0, at), verifier: VERIFIER.test(verifier) ? verifier : undefined };
}
