/** Resources, tables and scopes that an apply file speaks of, held against those that it defines itself. */
import { below, type Contradiction, inEach } from '../nouns/in-file.ts';
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
  return organizations.flatMap(([path, { name, resources, roles, applications }]) => {
    const nameable = { organization: name, defined };
    return below(path, [
      ...inEach('resources', resources, findResourceProblems),
      ...inEach('roles', roles, (role) => inRole(role, nameable)),
      ...inEach('applications', applications, (application) => inApplication(application, nameable)),
    ]);
  });
}

function inRole({ resource, permissions, scopes }: ApplyRole, nameable: Nameable): Contradiction[] {
  if (resource === undefined) return [];
  return [
    ...inReference(resource, ['resource'], nameable),
    ...inPermissions(resource, permissions, ['permissions'], nameable),
    ...inScopes(scopes, [resource], nameable),
  ];
}

function inApplication(application: ApplyApplication, nameable: Nameable): Contradiction[] {
  const { resource, permissions, resources = {}, introspects, scopes } = application;
  const inOthers = Object.entries(resources).flatMap(([identifier, ceiling]) => [
    ...inReference(identifier, ['resources', identifier], nameable),
    ...inPermissions(identifier, ceiling, ['resources', identifier], nameable),
  ]);
  const inIntrospects = inEach('introspects', introspects, (each) => inReference(each, [], nameable));
  // Without a resource in the file, its resources are those it has in the store.
  if (resource === undefined) return [...inOthers, ...inIntrospects];
  return [
    ...inReference(resource, ['resource'], nameable),
    ...inPermissions(resource, permissions, ['permissions'], nameable),
    ...inPermissions(resource, application.default, ['default'], nameable),
    ...inOthers,
    ...inIntrospects,
    ...inScopes(scopes, [resource, ...Object.keys(resources)], nameable),
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
  return below(path, tellMisfits(permissions, known, identifier).filter(isSaid));
}

function inScopes(
  scopes: readonly string[] | undefined,
  resources: readonly string[],
  { defined }: Nameable,
): Contradiction[] {
  const lists = resources.map((identifier) => defined.get(canonicalIdentifier(identifier))?.resource.scopes);
  // One list that only the store knows may hold any scope.
  if (lists.includes(undefined)) return [];
  const known = new Set(lists.flatMap((list) => list ?? []));
  return inEach('scopes', scopes, (scope) =>
    known.has(scope) || RESERVED_SCOPES.has(scope)
      ? []
      : [{ path: [], message: `is not a scope of ${resources.join(' or ')}` }],
  );
}
