/** Refused requests of clients in the audit log. */
import { ClientRejected, ProofRejected, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { defined } from '../storage/defined.ts';
import type { Refusals } from '../storage/refusals.ts';
import type { AuthenticatedClient } from './authentication.ts';

export interface RefusedRequest {
  readonly path: string;
  /** Of the answer. */
  readonly status: number;
  readonly error: unknown;
  /** The client that has authenticated; undefined: no client has. */
  readonly client: AuthenticatedClient | undefined;
  /** The `client_id` of the request, where no client authenticates. */
  readonly named?: string | undefined;
  readonly address: string;
  readonly requestId: string | undefined;
}

export type RecordRefused = ReturnType<typeof createRecordRefused>;

/** Errors that mean that the person behind the request has not authenticated. */
const UNPROVED = [ProofRejected, TooManyAttempts, Unavailable];

export function createRecordRefused({
  refusals,
  now,
}: {
  refusals: Pick<Refusals, 'append'>;
  /** Milliseconds. */
  now: () => number;
}) {
  /** @throws StoreUnavailable */
  return async (refused: RefusedRequest): Promise<void> => {
    const { path, status, error, client, named, address, requestId } = refused;
    const rejected = error instanceof ClientRejected ? error.clientId : undefined;
    const hasAuthenticated = client !== undefined && client.method !== 'none';
    await refusals.append(
      defined({
        at: now(),
        event: 'request.refused',
        outcome: 'denied',
        reason: reasonOf(error) ?? 'unknown',
        details: { path, status },
        client: client?.application.clientId ?? named ?? rejected,
        address,
        requestId,
      }),
      hasAuthenticated && !UNPROVED.some((type) => error instanceof type),
    );
  };
}
