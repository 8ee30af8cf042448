/** The migration with its number, and a row about it in the database. */
import { hash } from 'node:crypto';
import { FINGERPRINT_FUNCTION, type Fingerprint } from './fingerprint.ts';
import type { Guard } from './model.ts';
import type { Database } from './read-database.ts';
import { migration } from './sql/migration.ts';
import { dollarQuoted, literal, textArray } from './sql/text.ts';

/** A migration that ran in the database. */
export interface Applied {
  readonly number: number;
  /** Identifier. */
  readonly resource: string;
  readonly sha256: string;
  readonly accepted: readonly string[];
  /** What it had made when it ended. */
  readonly fingerprint: Fingerprint;
}

/** The last one; undefined: the database is not guarded. */
export async function readApplied(database: Database): Promise<Applied | undefined> {
  const books = await database.query<{ exist: boolean }>(
    `select to_regclass('grantable.migrations') is not null as exist`,
  );
  if (!books.rows[0]?.exist) return undefined;
  const { rows } = await database.query<Applied>(
    'select number, resource, sha256, accepted, fingerprint::jsonb from grantable.migrations order by number desc limit 1',
  );
  return rows[0];
}

export interface NumberedMigration {
  readonly number: number;
  /** Of all that decides what the database becomes. */
  readonly sha256: string;
  /** The same as the last one in the database. */
  readonly isApplied: boolean;
  /** Without those that begin and end the transaction. */
  readonly statements: readonly string[];
}

/** @param accepted names of what reaches guarded tables, and may */
export function numberMigration(
  guard: Guard,
  accepted: readonly string[],
  last: Applied | undefined,
): NumberedMigration {
  const made = [...migration(guard), FINGERPRINT_FUNCTION];
  const sha256 = hash('sha256', JSON.stringify([guard.resource, made, accepted]));
  const isApplied = last?.sha256 === sha256;
  const number = (last?.number ?? 0) + (isApplied ? 0 : 1);
  return {
    number,
    sha256,
    isApplied,
    statements: [
      // Readers of the tables wait behind a statement that waits for a lock.
      `set local lock_timeout = '5s';`,
      // Of what is dropped if it is there.
      `set local client_min_messages = warning;`,
      `do $$ begin perform pg_advisory_xact_lock(${LOCK}); end $$;`,
      requireOrder(number, guard.resource, sha256),
      ...made,
      record(number, guard.resource, sha256, accepted),
    ],
  };
}

/** Two migrations at once would each see half of the other. */
const LOCK = 0x6772616e74;

function requireOrder(number: number, resource: string, sha256: string): string {
  return `do ${dollarQuoted(`
declare last record;
begin
  if to_regclass('grantable.migrations') is null then return; end if;
  for last in execute 'select number, resource, sha256 from grantable.migrations order by number desc limit 1' loop
    if last.resource <> ${literal(resource)} then
      raise exception 'The database is guarded for another resource, %', last.resource;
    end if;
    if last.number > ${number} then
      raise exception 'Migration % has run in this database, which is later than ${number}: print a new one', last.number;
    end if;
    if last.number = ${number} and last.sha256 <> ${literal(sha256)} then
      raise exception 'Another migration ${number} has run in this database: print a new one';
    end if;
  end loop;
end`)};`;
}

function record(number: number, resource: string, sha256: string, accepted: readonly string[]): string {
  return `insert into grantable.migrations (number, resource, sha256, fingerprint, accepted)
  values (${number}, ${literal(resource)}, ${literal(sha256)}, grantable.fingerprint()::text, ${textArray(accepted)})
  on conflict (number) do update set sha256 = excluded.sha256, fingerprint = excluded.fingerprint,
    accepted = excluded.accepted, applied_at = now(), applied_by = current_user;`;
}
