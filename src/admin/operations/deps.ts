/** What the operations work with; the services of the server have all of it. */
import type { ApplyDeps } from '../../apply/plan/plan.ts';
import type { TokenStore } from '../../storage/contract.ts';

export interface OperationDeps extends Omit<ApplyDeps, 'dataDir'> {
  readonly tokens: Pick<TokenStore, 'page'>;
}
