/**
 * The audience of an ID token is a client id. The type `JWT` does not distinguish access tokens from ID tokens. So a
 * client id must not equal the identifier of such a resource, or an ID token could be taken for an access token.
 */
import { findResourceSpelled } from '../../directory/collections.ts';
import type { Application, Resource } from '../../nouns/index.ts';
import { isSameResource, spellingsOf } from '../../permissions/resource-identifiers.ts';
import type { Plan } from './plan.ts';

/** Adds to the problems of the plan the client ids that are the identifier of such a resource. */
export async function checkTokenTypes(plan: Plan): Promise<void> {
  const resources = plan.changed('resources');
  const applications = plan.changed('applications');
  /** The application after the plan; a client id never changes. */
  const findClient = async (identifier: string): Promise<Application | undefined> => {
    const planned = applications.find(({ clientId }) => isSameResource(clientId, identifier));
    if (planned) return planned;
    for (const spelling of spellingsOf(identifier)) {
      const stored = await plan.findHolder('applications', 'clientId', spelling);
      if (stored) return stored;
    }
    return undefined;
  };
  const findResource = async (clientId: string): Promise<Resource | undefined> => {
    const planned = resources.find(({ identifier }) => isSameResource(identifier, clientId));
    return planned ?? findResourceSpelled(plan.store, clientId);
  };
  const clashes = new Map<string, string>();
  for (const { identifier, token } of resources) {
    const client = token.typ === 'JWT' ? await findClient(identifier) : undefined;
    if (client) clashes.set(identifier, client.clientId);
  }
  for (const { clientId } of applications) {
    const resource = await findResource(clientId);
    if (resource?.token.typ === 'JWT') clashes.set(resource.identifier, clientId);
  }
  for (const [identifier, clientId] of clashes) {
    plan.problems.push(
      `resource ${identifier} has token.typ JWT, and ${clientId} is the clientId of an application: ID tokens for it could be taken for access tokens; use at+jwt or another clientId`,
    );
  }
}
