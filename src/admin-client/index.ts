/**
 * For programs that administer Grantable: each operation of the administration API as a function whose types follow from
 * its declaration. Published as `grantable/admin`. It knows ids, methods and paths from a table that is written
 * (`table.ts`), takes types only from the server, and leaves to others how a token is had.
 */
export { createAdmin } from './admin.ts';
export type { Admin, AdminOptions, ArgumentsOf, CallOptions, OperationId, ResultOf } from './contract.ts';
export { AdminError, type AdminErrorCode, type FieldError } from './errors.ts';
