/** Names that no organization or application may have. */

/** First segments of the server's own paths. */
export const ownFirstSegments: ReadonlySet<string> = new Set([
  '.well-known',
  'account',
  'admin',
  'assets',
  'device',
  'docs',
  'healthz',
  'interaction',
  'livez',
  'metrics',
  'oauth',
  'portal',
  'readyz',
  'resources',
  'static',
]);

/**
 * Names that no organization may have, because a path of the server starts with them: its own, those of the older
 * token APIs it can answer for, and those that browsers, proxies and certificate issuers ask every server for.
 */
export const reservedNames: ReadonlySet<string> = new Set([
  ...ownFirstSegments,
  // Older token APIs.
  'api',
  'apps',
  'authorization',
  'authorize',
  'consumer',
  'dh',
  'info',
  'login',
  'logout',
  'management',
  'register',
  'revoke',
  'token',
  'user',
  'users',
  'whoami',
  // Asked for by others.
  'favicon.ico',
  'index.html',
  'robots.txt',
  'sitemap.xml',
  // Ambiguous in paths, subjects and client ids.
  'client',
  'application',
  'applications',
  'organization',
  'organizations',
  'me',
  'new',
  'null',
  'undefined',
]);

/** Of the organization of the server itself, which no store keeps. */
export const MANAGEMENT_ID = '00000000-0000-4000-8000-000000000000';

/** Of the application that the organization itself is, reserved so that no other has it. */
export const ORGANIZATION_CLIENT = 'organization';
