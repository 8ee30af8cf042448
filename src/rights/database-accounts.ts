/**
 * People in a table of the operator's, as the directory sees them: their subject, and the roles that the user table
 * gives them. It leaves to `datasources` what stands in that table.
 */
import { hash } from 'node:crypto';
import type { DirectoryView } from '../directory/directory.ts';
import type { Datasource, UserTable } from '../nouns/index.ts';
import { accountNode } from '../registry/nodes.ts';
import type { AccountRef, ColumnValues } from '../storage/contract.ts';
import type { Holder } from './rights.ts';

const SUBJECT = /^datasource:([0-9a-f-]{36})\//;

/** OpenID Connect Core section 2: a subject has 255 ASCII characters at most. */
const MAX_SUBJECT = 255;

/**
 * From the datasource, the table and the value of the subject column, never from what a person typed. Two user tables
 * that differ in the column of the user name have the same people.
 *
 * @param key a value of the subject column
 * @returns undefined if it is too long for a subject
 */
export function accountSubject(
  datasource: Pick<Datasource, 'id'>,
  { database, collection, subjectColumn }: Pick<UserTable, 'database' | 'collection' | 'subjectColumn'>,
  key: string,
): string | undefined {
  const table = hash('sha256', JSON.stringify([database, collection, subjectColumn]), 'base64url').slice(
    0,
    11,
  );
  if (!key.isWellFormed()) return undefined;
  const subject = `datasource:${datasource.id}/${table}/${encodeURIComponent(key)}`;
  return subject.length > MAX_SUBJECT ? undefined : subject;
}

/** Id of the datasource that a subject is of; undefined for any other subject. */
export function datasourceOf(subject: string): string | undefined {
  return SUBJECT.exec(subject)?.[1];
}

/** The user table that a token came through; undefined once it, or its datasource, is gone or disabled. */
export async function findUserTable(
  view: Pick<DirectoryView, 'findDatasource'>,
  { datasource: id, userTable }: Pick<AccountRef, 'datasource' | 'userTable'>,
): Promise<{ datasource: Datasource; userTable: UserTable } | undefined> {
  const datasource = await view.findDatasource(id);
  const found = datasource?.userTables.find((candidate) => candidate.id === userTable && candidate.enabled);
  return datasource && found && { datasource, userTable: found };
}

/** The roles that a user table gives an account with these values in its role column. */
export function rolesOf({ roles, roleMap }: Pick<UserTable, 'roles' | 'roleMap'>, groups: readonly string[]) {
  const mapped = roleMap.filter(({ value }) => groups.includes(value)).map(({ role }) => role);
  return [...new Set([...roles, ...mapped])];
}

/**
 * A person in a user table, as the party whose rights are computed.
 * @param account what their row said when it was read last: a column from which the table copies no claim counts for nothing
 */
export function toHolder(
  { roles, roleMap, claims }: Pick<UserTable, 'roles' | 'roleMap' | 'claims'>,
  subject: string,
  username: string,
  { groups, columns = {} }: Pick<AccountRef, 'groups' | 'columns'>,
): Holder {
  const copied = new Map<string, ColumnValues[string]>();
  for (const { column } of claims) {
    const value = Object.hasOwn(columns, column) ? columns[column] : undefined;
    if (value !== undefined) copied.set(column, value);
  }
  return { id: accountNode(subject), username, roles: rolesOf({ roles, roleMap }, groups), claims: copied };
}

/** A database account with its current roles; undefined once its user table is gone. */
export async function findAccountHolder(
  view: Pick<DirectoryView, 'findDatasource'>,
  subject: string,
  account: AccountRef,
): Promise<Holder | undefined> {
  const found = await findUserTable(view, account);
  return found && toHolder(found.userTable, subject, subject, account);
}
