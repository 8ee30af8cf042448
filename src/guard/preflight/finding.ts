/** What is found about a database before it is guarded. */
import type { Guard } from '../model.ts';
import type { Database } from '../read-database.ts';
import { qualified } from '../sql/text.ts';
import type { Roles } from './memberships.ts';

export interface Finding {
  /** `refused`: the guard would not hold. */
  readonly kind: 'refused' | 'note';
  /** Whole sentences, with what to do. */
  readonly says: string;
  /** The name under which an operator may accept it. */
  readonly name?: string;
}

export interface Examined {
  readonly database: Database;
  readonly guard: Guard;
  readonly roles: Roles;
  /** What the last migration made, such as `function grantable.claims()`. */
  readonly made: ReadonlySet<string>;
}

export const refused = (says: string): Finding => ({ kind: 'refused', says });
export const note = (says: string): Finding => ({ kind: 'note', says });

/** The tables with their partitions and children, as `regclass` reads them. */
export function relationsOf({ tables }: Guard): string[] {
  return tables.flatMap((table) => [table, ...table.children].map(qualified));
}
