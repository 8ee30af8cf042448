/** What is done with an application beside changing what is written of it. */
import { countTokensOf } from '../living.ts';
import { revokeApplication } from '../revoke.ts';
import { requireCell, requireRowAccess } from '../rights/guards.ts';
import { defineOperation } from './operation.ts';
import { requireNoun } from './path-nouns.ts';
import { endedShape } from './shapes.ts';

/** Ending only takes rights away: also those of an application with more rights than the actor. */
export const revokeApplicationOperation = defineOperation(
  {
    id: 'applications.revoke',
    method: 'POST',
    path: '/organizations/{organization}/applications/{application}/revoke',
    summary: 'Ends all tokens and logins of the application, which may get new ones.',
    needs: { table: 'logins', action: 'delete' },
    mayDryRun: true,
    result: endedShape,
  },
  async (call, deps) => {
    const { actor, organization, dryRun } = call;
    const application = await requireNoun('applications', call.parameters.application, call, deps);
    requireCell(actor, 'tokens', 'delete');
    // Of whichever user they are: a right that is limited to those of one does not cover all.
    const row = {
      organization: organization.name,
      application: application.name,
      applicationId: application.id,
    };
    for (const table of ['logins', 'tokens'] as const) {
      requireRowAccess(actor, table, { action: 'delete', row });
    }
    const tokens = await countTokensOf('application', [application.id], deps);
    if (!dryRun) await revokeApplication(application, { ...deps, author: actor.author });
    return { body: { dryRun, tokens } };
  },
);
