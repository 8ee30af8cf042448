/** Everything that the administration API does, in the order of its description. */

import { inviteAgents } from './agent-invitations.ts';
import { approveAgent, endAgent, getAgent, listAgents, withdrawAgentApproval } from './agents.ts';
import {
  createApplicationSecret,
  listApplicationSecrets,
  removeApplicationSecret,
} from './application-secrets.ts';
import { auditOfOrganization, auditOfServer } from './audit.ts';
import { dropEarlierConnectionTokens, getConnectionUse, rotateConnection } from './connections.ts';
import { testDatasourceOperation } from './datasources.ts';
import { explainRights, explainTokenOfOrganization, explainTokenOfServer } from './explain.ts';
import { endLogin, endToken, getLogin, getToken, listLogins, listTokens } from './granted.ts';
import { listKeys, removeKey, rotateKeys } from './keys.ts';
import { operationsOnNouns } from './nouns/index.ts';
import type { Operation } from './operation.ts';
import { revokeApplicationOperation, revokeUser } from './revoke.ts';
import { getOrganizationState, getState } from './state.ts';
import { getUserState, linkPasswordReset, mailPasswordReset, unlockUser } from './users.ts';
import { listDeliveries, pingWebhook, resendDelivery, rotateWebhookSecret } from './webhooks.ts';

export const operations = [
  ...operationsOnNouns,
  getUserState,
  unlockUser,
  revokeUser,
  linkPasswordReset,
  mailPasswordReset,
  getConnectionUse,
  rotateConnection,
  dropEarlierConnectionTokens,
  testDatasourceOperation,
  listTokens,
  getToken,
  endToken,
  listLogins,
  getLogin,
  endLogin,
  ...auditOfServer,
  ...auditOfOrganization,
  listKeys,
  rotateKeys,
  removeKey,
  explainTokenOfServer,
  explainTokenOfOrganization,
  explainRights,
  listApplicationSecrets,
  createApplicationSecret,
  removeApplicationSecret,
  revokeApplicationOperation,
  listAgents,
  getAgent,
  approveAgent,
  withdrawAgentApproval,
  endAgent,
  inviteAgents,
  listDeliveries,
  resendDelivery,
  pingWebhook,
  rotateWebhookSecret,
  getState,
  getOrganizationState,
] as const satisfies readonly Operation[];
