/** What an agent gets of a resource where nothing names tables: some of what it may have, and never all of it. */
import type { Application } from '../nouns/index.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { fromStored } from '../permissions/stored.ts';
import type { RoleView } from './rights.ts';

/**
 * As an operator wrote it, with groups, and with variables that have no values yet.
 * @param resource identifier
 * @returns undefined: an agent must name tables there
 */
export async function findAgentDefault(
  view: Pick<RoleView, 'findApplicationById'>,
  { registeredThrough = '' }: Application,
  resource: string | undefined,
): Promise<Permissions | undefined> {
  const template = (await view.findApplicationById(registeredThrough))?.application;
  if (!template?.default || !isSameResource(resource, template.resource)) return undefined;
  return fromStored(template.default);
}
