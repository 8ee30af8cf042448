/** Which rows of tokens and logins still hold. */
import type { LoginRow, Storage, TokenRow } from '../storage/contract.ts';
import { type Standing, standingOf } from './nodes.ts';

/** One query for the marks of all nodes above them. @returns in the order of the rows */
export async function standingsOf(
  rows: readonly (TokenRow | LoginRow)[],
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
