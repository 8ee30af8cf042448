/** The tables of the built-in resources: what rights over administration are about. Pure. */
import { type CollectionName, declarationOf, nouns } from './index.ts';
import type { Field } from './noun.ts';

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

/** Of what is not a noun, as its objects show it. */
const COLUMNS = {
  tokens: ['id', 'organization', 'application', 'user', 'connection', 'resource', 'parent'],
  logins: ['id', 'organization', 'application', 'user', 'resource'],
  keys: ['id', 'alg', 'state', 'organization'],
  audit: ['id', 'at', 'event', 'outcome', 'actor', 'subject', 'organization', 'client', 'address', 'details'],
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
