/** Ending all tokens and logins of a user or of an application. It only takes rights away: also those that the actor has not. */
import { countTokensOf } from '../living.ts';
import { revokeApplication } from '../revoke.ts';
import { requireCell, requireRowAccess } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { type Call, defineOperation } from './operation.ts';
import { requireNoun } from './path-nouns.ts';
import { endedShape } from './shapes.ts';

const facts = {
  method: 'POST',
  needs: { table: 'logins', action: 'delete' },
  mayDryRun: true,
  result: endedShape,
} as const;

/** @param of the members of logins and tokens that name what they are of: a right that is limited further does not cover all */
async function endAll(
  by: 'user' | 'application',
  id: string,
  of: object,
  { actor, organization, dryRun }: Pick<Call, 'actor' | 'organization' | 'dryRun'>,
  deps: OperationDeps,
  revoke: () => Promise<unknown>,
) {
  requireCell(actor, 'tokens', 'delete');
  const row = { organization: organization.name, ...of };
  for (const table of ['logins', 'tokens'] as const)
    requireRowAccess(actor, table, { action: 'delete', row });
  const tokens = await countTokensOf(by, [id], deps);
  if (!dryRun) await revoke();
  return { body: { dryRun, tokens } };
}

export const revokeUser = defineOperation(
  {
    id: 'users.revoke',
    path: '/organizations/{organization}/users/{user}/revoke',
    summary: 'Ends all tokens, logins and browser sessions of the user, who may log in again.',
    ...facts,
  },
  async (call, deps) => {
    const user = await requireNoun('users', call.parameters.user, call, deps);
    const revoke = () => deps.revocations.revokeAllOf(user, call.actor.author);
    return endAll('user', user.id, { user: user.id }, call, deps, revoke);
  },
);

export const revokeApplicationOperation = defineOperation(
  {
    id: 'applications.revoke',
    path: '/organizations/{organization}/applications/{application}/revoke',
    summary: 'Ends all tokens and logins of the application, which may get new ones.',
    ...facts,
  },
  async (call, deps) => {
    const application = await requireNoun('applications', call.parameters.application, call, deps);
    const { id, name } = application;
    const revoke = () => revokeApplication(application, { ...deps, author: call.actor.author });
    return endAll('application', id, { application: name, applicationId: id }, call, deps, revoke);
  },
);
