/**
 * For resource servers: verifying Grantable's tokens and asking them what they allow, table by table. Published as
 * `grantable/resource-server`, with bindings for frameworks beside it.
 */
export type { Action } from '../permissions/actions.ts';
export type { ColumnTypes, Limit, TableColumns } from '../permissions/column-limits.ts';
export type { ColumnType } from '../permissions/column-types.ts';
export type { Permissions } from '../permissions/permissions.ts';
export { AccessError, type AccessErrorCode } from './errors.ts';
export type { ReadSql, SqlOptions, SqlPart, WriteSql } from './limits-sql.ts';
export { access, demand, demandAll, demandAny, Rule, type RuleParts } from './rules.ts';
export type { SqlDialect } from './sql-dialects.ts';
export type { TokenAccess } from './token-access.ts';
export type { VerifiedToken } from './verified-token.ts';
export { createVerifier, type Verifier, type VerifierOptions } from './verifier.ts';
