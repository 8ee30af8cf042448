/** What a guard would do to a database: the migration, or why it cannot be. */
import type { Resource } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { type GuardOptions, makeGuard } from './make-guard.ts';
import type { Guard } from './model.ts';
import { type Applied, type NumberedMigration, numberMigration, readApplied } from './numbered.ts';
import { examineDatabase, type Preflight } from './preflight.ts';
import type { Database } from './read-database.ts';

export interface GuardPlan {
  readonly guard: Guard;
  /** The last migration that the database has. */
  readonly last: Applied | undefined;
  readonly migration: NumberedMigration;
  readonly preflight: Preflight;
  /** Whether the guard would not hold. */
  readonly isRefused: boolean;
}

/** The database is not what the resource says. */
export interface Unfitting {
  /** Whole sentences. */
  readonly problems: readonly string[];
}

/** @param accept names of findings that the operator accepts */
export async function planGuard(
  database: Database,
  resource: Resource,
  options: GuardOptions,
  accept: readonly string[],
  from: { readonly store: DirectoryStore; readonly issuer: string },
): Promise<GuardPlan | Unfitting> {
  const { guard, problems } = await makeGuard(database, resource, options, from);
  if (problems.length > 0) return { problems };
  if (guard.tables.length === 0) return { problems: ['The resource has no tables: import them before.'] };
  const last = await readApplied(database);
  const preflight = await examineDatabase(database, guard, last, accept);
  const isRefused = preflight.findings.some(({ kind }) => kind === 'refused');
  return { guard, last, preflight, isRefused, migration: numberMigration(guard, preflight.accepted, last) };
}
