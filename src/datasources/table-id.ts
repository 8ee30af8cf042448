/**
 * The id of a table of a database: its name in the default schema, `schema.table` elsewhere. A name of the default schema
 * with a dot in it is written with its schema too. Ids are made from the database's names and never taken apart again; two
 * tables may have one id (`a.b` and `c`, `a` and `b.c`), which the caller must tell.
 *
 * @param schema undefined for databases without schemas
 */
export function tableIdOf(schema: string | undefined, table: string, defaultSchema: string): string {
  if (schema === undefined) return table;
  return schema === defaultSchema && !table.includes('.') ? table : `${schema}.${table}`;
}
