/**
 * Administration from the command line: what is declared in `admin/operations` is done on the store of this machine or by a
 * server, through the same declarations.
 *
 * This file: what both ways have in common.
 */
import type { Operation } from '../../admin/operations/operation.ts';

export interface OperationRequest {
  /** Of the path, by name. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** That the object must have, for a change of one. */
  readonly version?: number;
  readonly dryRun?: boolean;
}

export interface Answered {
  /** JSON; undefined if there is nothing to say. */
  readonly body: unknown;
  /** Of the object in the body. */
  readonly version?: number;
}

/** One way to have operations done. */
export interface Transport extends AsyncDisposable {
  /** @throws CommandFailed with what the server says, and DomainError with what the store's services say */
  call(operation: Operation, request: OperationRequest): Promise<Answered>;
  /** Of an operation that answers with lines. */
  lines(operation: Operation, media: string, request: OperationRequest): AsyncIterable<string>;
}

export interface Administration extends AsyncDisposable {
  find(id: string): Operation | undefined;
  call(id: string, request?: OperationRequest): Promise<Answered>;
  lines(id: string, media: string, request?: OperationRequest): AsyncIterable<string>;
}

/** @param operations all that there are */
export function createAdministration(operations: readonly Operation[], transport: Transport): Administration {
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  function require(id: string): Operation {
    const operation = byId.get(id);
    if (!operation) throw new Error(`there is no operation ${id}`);
    return operation;
  }
  return {
    find: (id) => byId.get(id),
    call: (id, request = {}) => transport.call(require(id), request),
    lines: (id, media, request = {}) => transport.lines(require(id), media, request),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
