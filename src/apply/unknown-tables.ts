/** What is said of tables that an apply file names and that a closed catalogue does not list. */
import { didYouMean } from '../errors/similar.ts';

/** To look for a similar name takes time with each of many tables. */
const MAX_HINTS = 10;

interface UnknownTable {
  readonly table: string;
  /** ` (did you mean orders?)`, or nothing. */
  readonly hint: string;
}

/** Of these tables, those that are not known. */
export function findUnknownTables(tables: Iterable<string>, known: ReadonlySet<string>): UnknownTable[] {
  return [...tables]
    .filter((table) => !known.has(table))
    .map((table, index) => ({ table, hint: index < MAX_HINTS ? didYouMean(table, known) : '' }));
}
