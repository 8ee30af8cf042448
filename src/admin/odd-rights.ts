/** Rights that can be computed, and are hardly what the operator wanted. */
import { eachNoun } from '../directory/collections.ts';
import { listSome } from '../errors/texts.ts';
import {
  type Application,
  catalogueOf,
  type Organization,
  type Resource,
  type Role,
} from '../nouns/index.ts';
import { ACTIONS, type Action } from '../permissions/actions.ts';
import { expandGroups } from '../permissions/catalogue.ts';
import type { Cell } from '../permissions/limits.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import { ALL_TABLES } from '../permissions/table-ids.ts';
import { toValue } from '../permissions/variables.ts';
import type { DirectoryStore } from '../storage/contract.ts';

const MAX_NAMED = 3;
const EMAIL = toValue({ source: 'user', name: 'email' });

type Held = Pick<DirectoryStore, 'organizations' | 'resources' | 'roles' | 'applications'>;

/** A sentence each, without a full stop. */
export async function findOddRights(directory: Held): Promise<string[]> {
  const sentences: string[] = [];
  for await (const organization of eachNoun(directory.organizations)) {
    sentences.push(...(await inOrganization(organization, directory)));
  }
  return sentences;
}

/** Rights to one resource, with the tables of each group in its place, and what has them. */
interface Rights {
  /** `The role acme/clerk` */
  readonly of: string;
  readonly resource: string;
  readonly permissions: Permissions;
}

async function inOrganization({ id, name }: Organization, directory: Held): Promise<string[]> {
  const resources = new Map<string, Resource>();
  for await (const resource of eachNoun(directory.resources, id))
    resources.set(resource.identifier, resource);
  const expanded = (stored: Role['permissions'], identifier: string): Permissions => {
    const resource = resources.get(identifier);
    const permissions = fromStored(stored);
    return resource ? expandGroups(permissions, catalogueOf(resource)) : permissions;
  };
  const roles: Rights[] = [];
  for await (const { enabled, name: role, resource, permissions } of eachNoun(directory.roles, id)) {
    if (enabled)
      roles.push({ of: `The role ${name}/${role}`, resource, permissions: expanded(permissions, resource) });
  }
  const sentences = roles.flatMap(withoutRead);
  const showing = new Map<string, string[]>();
  for await (const application of eachNoun(directory.applications, id)) {
    if (!application.enabled) continue;
    const ceilings = ceilingsOf(application, `${name}/${application.name}`, expanded);
    sentences.push(...ceilings.flatMap(withoutRead));
    if (application.scopes.includes('email')) continue;
    for (const ceiling of ceilings) {
      const within = roles.filter((role) => role.resource === ceiling.resource);
      for (const { of, permissions } of [ceiling, ...within]) {
        if (!holdsEmail(permissions, ceiling.permissions)) continue;
        showing.set(of, [...(showing.get(of) ?? []), `${name}/${application.name}`]);
      }
    }
  }
  return [...sentences, ...[...showing].map(([of, applications]) => describeShown(of, applications))];
}

function ceilingsOf(
  { ceilings }: Application,
  name: string,
  expanded: (stored: Role['permissions'], resource: string) => Permissions,
): Rights[] {
  return ceilings.map(({ resource, permissions }) => ({
    of: `The ceiling of the application ${name} for ${resource}`,
    resource,
    permissions: expanded(permissions, resource),
  }));
}

/** A row that cannot be read can hardly be changed: resource servers answer with it, and look for it first. */
function withoutRead({ of, permissions }: Rights): string[] {
  if (permissions.isAdmin) return [];
  const everywhere = permissions.all === 0 ? [] : [ALL_TABLES];
  const tables = new Set([...everywhere, ...permissions.masks.keys(), ...permissions.limits.keys()]);
  const odd = [...tables].flatMap((table) => {
    const allows = (action: Action): boolean => permissions.cell(table, action).length > 0;
    const changes = (['update', 'delete'] as const).filter(allows);
    return allows('read') || changes.length === 0 ? [] : [`${changes.join(' and ')} of ${table}`];
  });
  if (odd.length === 0) return [];
  return [`${of} allows ${listSome(odd, MAX_NAMED)} without read`];
}

/** Whether a limit of what the ceiling allows too compares with the mail address of the user. */
function holdsEmail({ limits }: Permissions, ceiling: Permissions): boolean {
  const names = (cell: Cell): boolean =>
    cell.some(({ rows }) => [...rows.values()].some((values) => values.has(EMAIL)));
  return [...limits].some(([table, cells]) =>
    ACTIONS.some((action, index) => names(cells[index] as Cell) && ceiling.cell(table, action).length > 0),
  );
}

function describeShown(of: string, applications: readonly string[]): string {
  const [who, its] =
    applications.length === 1 ? ['application', 'does not have'] : ['applications', 'do not have'];
  return `${of} has limits with {"$user": "email"}: tokens show the mail address of the user to the ${who} ${listSome(applications, MAX_NAMED)}, which ${its} the scope email`;
}
