/** Organizations of an apply file, and the resources and roles in them. */
import { eachNoun } from '../../directory/collections.ts';
import { builtInFaces } from '../../faces/index.ts';
import { isAdminIdentifier, isBuiltIn } from '../../nouns/built-in.ts';
import {
  catalogueOf,
  type FaceName,
  type FaceSettings,
  type Organization,
  type Resource,
} from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import { PRESETS } from '../../nouns/presets.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { defined } from '../../storage/defined.ts';
import { findAgentFindings } from '../agent-settings.ts';
import { tellMisfits } from '../misfits.ts';
import { nameOf } from '../problems.ts';
import { findResourceProblems } from '../resource-problems.ts';
import type { ApplyOrganization, ApplyResource, ApplyRole } from '../schema.ts';
import { addNoun, planNoun } from './noun.ts';
import type { Plan, Planning } from './plan.ts';
import { withCreatorIds } from './plugin-creators.ts';

type WantedFaces = readonly (readonly [FaceName, Partial<FaceSettings>])[];

/**
 * Settings with the id of the application that they name.
 * @param what they are of, for the problem that the application is not there
 * @returns undefined with that problem
 */
async function withApplicationId<T extends { readonly application?: string }>(
  plan: Plan,
  organization: Pick<Organization, 'id' | 'name'>,
  what: string,
  settings: T,
): Promise<T | undefined> {
  const { application: name } = settings;
  if (name === undefined) return settings;
  const application = await plan.findId('application', organization.id, name);
  if (application !== undefined) return { ...settings, application };
  plan.problems.push(
    `organization ${organization.name}: ${what} for the application ${name}, which is not there`,
  );
  return undefined;
}

async function planFaces(
  plan: Plan,
  entry: ApplyOrganization,
  id: string,
  before: Organization | undefined,
  planning: Pick<Planning, 'registration' | 'administrators'>,
): Promise<Organization['faces']> {
  const faces: Record<string, FaceSettings> = { ...before?.faces };
  if (plan.isCleared('organizations', 'faces')) return undefined;
  for (const [name, wanted] of Object.entries(entry.faces ?? {}) as WantedFaces) {
    const settings = await withApplicationId(plan, { ...entry, id }, `the face ${name} is`, wanted);
    if (!settings) continue;
    const isOpen = builtInFaces.some((face) => face.name === name && face.isOpenByDefault);
    const registration = planning.registration && isOpen;
    const merged = { enabled: true, registration, ...faces[name], ...settings };
    faces[name] = settings.plugins
      ? await withCreatorIds(plan, { entry, id, before: before?.faces?.[name] }, merged, planning)
      : merged;
  }
  return Object.keys(faces).length === 0 ? undefined : faces;
}

/** To be called when the applications that a request or a file speaks of are planned. */
export async function checkAgents(plan: Plan, { id }: Pick<Organization, 'id'>): Promise<void> {
  const organization = await plan.lookup.organizations.get(id);
  if (!organization?.agents) return;
  const through = await plan.lookup.applications.get(organization.agents.application);
  const { problems, notes } = findAgentFindings(organization, through);
  plan.problems.push(...problems.map((end) => `organization ${organization.name} ${end}`));
  plan.notes.push(...notes.map((end) => `organization ${organization.name} ${end}`));
}

export async function planOrganization(
  plan: Plan,
  entry: ApplyOrganization,
  planning: Planning,
): Promise<Organization> {
  const before = await plan.findBefore('organizations', 'name', entry.name);
  const id = before?.id ?? plan.newId('organizations');
  for (const application of entry.applications ?? [])
    plan.reserveId('applications', `${id}/${application.name}`);
  const faces = await planFaces(plan, entry, id, before, planning);
  const name = `organization ${entry.name}`;
  const foreign = entry.hosts?.filter((host) => !planning.hosts.includes(host)) ?? [];
  for (const host of foreign)
    plan.problems.push(`${name} lists the host ${host}, which GRANTABLE_HOSTS does not`);
  const agents =
    entry.agents && (await withApplicationId(plan, { ...entry, id }, 'agents are', entry.agents));
  const given = { id, faces, ...(entry.agents && { agents }) };
  return addNoun(plan, 'organizations', name, { entry, before, given });
}

/** What organizations may only have once on the server, held against those that the file does not speak of too. */
export async function checkOrganizations(plan: Plan): Promise<void> {
  const wanted = plan.changed('organizations');
  if (!wanted.some((organization) => claimsOf(organization).length > 0)) return;
  const inFile = new Set(wanted.map(({ id }) => id));
  const stored = await Array.fromAsync(eachNoun(plan.store.organizations));
  const takenBy = new Map<string, string>();
  for (const organization of [...stored.filter(({ id }) => !inFile.has(id)), ...wanted]) {
    const { name } = organization;
    for (const claim of claimsOf(organization)) {
      const other = takenBy.get(claim);
      if (other) plan.problems.push(`organization ${name} has ${claim}, and so has ${other}: only one may`);
      takenBy.set(claim, name);
    }
  }
}

function claimsOf({ default: isDefault, hosts }: Organization): string[] {
  return [...(isDefault ? ['default: true'] : []), ...hosts.map((host) => `the host ${host}`)];
}

