/** The guard of a resource: its tables as the store declares them and the database has them. */
import type { Resource } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Guard } from './model.ts';
import { type Database, readDatabase } from './read-database.ts';
import { findLimitedTables } from './stored-rights.ts';

/** What the operator says beside the resource and the database. */
export type GuardOptions = Pick<
  Guard,
  'clientRoles' | 'exemptRoles' | 'viewSchema' | 'defaultSchema' | 'mode'
>;

/**
 * @param issuer of the tokens
 * @returns the guard, and whole sentences on what of the resource the database does not have
 */
export async function makeGuard(
  database: Database,
  resource: Resource,
  options: GuardOptions,
  { store, issuer }: { readonly store: DirectoryStore; readonly issuer: string },
): Promise<{ readonly guard: Guard; readonly problems: readonly string[] }> {
  const limited = await findLimitedTables(store, resource);
  const { tables, problems } = await readDatabase(database, resource.tables, {
    defaultSchema: options.defaultSchema,
    isLimited: (id) => limited.has(id),
  });
  const guard = {
    ...options,
    issuer,
    resource: resource.identifier,
    tables,
    serverVersion: await readVersion(database),
  };
  return { guard, problems };
}

async function readVersion(database: Database): Promise<number> {
  const { rows } = await database.query<{ version: number }>(
    `select current_setting('server_version_num')::integer as version`,
  );
  return rows[0]?.version ?? 0;
}
