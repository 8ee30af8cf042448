/**
 * Administration from the command line: what is declared in `admin/operations` is done on the store of this machine
 * (`on-store.ts`) or by a server (`on-server.ts`), through the same declarations.
 */
import { operations } from '../../admin/operations/index.ts';
import type { Operation } from '../../admin/operations/operation.ts';

export interface OperationRequest {
  /** Of the path, by name. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
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

/** One way to have operations done, by their ids. */
export interface Administration extends AsyncDisposable {
  /** @throws CommandFailed with what the server says, and DomainError with what the store's services say */
  call(id: string, request?: OperationRequest): Promise<Answered>;
  /** Of an operation that answers with lines. */
  lines(id: string, media: string, request?: OperationRequest): AsyncIterable<string>;
}

export function requireOperation(id: string): Operation {
  const operation = operations.find((each) => each.id === id);
  if (!operation) throw new Error(`there is no operation ${id}`);
  return operation;
}