/** Reports show them of a new resource too. */
function setByPreset({ token: { preset, claimMap = [] } }: Pick<Resource, 'token'>): string[] {
  if (!preset) return [];
  const settings = Object.keys(PRESETS[preset]).filter((setting) => setting !== 'claimMap');
  return [
    ...settings.map((setting) => `token.${setting}`),
    ...claimMap.map(({ claim }) => `token.claimMap.${claim}`),
  ];
}

export async function planResource(
  plan: Plan,
  organization: Organization,
  entry: ApplyResource,
  settings: Planning,
): Promise<void> {
  const { identifier } = entry;
  const name = `resource ${identifier}`;
  const before = await plan.findBefore('resources', 'identifier', identifier);
  if (before ? isBuiltIn(before) : isAdminIdentifier(identifier, settings.issuer)) {
    plan.problems.push(`${name} is built in: it is for the administration of an organization`);
    return;
  }
  if (before && before.organization !== organization.id) {
    const because = plan.removals.has(identifier)
      ? ', which this file takes it from: list it here in the next file'
      : ': an identifier is unique on the server';
    plan.problems.push(`${name} is another organization's${because}`);
    return;
  }
  const given = { organization: organization.id };
  const wanted = await planNoun(plan, 'resources', name, { entry, before, given, settings });
  const madeUp = before || !entry.token?.preset ? undefined : setByPreset(wanted);
  const resource = plan.add('resources', name, before, wanted, defined({ madeUp }));
  const tables = resource.tables.map((table) => ({ columns: [], ...table }));
  for (const { path, message } of findResourceProblems({ ...resource, tables })) {
    plan.problems.push(`${name}: ${nameOf(path)} ${message}`);
  }
  for (const scope of Object.keys(resource.scopeTexts ?? {}).filter(
    (each) => !resource.scopes.includes(each),
  )) {
    plan.notes.push(`${name} has a text for the scope ${scope}, which it does not have`);
  }
}

export async function planRole(
  plan: Plan,
  organization: Organization,
  entry: ApplyRole,
  firstResource: string | undefined,
): Promise<void> {
  const name = `role ${organization.name}/${entry.name}`;
  const named = await plan.findBefore('roles', 'name', `${organization.id}/${entry.name}`);
  const isHidden = named !== undefined && isBuiltIn(named);
  if (isHidden && organization.id === MANAGEMENT_ID) {
    plan.problems.push(`${name} is built in: users can have it, and a file cannot say what it allows`);
    return;
  }
  if (isHidden) plan.notes.push(`${name} hides the built-in role of this name: users get this one by it`);
  const before = isHidden ? undefined : named;
  const resource = entry.resource ?? before?.resource ?? firstResource;
  if (resource === undefined) {
    plan.problems.push(`${name} needs a resource, and the organization has none`);
    return;
  }
  await checkRights(plan, name, { organization: organization.id, identifier: resource }, entry);
  for (const [identifier, granted] of Object.entries(entry.mayGrant ?? {})) {
    if (isAdminIdentifier(identifier, plan.issuer)) {
      plan.problems.push(
        `${name} has mayGrant for ${identifier}: rights over the administration are handed out only within one's own`,
      );
    }
    await checkRights(plan, name, { organization: organization.id, identifier }, granted);
  }
  const given = { organization: organization.id, resource };
  await addNoun(plan, 'roles', name, { entry, before, given });
}

/** Everyone who registers gets the default role, so there is one at most. */
export async function checkDefaultRole(plan: Plan, { id, name }: Organization): Promise<void> {
  const defaults = new Set<string>();
  const gone = new Set<string>();
  for await (const role of eachNoun(plan.store.roles, id)) {
    if (role.default) (plan.removals.has(role.id) ? gone : defaults).add(role.name);
  }
  for (const role of plan.changed('roles').filter(({ organization }) => organization === id)) {
    if (role.default) defaults.add(role.name);
    else defaults.delete(role.name);
  }
  if (defaults.size > 1) {
    plan.problems.push(`organization ${name} would have several default roles: ${[...defaults].join(', ')}`);
  }
  if (defaults.size === 0 && gone.size > 0) {
    plan.problems.push(
      `role ${name}/${[...gone].join()} is left out and cannot be removed, because users who register get it: list it, or another role with default: true`,
    );
  }
}

/** Roles speak of the organization's first resource if they do not say of which. */
export async function findFirstResource(
  plan: Plan,
  organization: Organization,
  entry: ApplyOrganization,
): Promise<Resource | undefined> {
  for await (const resource of eachNoun(plan.store.resources, organization.id)) {
    if (!plan.removals.has(resource.identifier)) return resource;
  }
  const [first] = entry.resources ?? [];
  return first && (await plan.findResource(organization.id, first.identifier));
}

/** What the file allows must be there to be allowed; a mistyped table would otherwise silently allow nothing. */
export async function checkRights(
  plan: Plan,
  name: string,
  { organization, identifier }: { organization: string; identifier: string },
  { permissions, scopes = [] }: { permissions?: Permissions; scopes?: readonly string[] },
): Promise<void> {
  const resource = await plan.findResource(organization, identifier);
  if (!resource) return;
  if (permissions) {
    const misfits = tellMisfits(permissions, catalogueOf(resource), identifier);
    plan.problems.push(...misfits.map(({ whole }) => `${name} ${whole}`));
  }
  for (const scope of scopes.filter((each) => !resource.scopes.includes(each))) {
    plan.problems.push(`${name} has the scope ${scope}, which ${identifier} does not have`);
  }
}
