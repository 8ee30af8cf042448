/** When a datasource is asked: so many questions at once, each for so long, and after failures it rests for a while. */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  type IPolicy,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { TIMEOUT_MS } from './connector.ts';

/** Failures in a row after which a datasource is not asked any more. */
const FAILURES = 5;
/** Milliseconds until it is tried again, by one request. */
export const HALF_OPEN_AFTER_MS = 10_000;
/** Questions to one datasource at once, in each process. */
const AT_ONCE = 25;

export function createPolicy(): IPolicy {
  return wrap(
    bulkhead(AT_ONCE),
    circuitBreaker(handleAll, {
      halfOpenAfter: HALF_OPEN_AFTER_MS,
      breaker: new ConsecutiveBreaker(FAILURES),
    }),
    timeout(TIMEOUT_MS, TimeoutStrategy.Aggressive),
  );
}

/** Whether the datasource was not asked at all. */
export function isResting(error: unknown): boolean {
  return error instanceof BrokenCircuitError || error instanceof BulkheadRejectedError;
}
