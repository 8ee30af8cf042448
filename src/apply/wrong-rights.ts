/** Resources, tables and scopes that an apply file speaks of, held against those that it defines itself. */
import type { Contradiction } from '../nouns/in-file.ts';
import { catalogueOf } from '../nouns/index.ts';
import { RESERVED_SCOPES } from '../nouns/openid-scopes.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { canonicalIdentifier } from '../permissions/resource-identifiers.ts';
import { toGroup } from '../permissions/table-ids.ts';
import { type ToldMisfit, tellMisfits } from './misfits.ts';
import { findResourceProblems } from './resource-problems.ts';
import type { ApplyApplication, ApplyOrganization, ApplyResource, ApplyRole } from './schema.ts';
import type { Path } from './yaml-document.ts';

/** A resource of the file and the name of its organization. */
interface Defined {
  readonly organization: string;
  readonly resource: ApplyResource;
}

/** The resources of the file, as one organization may name them. */
interface Nameable {
  readonly organization: string;
  readonly defined: ReadonlyMap<string, Defined>;
}

export function findWrongRights(
  organizations: readonly (readonly [Path, ApplyOrganization])[],
): Contradiction[] {
  const defined = new Map(
    organizations.flatMap(([, { name, resources = [] }]) =>
      resources.map((resource): [string, Defined] => [
        canonicalIdentifier(resource.identifier),
        { organization: name, resource },
      ]),
    ),
  );
  return organizations.flatMap(([path, { name, resources = [], roles = [], applications = [] }]) => {
    const nameable = { organization: name, defined };
    return [
      ...resources.flatMap((resource, index) =>
        findResourceProblems(resource).map((each) => ({
          ...each,
          path: [...path, 'resources', index, ...each.path],
        })),
      ),
      ...roles.flatMap((role, index) => inRole(role, [...path, 'roles', index], nameable)),
      ...applications.flatMap((each, index) =>
        inApplication(each, [...path, 'applications', index], nameable),
      ),
    ];
  });
}

function inRole(
  { resource, permissions, scopes }: ApplyRole,
  path: Path,
  nameable: Nameable,
): Contradiction[] {
  if (resource === undefined) return [];
  return [
    ...inReference(resource, [...path, 'resource'], nameable),
    ...inPermissions(resource, permissions, [...path, 'permissions'], nameable),
    ...inScopes(scopes, [resource], [...path, 'scopes'], nameable),
  ];
}

function inApplication(application: ApplyApplication, path: Path, nameable: Nameable): Contradiction[] {
  const { resource, permissions, resources = {}, introspects = [], scopes } = application;
  const others = Object.entries(resources);
  const own = resource === undefined ? [] : [resource];
  return [
    ...own.flatMap((identifier) => [
      ...inReference(identifier, [...path, 'resource'], nameable),
      ...inPermissions(identifier, permissions, [...path, 'permissions'], nameable),
      ...inPermissions(identifier, application.default, [...path, 'default'], nameable),
    ]),
    ...others.flatMap(([identifier, ceiling]) => [
      ...inReference(identifier, [...path, 'resources', identifier], nameable),
      ...inPermissions(identifier, ceiling, [...path, 'resources', identifier], nameable),
    ]),
    ...introspects.flatMap((identifier, index) =>
      inReference(identifier, [...path, 'introspects', index], nameable),
    ),
    // Without a resource in the file, its resources are those it has in the store.
    ...(resource === undefined
      ? []
      : inScopes(scopes, [resource, ...Object.keys(resources)], [...path, 'scopes'], nameable)),
  ];
}

function inReference(identifier: string, path: Path, { organization, defined }: Nameable): Contradiction[] {
  const owner = defined.get(canonicalIdentifier(identifier))?.organization ?? organization;
  return owner === organization ? [] : [{ path, message: `is a resource of the organization ${owner}` }];
}

function inPermissions(
  identifier: string,
  permissions: Permissions | undefined,
  path: Path,
  { defined }: Nameable,
): Contradiction[] {
  const {
    tables,
    groups,
    catalogue = 'closed',
  } = defined.get(canonicalIdentifier(identifier))?.resource ?? {};
  if (!permissions) return [];
  // What the file does not say of the resource, only the store knows.
  const hasColumns = new Set(tables?.flatMap(({ id, columns }) => (columns ? [id] : [])));
  const isSaid = ({ misfit }: ToldMisfit): boolean => {
    if (misfit.kind === 'unknown')
      return (toGroup(misfit.name) === undefined ? tables : groups) !== undefined;
    return misfit.kind !== 'undeclared' || hasColumns.has(misfit.table);
  };
  const known = catalogueOf({ catalogue, tables: tables ?? [], groups: groups ?? [] });
  return tellMisfits(permissions, known, identifier)
    .filter(isSaid)
    .map(({ path: below, message, culprit }) => ({
      path: [...path, ...below],
      message,
      ...(culprit !== undefined && { culprit }),
    }));
}

function inScopes(
  scopes: readonly string[] = [],
  resources: readonly string[],
  path: Path,
  { defined }: Nameable,
): Contradiction[] {
  const lists = resources.map((identifier) => defined.get(canonicalIdentifier(identifier))?.resource.scopes);
  // One list that only the store knows may hold any scope.
  if (lists.includes(undefined)) return [];
  const known = new Set(lists.flatMap((list) => list ?? []));
  return scopes.flatMap((scope, index) =>
    known.has(scope) || RESERVED_SCOPES.has(scope)
      ? []
      : [{ path: [...path, index], message: `is not a scope of ${resources.join(' or ')}` }],
  );
}
