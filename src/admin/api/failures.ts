/** Errors of the store and of `changes` as this API answers them. */
import { FixedField } from '../../changes/changes.ts';
import { BrokenReference, StillInUse } from '../../changes/references.ts';
import { DomainError } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import { Conflict, VersionConflict } from '../../storage/contract.ts';
import { preconditionFailed } from './preconditions.ts';

/** They contradict what is there. */
const CONTRADICTIONS = [BrokenReference, StillInUse, FixedField];

/** @param isConditional whether the request has `If-Match` */
export function translate(error: unknown, isConditional: boolean): unknown {
  if (error instanceof VersionConflict && isConditional) return preconditionFailed();
  if (error instanceof Conflict) {
    const description = `Another object has this ${error.key} already.`;
    return new Refusal(409, description, { error: 'conflict', reason: error.message });
  }
  if (!(error instanceof DomainError)) return error;
  const isContradiction = CONTRADICTIONS.some((type) => error instanceof type);
  const status = isContradiction ? 409 : (error.plainStatus ?? error.status);
  if (status === error.status) return error;
  const { told: description, reason = description } = error;
  return new Refusal(status, description, { error: status === 409 ? 'conflict' : error.error, reason });
}
