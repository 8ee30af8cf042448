/** What the operations work with; the services of the server have all of it. */
import type { ApplyDeps } from '../../apply/plan/plan.ts';
import type { FaceRules } from '../../directory/face-rules.ts';
import type { Registry } from '../../registry/registry.ts';
import type { TokenStore } from '../../storage/contract.ts';
import type { Guards } from '../rights/guards.ts';

export interface OperationDeps extends Omit<ApplyDeps, 'dataDir'> {
  readonly tokens: Pick<TokenStore, 'page'>;
  readonly registry: Pick<Registry, 'isAlive'>;
  readonly faceRules: readonly FaceRules[];
  readonly guards: Guards;
}
