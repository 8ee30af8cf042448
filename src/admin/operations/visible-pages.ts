/** Pages of what an actor may see: what is hidden neither shows in them nor makes them shorter. */
import type { AdminTable } from '../../nouns/admin-tables.ts';
import { defined } from '../../storage/defined.ts';
import type { Actor } from '../rights/actor.ts';
import { visiblePart } from '../rights/guards.ts';
import type { ListAnswer, PageQuery } from './operation.ts';

/** Rows and pages that one answer looks at; beyond that it may be short and still have a next one. */
const LOOKED_AT = 1_000;
const PAGES = 100;

/** Members that the actor may not read are left out. */
export type PartOf<T extends { readonly id: string }> = Partial<T> & Pick<T, 'id'>;

export interface Rows<Row> {
  readonly items: readonly Row[];
  readonly next?: string;
}

/** @param toVisible leaves out what is hidden */
export async function findVisible<Row, T>(
  { after: first, limit }: PageQuery,
  read: (page: PageQuery) => Promise<Rows<Row>>,
  toVisible: (rows: readonly Row[]) => Promise<readonly T[]>,
): Promise<ListAnswer<T>> {
  const items: T[] = [];
  let after = first;
  let looked = 0;
  for (let page = 0; page < PAGES && looked < LOOKED_AT; page += 1) {
    const asked = limit - items.length;
    const rows = await read(defined({ after, limit: asked }));
    items.push(...(await toVisible(rows.items)));
    looked += rows.items.length;
    after = rows.next;
    // A page that the store cut short has looked at as much as one answer should.
    if (after === undefined || items.length === limit || rows.items.length < asked) break;
  }
  return defined({ items, next: after });
}

/** Whether an object has one of the columns of each filter: a list must not tell more than its objects. */
export function tells(part: object, filtered: readonly (readonly string[])[]): boolean {
  return filtered.every((columns) => columns.some((column) => Object.hasOwn(part, column)));
}

/** The columns that tell what each filter of a query asks. */
export function toldBy(
  columns: Readonly<Record<string, readonly string[]>>,
  query: object,
): (readonly string[])[] {
  return Object.entries(columns).flatMap(([filter, told]) => (Object.hasOwn(query, filter) ? [told] : []));
}

/** What the actor may read of each object, if that tells what the filters ask. */
export function visibleParts<T extends { readonly id: string }>(
  actor: Actor,
  table: AdminTable,
  objects: readonly T[],
  filtered: readonly (readonly string[])[] = [],
): PartOf<T>[] {
  const parts = objects.map((object) => visiblePart(actor, table, { ...object }));
  return parts.filter((part) => part !== undefined && tells(part, filtered)) as PartOf<T>[];
}
