/** The table of the typed client: what it has to know of each operation at run time. */
import type { OperationFacts } from '../operations/operation.ts';

function rowOf({ method, path, creates, conditional, media }: OperationFacts): string {
  return JSON.stringify({ method, path, creates, conditional, media });
}

/** The whole text of src/admin-client/table.ts. */
export function renderClientTable(operations: readonly OperationFacts[]): string {
  const rows = operations.map((facts) => `  ${JSON.stringify(facts.id)}: ${rowOf(facts)},`);
  return `/** Written by \`npm run docs\` from src/admin/operations; changes made here are lost. */
import type { Table } from './requests.ts';

export const TABLE: Table = {
${rows.join('\n')}
};
`;
}
