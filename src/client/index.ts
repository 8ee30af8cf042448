/**
 * For apps, in browsers and in Node.js: getting Grantable's tokens, keeping them good, giving them back. Published as
 * `grantable/client`. It imports nothing, neither of the server nor of a package nor of Node.js, and leaves to others
 * where tokens are kept and how people log in in the browser (`authorization_code`).
 */
export type { Action, Ask, AskedPermissions, AuthorizationDetail } from './ask.ts';
export { createClient } from './client.ts';
export type { Client, ClientOptions, DatabaseUser, Exchange } from './contract.ts';
export { type ClientErrorCode, GrantableError } from './errors.ts';
export type { TokenSet } from './token-set.ts';
