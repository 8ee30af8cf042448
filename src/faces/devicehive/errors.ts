/** How DeviceHive reports failures: `{"error": <status>, "message": <text>}`. */
import { AccountClosed, PermissionsNotAllowed, ProofRejected } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { FaceFailure } from '../face.ts';

export const INVALID_PARAMETERS = 'Invalid request parameters';
export const ACCESS_DENIED = 'Access is denied';
export const UNAUTHORIZED = 'Unauthorized';

/** Told in the original's own words. */
export class DeviceHiveRefusal extends Refusal {}

/** @param reason for the log only */
export function unauthorized(reason: string): DeviceHiveRefusal {
  return new DeviceHiveRefusal(401, UNAUTHORIZED, { reason });
}

function messageOf({ error, status, description }: FaceFailure): string {
  if (error instanceof DeviceHiveRefusal) return description;
  if (error instanceof AccountClosed) return 'User is locked or disabled';
  if (error instanceof ProofRejected) return 'Invalid credentials';
  if (error instanceof PermissionsNotAllowed || status === 403) return ACCESS_DENIED;
  return status === 400 ? INVALID_PARAMETERS : description;
}

export const toFailure = (failure: FaceFailure) => ({ error: failure.status, message: messageOf(failure) });
