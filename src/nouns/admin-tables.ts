/** The tables of the built-in resources: what rights over administration are about. Pure. */
import { type CollectionName, declarationOf, nouns } from './index.ts';
import type { Field } from './noun.ts';

/** The administered nouns, by their collections, and what else an administrator sees and ends; each as a page of consent names it. */
export const ADMIN_TABLE_NAMES = {
  organizations: 'Organizations',
  resources: 'Resources',
  roles: 'Roles',
  applications: 'Applications',
  users: 'Users',
  connections: 'Connections',
  datasources: 'Datasources',
  webhooks: 'Webhooks',
  tokens: 'Access tokens',
  logins: 'Logins',
  keys: 'Signing keys',
  audit: 'Audit log',
} as const;

export type AdminTable = keyof typeof ADMIN_TABLE_NAMES;

export const ADMIN_TABLES = Object.keys(ADMIN_TABLE_NAMES) as readonly AdminTable[];

/** Of tokens and logins. */
const GRANTED = [
  'id',
  'organization',
  'state',
  'subject',
  'user',
  'application',
  'applicationId',
  'clientId',
  'resource',
  'scope',
  'permissions',
  'rights',
  'grant',
  'face',
  'expiresAt',
  'authenticatedAt',
  'parent',
  'depth',
];

/** Of an entry of the audit log, in the order in which it is exported. */
export const AUDIT_COLUMNS = [
  'id',
  'at',
  'event',
  'outcome',
  'reason',
  'actor',
  'subject',
  'client',
  'organization',
  'address',
  'requestId',
  'details',
] as const;

/** Of what is not a noun, as its objects show it. */
const COLUMNS = {
  tokens: [
    ...GRANTED,
    'format',
    'issuedAt',
    'username',
    'roles',
    'login',
    'connection',
    'address',
    'requestId',
  ],
  logins: [...GRANTED, 'createdAt', 'refreshedAt', 'browserSession'],
  keys: ['id', 'alg', 'state', 'createdAt', 'signsFrom', 'signsUntil', 'publishedUntil', 'organization'],
  audit: AUDIT_COLUMNS,
} satisfies Readonly<Record<Exclude<AdminTable, CollectionName>, readonly string[]>>;

const OF_EVERY_NOUN = ['id', 'number', 'version', 'createdAt', 'managedBy', 'organization'];

/** The keys that an entry of an apply file has for the field. */
function keysOf(name: string, { inFile = {}, derived }: Field): readonly string[] {
  if (inFile === false || derived) return [];
  return inFile.members ? Object.keys(inFile.members) : [inFile.key ?? name];
}

const isNoun = (table: AdminTable): table is AdminTable & CollectionName => Object.hasOwn(nouns, table);

/** The members of its objects, by which rights may be limited. `organization` is a name. */
export function adminColumns(table: AdminTable): readonly string[] {
  if (!isNoun(table)) return COLUMNS[table];
  const fields = Object.entries<Field>(declarationOf(table).fields);
  return [...new Set([...OF_EVERY_NOUN, ...fields.flatMap(([name, field]) => keysOf(name, field))])];
}
