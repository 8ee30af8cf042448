/** What is found about a database before it is guarded. */
import { listSome } from '../../errors/texts.ts';
import type { Guard } from '../model.ts';
import type { Applied } from '../numbered.ts';
import type { Database } from '../read-database.ts';
import type { Right, Roles } from './memberships.ts';

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
  /** The migration that the database has. */
  readonly last: Applied | undefined;
  readonly roles: Roles;
  readonly rights: readonly Right[];
}

export type Check = (examined: Examined) => readonly Finding[] | Promise<readonly Finding[]>;

export const refused = (says: string): Finding => ({ kind: 'refused', says });
export const note = (says: string): Finding => ({ kind: 'note', says });

/** The first three different ones. */
export const some = (names: readonly string[]): string => listSome([...new Set(names)], 3);
