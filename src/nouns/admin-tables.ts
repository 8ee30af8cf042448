/** The tables of the built-in resources: what rights over administration are about. Pure. */

/** The administered nouns, by their collections, and what else an administrator sees and ends. */
export const ADMIN_TABLES = [
  'organizations',
  'resources',
  'roles',
  'applications',
  'users',
  'connections',
  'datasources',
  'webhooks',
  'tokens',
  'logins',
  'keys',
  'audit',
] as const;

export type AdminTable = (typeof ADMIN_TABLES)[number];
