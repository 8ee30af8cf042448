/** What the operations work with; the services of the server have all of it. */
import type { PasswordLinks } from '../../accounts/password-links.ts';
import type { InitialTokens } from '../../agents/initial-tokens.ts';
import type { ApplyDeps } from '../../apply/plan/plan.ts';
import type { Revocations } from '../../changes/revocations.ts';
import type { ApplicationSecrets } from '../../clients/secrets.ts';
import type { Config } from '../../config/config.ts';
import type { Connections } from '../../connections/connections.ts';
import type { FaceRules } from '../../directory/face-rules.ts';
import type { Throttle } from '../../http/throttle.ts';
import type { Storage } from '../../storage/contract.ts';
import type { DatasourceTestDeps } from '../datasources.ts';
import type { ExplainDeps } from '../explain.ts';
import type { KeysDeps } from '../keys.ts';
import type { Guards } from '../rights/guards.ts';
import type { WebhookOperations } from '../webhooks.ts';

export interface OperationDeps
  extends Omit<ApplyDeps, 'dataDir' | 'datasources'>,
    ExplainDeps,
    Pick<KeysDeps, 'vault' | 'longestLifetime' | 'followSigningAlgs'> {
  readonly storage: Storage;
  readonly datasources: ApplyDeps['datasources'] & DatasourceTestDeps['datasources'];
  readonly config: ExplainDeps['config'] & DatasourceTestDeps['config'] & Pick<Config, 'auditRetention'>;
  readonly faceRules: readonly FaceRules[];
  readonly guards: Guards;
  readonly connections: Connections;
  readonly revocations: Revocations;
  readonly throttle: Pick<Throttle, 'guessesBlockedUntil' | 'restoreGuesses' | 'datasourceTest'>;
  readonly passwordLinks: Pick<PasswordLinks, 'create' | 'mail'>;
  readonly audit: Storage['audit'];
  readonly applicationSecrets: ApplicationSecrets;
  readonly initialTokens: Pick<InitialTokens, 'create'>;
  readonly webhooks: WebhookOperations;
}
