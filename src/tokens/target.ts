/** Which resource a token is for. */
import type { DirectoryView } from '../directory/directory.ts';
import { UnknownResource } from '../errors/domain.ts';
import { quote } from '../errors/texts.ts';
import type { Application, Resource } from '../nouns/index.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import type { Asked } from './asked.ts';
import type { Proof } from './grant.ts';

/**
 * The resource that was asked for, the parent's, or the application's own, in this order.
 * @returns undefined for a token that is good at userinfo only
 * @throws UnknownResource
 */
export async function findTarget(
  view: Pick<DirectoryView, 'findResource'>,
  application: Pick<Application, 'resource'>,
  proof: Pick<Proof, 'parent' | 'openid'>,
  asked: Pick<Asked, 'resource'>,
): Promise<Resource | undefined> {
  const parent = proof.parent;
  if (parent && asked.resource !== undefined && !isSameResource(asked.resource, parent.resource)) {
    throw new UnknownResource({ description: 'The resource must be the one that was granted.' });
  }
  const identifier = asked.resource ?? (parent ? parent.resource : application.resource);
  if (identifier === undefined) {
    if (proof.openid) return undefined;
    throw new UnknownResource({ description: 'The application has no resource of its own. Name one.' });
  }
  const resource = await view.findResource(identifier);
  if (!resource)
    throw new UnknownResource({
      description: 'The resource is unknown.',
      reason: `resource ${quote(identifier)}`,
    });
  return resource;
}
