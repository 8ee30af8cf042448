/**
 * One noun as a request wants it: checked and planned as an apply file's entry is, and judged by what the actor may do.
 * Nothing is written here.
 */
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { findOwnOfAgent, planApplication } from '../../../apply/plan/applications.ts';
import { planConnection } from '../../../apply/plan/connections.ts';
import { planDatasource } from '../../../apply/plan/datasources.ts';
import {
  checkAgents,
  checkDefaultRole,
  checkOrganizations,
  findFirstResource,
  planOrganization,
  planResource,
  planRole,
} from '../../../apply/plan/organizations.ts';
import { planAdministrator, planUser } from '../../../apply/plan/people.ts';
import { type Editing, Plan, type Planning, type Step } from '../../../apply/plan/plan.ts';
import { respellEntry } from '../../../apply/plan/resource-spellings.ts';
import { checkTokenTypes } from '../../../apply/plan/token-types.ts';
import { planWebhook } from '../../../apply/plan/webhooks.ts';
import { toFieldProblems } from '../../../apply/problems.ts';
import { type FieldProblem, FieldsRefused } from '../../../errors/domain.ts';
import { MANAGEMENT } from '../../../nouns/built-in.ts';
import type { Application, Noun, Nouns, Organization } from '../../../nouns/index.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import { NOTHING } from '../../../permissions/permissions.ts';
import type { OperationDeps } from '../deps.ts';
import type { Reserved } from '../operation.ts';
import { deriveBytes } from '../reserved.ts';
import { mergePatch } from './merge-patch.ts';
import { entries, type ObjectCollection } from './objects.ts';
import { type Names, toEntry, toGiven } from './to-object.ts';

/** What a request says of a noun: a whole entry, or what changes in the entry of one that is there. */
export interface Wanted<C extends ObjectCollection> {
  readonly collection: C;
  readonly organization: Organization;
  readonly reserved: Reserved;
  /** Absent: it is made. */
  readonly before?: Nouns[C] | undefined;
  /** The body: an entry that the schema has parsed, or a merge patch. */
  readonly body: JsonObject;
  /**
   * Throws if the actor may not make or change the noun so. Called with what is planned, before anything beyond this
   * server is asked about it.
   */
  readonly judge: (after: Nouns[C], touched: readonly string[]) => Promise<void>;
}

/** A planned noun. */
export interface Edited<C extends ObjectCollection> {
  readonly plan: Plan;
  /** Absent: it is as the request wants it. */
  readonly step: Step<C> | undefined;
  /** Members of the entry that the request sets or takes away. */
  readonly touched: readonly string[];
}

/** Members of an application that mean something together only. */
const TOGETHER: readonly string[] = ['resource', 'permissions', 'resources'];

/** Members that the planner needs, whatever changes: those that it finds the noun by. */
const ALWAYS: { readonly [C in ObjectCollection]: readonly string[] | 'all' } = {
  organizations: ['name'],
  resources: ['identifier'],
  roles: ['name', 'resource'],
  applications: ['name'],
  users: ['username', 'application'],
  connections: ['name', 'application'],
  datasources: 'all',
  webhooks: ['name', 'url'],
};

interface Changed {
  /** As the planner takes it. */
  readonly entry: JsonObject;
  readonly touched: readonly string[];
  readonly cleared: ReadonlySet<string>;
}

function shapeOf(collection: ObjectCollection): Readonly<Record<string, z.ZodType>> {
  return entries[collection].shape as Readonly<Record<string, z.ZodType>>;
}

/** Sent back as it was given, it changes nothing. */
function findGivenProblems(body: JsonObject, given: JsonObject, known: ReadonlySet<string>): FieldProblem[] {
  return Object.entries(body).flatMap(([key, value]) =>
    !known.has(key) && Object.hasOwn(given, key) && !isDeepStrictEqual(value, given[key])
      ? [{ path: `/${key}`, detail: `${key} cannot be changed` }]
      : [],
  );
}

/** @param passed members that the request leaves as they are: a party that is not held to this schema may have set them */
function parseMembers(
  collection: ObjectCollection,
  whole: JsonObject,
  touched: readonly string[],
  passed: readonly string[],
): { readonly parsed: JsonObject; readonly problems: FieldProblem[] } {
  const shape = shapeOf(collection);
  const issues: z.core.$ZodIssue[] = [];
  const parsed: Record<string, unknown> = {};
  const unknown: Record<string, unknown> = {};
  for (const key of new Set([...touched, ...passed])) {
    const schema = shape[key];
    const value = whole[key];
    if (!schema) unknown[key] = value;
    else if (value !== undefined || schema._zod.optin === undefined) {
      const { data, error } = schema.safeParse(value);
      if (!error) parsed[key] = data;
      else if (!touched.includes(key)) parsed[key] = value;
      else issues.push(...error.issues.map((issue) => ({ ...issue, path: [key, ...issue.path] })));
    }
  }
  // The whole schema says which keys were meant.
  const { error } = entries[collection].safeParse(unknown);
  issues.push(...(error?.issues.filter(({ code }) => code === 'unrecognized_keys') ?? []));
  return {
    parsed,
    problems: issues.flatMap((issue) => toFieldProblems(issue, whole, entries[collection])),
  };
}

