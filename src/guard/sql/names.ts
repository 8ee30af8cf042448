/** Names of what the migration makes. */
import { hash } from 'node:crypto';
import type { Guard, GuardedTable, QualifiedName } from '../model.ts';
import { qualified } from './text.ts';

export const SCHEMA = 'grantable';
/** Owns the views, and nothing that a policy does not bind. */
export const READER = 'grantable_reader';
/** A setting in which the writer of a view keeps the cells of its table, by id and action, for the policies. */
export const KNOWN_CELLS = 'grantable.cells';

/** Names of functions may be shorter than those of tables. */
export function writerOf({ schema, name }: QualifiedName): QualifiedName {
  const short = hash('sha256', JSON.stringify([schema, name])).slice(0, 16);
  return { schema: SCHEMA, name: `write_${short}` };
}

/** The schema with the views of the tables of a schema. */
export function viewSchemaOf({ viewSchema, defaultSchema }: Guard, schema: string): string {
  return schema === defaultSchema ? viewSchema : `${schema}_${viewSchema}`;
}

export function viewOf(guard: Guard, { schema, name }: GuardedTable): QualifiedName {
  return { schema: viewSchemaOf(guard, schema), name };
}

/** The tables with their partitions and children, as `regclass` reads them. */
export function relationsOf({ tables }: Guard): string[] {
  return tables.flatMap((table) => [table, ...table.children].map(qualified));
}
