/** Redirect URIs: which ones an application may list, and what each kind requires of a login. */

const VISIBLE = /^[!-~]+$/;

/** @param hostname as `URL` gives it */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    hostname === '::1' ||
    /^127(?:\.\d+){3}$/.test(hostname)
  );
}

const FORBIDDEN_SCHEMES: ReadonlySet<string> = new Set([
  'javascript:',
  'data:',
  'vbscript:',
  'file:',
  'blob:',
  'about:',
]);

/** True for schemes that a native application owns (RFC 8252 section 7.1). */
export function hasOwnScheme(uri: string): boolean {
  return !/^https?:/i.test(uri);
}

/**
 * True for schemes of an application's own and for `http` on this machine (RFC 8252 section 7): any program on the
 * device may answer there, and no certificate identifies it.
 */
export function isOnDevice(uri: string): boolean {
  return !/^https:/i.test(uri);
}

/**
 * True if another program on the person's device may receive the code: only PKCE keeps that program from using the code.
 * A web application is on this machine only while it is developed.
 */
export function needsPkce({ native }: { readonly native?: boolean }, uri: string): boolean {
  return native === true && (isOnDevice(uri) || isLoopback(URL.parse(uri)?.hostname ?? ''));
}

/** Whether a login of the application may go without a code challenge. */
export function mayOmitPkce(
  application: { readonly pkce?: string; readonly authMethod: string | undefined; readonly native?: boolean },
  redirectUri: string,
): boolean {
  const { pkce, authMethod } = application;
  return pkce === 'optional' && authMethod !== 'none' && !needsPkce(application, redirectUri);
}

/**
 * RFC 9700 section 2.1, RFC 8252 section 7.
 * @returns what is wrong with it, as the end of a sentence
 */
export function findRedirectUriProblem(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !VISIBLE.test(value) || value.length > 1024)
    return 'is not an absolute URI of at most 1024 characters';
  if (FORBIDDEN_SCHEMES.has(url.protocol))
    return `has the scheme ${url.protocol.slice(0, -1)}, which is not allowed`;
  if (value.includes('#')) return 'has a fragment';
  if (value.includes('*')) return 'has a wildcard; each redirect URI must be listed whole';
  if (url.username || url.password) return 'names a user';
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return 'is plain http for another machine: only https will do';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return url.protocol.includes('.')
      ? undefined
      : 'has a scheme of its own without a dot; one is named after a domain, such as com.example.app:/callback';
  }
  // Compared as a string, so one that browsers rewrite would never be reached.
  return url.href === value || url.href === `${value}/` ? undefined : `is not in its plain form, ${url.href}`;
}