/** @throws FieldsRefused */
async function applyPatch<C extends ObjectCollection>(
  collection: C,
  before: Nouns[C],
  patch: JsonObject,
  names: Names,
): Promise<Changed> {
  const [current, given] = await Promise.all([
    toEntry(collection, before, names),
    toGiven(collection, before, names),
  ]);
  const known = new Set(Object.keys(shapeOf(collection)));
  const body = Object.fromEntries(
    Object.entries(patch).filter(([key]) => known.has(key) || !Object.hasOwn(given, key)),
  );
  const whole = mergePatch(current, body) as JsonObject;
  const differing = [...new Set([...Object.keys(current), ...Object.keys(whole)])].filter(
    (key) => !isDeepStrictEqual(current[key], whole[key]),
  );
  requireNotOfAgent(before, differing);
  const isThere = (key: string): boolean => Object.hasOwn(whole, key);
  const goTogether = collection === 'applications' && TOGETHER.some((key) => differing.includes(key));
  const touched = goTogether ? [...new Set([...differing, ...TOGETHER.filter(isThere)])] : differing;
  const always: readonly string[] | 'all' = ALWAYS[collection];
  const passed = always === 'all' ? [...known].filter(isThere) : always;
  const { parsed, problems } = parseMembers(collection, whole, touched, passed);
  problems.push(...findGivenProblems(patch, given, known));
  if (problems.length > 0) throw new FieldsRefused(problems);
  const cleared = new Set(touched.filter((key) => !isThere(key)));
  // The planner takes these as values instead of as nothing said.
  const emptied = collection === 'applications' && {
    ...(cleared.has('permissions') && { permissions: NOTHING }),
    ...(cleared.has('resources') && { resources: {} }),
  };
  return { entry: { ...parsed, ...emptied }, touched: differing, cleared };
}

/** @throws FieldsRefused */
function requireNotOfAgent(before: Noun | undefined, touched: readonly string[]): void {
  const refused = findOwnOfAgent(before as Partial<Application> | undefined, touched);
  if (refused.length === 0) return;
  throw new FieldsRefused(
    refused.map((key) => ({
      path: `/${key}`,
      detail: `${key} of an agent cannot be changed: it comes from the agent itself. enabled and description can`,
    })),
  );
}

type PlanOne = (
  plan: Plan,
  organization: Organization,
  entry: never,
  planning: Planning,
  judgePlanned: () => Promise<void>,
) => Promise<unknown>;

const planners: { readonly [C in ObjectCollection]: PlanOne } = {
  organizations: async (plan, _organization, entry, planning, judgePlanned) => {
    await planOrganization(plan, entry, planning);
    // The checks name other organizations, of which not every actor may know.
    await judgePlanned();
    await checkOrganizations(plan);
    for (const { after } of plan.steps) await checkAgents(plan, after);
  },
  resources: planResource,
  roles: async (plan, organization, entry) => {
    const first = await findFirstResource(plan, organization, entry);
    await planRole(plan, organization, entry, first?.identifier);
    await checkDefaultRole(plan, organization);
  },
  applications: async (plan, organization, entry, planning) => {
    await planApplication(plan, organization, entry, planning);
    const isForAgents = plan.steps.some(({ after }) => after.id === organization.agents?.application);
    if (isForAgents) await checkAgents(plan, organization);
  },
  users: async (plan, organization, entry, planning) => {
    const add = await (organization.id === MANAGEMENT.id
      ? planAdministrator(plan, entry, planning)
      : planUser(plan, organization, entry, planning));
    add?.();
  },
  connections: planConnection,
  datasources: planDatasource,
  webhooks: planWebhook,
};

/**
 * @throws FieldsRefused with everything that does not fit; Conflict when a name is taken
 */
export async function planOne<C extends ObjectCollection>(
  { collection, organization, reserved, before, body: said, judge }: Wanted<C>,
  names: Names,
  deps: OperationDeps,
): Promise<Edited<C>> {
  const body = await respellEntry(said, organization.id, deps.store);
  const { entry, touched, cleared }: Changed = before
    ? await applyPatch(collection, before, body, names)
    : { entry: body, touched: Object.keys(body), cleared: new Set() };
  if (collection === 'users' && organization.id !== MANAGEMENT.id && entry.organizations !== undefined) {
    const detail = 'organizations is for administrators, who are the users of management';
    throw new FieldsRefused([{ path: '/organizations', detail }]);
  }
  if (before && touched.length === 0) {
    return { plan: new Plan(deps.store, deps.issuer), step: undefined, touched };
  }
  const editing: Editing = {
    collection,
    ...(before && { before }),
    id: reserved.id,
    cleared,
    managedBy: 'api',
    secretBytes: (kind, size) => deriveBytes(reserved.seed, kind, size),
  };
  const plan = new Plan(deps.store, deps.issuer, editing);
  const judged = { number: 0, version: 0, createdAt: 0, ...before };
  const planning: Planning = {
    ...deps,
    // No folder is written: what is made here is shown in the answer.
    dataDir: '',
    resetPasswords: true,
    comparePasswords: false,
    datasources: {
      async inspect(planned, ...others) {
        await judge({ ...judged, ...planned } as unknown as Nouns[C], touched);
        return deps.datasources.inspect(planned, ...others);
      },
    },
  };
  const judgePlanned = async (): Promise<void> => {
    for (const { after } of plan.steps) await judge(after as unknown as Nouns[C], touched);
  };
  await planners[collection](plan, organization, entry as never, planning, judgePlanned);
  await checkTokenTypes(plan);
  await plan.checkReferences();
  if (plan.problems.length > 0) {
    throw new FieldsRefused([...new Set(plan.problems)].map((detail) => ({ path: '', detail })));
  }
  await judgePlanned();
  const [step] = plan.steps as unknown as Step<C>[];
  return { plan, step, touched };
}
