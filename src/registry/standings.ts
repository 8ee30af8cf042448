/** Which rows of tokens and logins still hold. */
import type { LoginRow, Storage, TokenRow } from '../storage/contract.ts';
import { type Standing, standingOf } from './nodes.ts';

type Row = TokenRow | LoginRow;

/** @returns those that have not ended, in the order of the rows */
export async function livingOf<T extends Row>(
  rows: readonly T[],
  nodes: Pick<Storage['nodes'], 'read'>,
): Promise<T[]> {
  const standings = await standingsOf(rows, nodes);
  return rows.filter((_, index) => standings[index] !== 'ended');
}

/** One query for the marks of all nodes above them. @returns in the order of the rows */
export async function standingsOf(
  rows: readonly Row[],
  nodes: Pick<Storage['nodes'], 'read'>,
): Promise<Standing[]> {
  const ids = new Set(rows.flatMap(({ id, ancestors }) => [id, ...ancestors]));
  const records = new Map((await nodes.read([...ids])).map((record) => [record.id, record]));
  return rows.map(({ id, ancestors, asOf }) =>
    standingOf(
      [id, ...ancestors].flatMap((node) => records.get(node) ?? []),
      asOf,
    ),
  );
}
