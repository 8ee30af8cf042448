/**
 * For resource servers: verifying Grantable's tokens and asking them what they allow, table by table. Published as
 * `grantable/resource-server`, with bindings for Koa and Express beside it. It needs nothing else of the server.
 */
export type { Action } from '../permissions/actions.ts';
export type { Permissions } from '../permissions/permissions.ts';
export { access, demand, Rule } from './access.ts';
export { AccessError, type AccessErrorCode } from './errors.ts';
export type { VerifiedToken } from './verified-token.ts';
export { createVerifier, type Verifier, type VerifierOptions } from './verifier.ts';
