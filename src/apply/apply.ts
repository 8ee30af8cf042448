/**
 * The apply file: reading it, planning what it changes, carrying the plan out, and the report. What a change means for
 * living tokens is left to `changes`, how this is called and shown to `cli`. It serves no routes.
 *
 * This file: applying. All that can be wrong is found before the first write; each write is complete in itself, so
 * applying again after a crash goes on where it ended.
 */
import { setTimeout } from 'node:timers/promises';
import type { Author } from '../changes/author.ts';
import { mayTakeOwnerships } from '../changes/owners.ts';
import { StillInUse } from '../changes/references.ts';
import { isRace } from '../changes/retry-on-conflict.ts';
import { adminIdentifier, MANAGEMENT } from '../nouns/built-in.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Organization,
  type User,
} from '../nouns/index.ts';
import {
  disownGeneratedSecret,
  disownSecretsOf,
  findSecretNames,
  generatedSecretsPath,
  keepGeneratedSecret,
  type SecretLine,
} from './generated-secrets.ts';
import { planApplication } from './plan/applications.ts';
import { planConnection } from './plan/connections.ts';
import { planDatasource } from './plan/datasources.ts';
import { releasesOf } from './plan/handovers.ts';
import { planOrganizationClient } from './plan/organization-client.ts';
import {
  checkAgents,
  checkDefaultRole,
  checkOrganizations,
  findFirstResource,
  planOrganization,
  planResource,
  planRole,
} from './plan/organizations.ts';
import { checkOwners } from './plan/owners.ts';
import { type AddToPlan, planAdministrator, planUser } from './plan/people.ts';
import {
  APPLYING,
  type ApplyDeps,
  type PasswordOptions,
  Plan,
  type Planning,
  type Removal,
  type Step,
} from './plan/plan.ts';
import { checkRemovals, planRemovals, removalsOf } from './plan/removals.ts';
import { respellResources } from './plan/resource-spellings.ts';
import { noteRights } from './plan/right-notes.ts';
import { checkTokenTypes } from './plan/token-types.ts';
import { planWebhook } from './plan/webhooks.ts';
import { type ApplyChange, type ApplyReport, describeRemoval, describeStep } from './report.ts';
import type { ApplyFile, ApplyOrganization } from './schema.ts';

export interface ApplyOptions extends Partial<PasswordOptions> {
  /** Nothing is written, the report says what would be. */
  readonly dryRun?: boolean;
  /** What an earlier file made and this one leaves out of a list that it has is removed. */
  readonly prune?: boolean;
  readonly author?: Author;
}

/** The file and the store do not fit together; nothing was written. */
export class ApplyRefused extends Error {
  override readonly name = 'ApplyRefused';
  /** Whole sentences. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(['The file cannot be applied:', ...problems].join('\n  '));
    this.problems = problems;
  }
}

/**
 * @throws ApplyRefused with everything that does not fit; Conflict or VersionConflict if others keep changing the same
 *   nouns; StoreUnavailable
 */
export type Apply = (file: ApplyFile, options?: ApplyOptions) => Promise<ApplyReport>;

/** Two operators may apply the same file at the same moment; a later look finds what was written. */
const ATTEMPTS = 10;
/** Milliseconds, more with each attempt: time for the other to come to an end. */
const PAUSE = 25;
/** People whose passwords are hashed side by side: one of them may have to wait, and every hash queue has room for one. */
const SIDE_BY_SIDE = 2;
const DEFAULT_AUTHOR: Author = { actor: 'apply' };

export function createApply(deps: ApplyDeps): Apply {
  return async (file, options = {}) => {
    const { dryRun = false } = options;
    const author: Author = { ...(options.author ?? DEFAULT_AUTHOR), ...APPLYING };
    const done: ApplyChange[] = [];
    for (let attempt = 1; ; attempt += 1) {
      const plan = await planFile(file, deps, options);
      if (plan.problems.length > 0) throw new ApplyRefused([...new Set(plan.problems)]);
      const steps = inOrder(plan.steps);
      const planned = await Array.fromAsync(steps, (step) => describeStep(step, plan));
      const { first, last } = removalsOf(plan);
      const report = (changes: readonly ApplyChange[]): ApplyReport => ({
        dryRun,
        changes,
        unchanged: plan.unchanged,
        notes: plan.notes,
        generatedSecrets: {
          path: generatedSecretsPath(deps.dataDir),
          count: steps.filter(({ generated }) => generated).length,
        },
      });
      if (dryRun) {
        return report([...first.map(describeRemoval), ...planned, ...last.map(describeRemoval)]);
      }
      const secrets = await findSecretNames(deps.dataDir, plan.removals.values());
      const removeAll = async (removals: readonly Removal[]): Promise<void> => {
        for (const removal of removals) {
          await deps.changes[removal.collection].remove(removal.noun, author);
          if (secrets.has(removal.name)) await disownSecretsOf(deps.dataDir, removal.name);
          done.push(describeRemoval(removal));
        }
      };
      try {
        await hashPasswords(steps, deps);
        for (const { collection, noun, later } of releasesOf(plan, last)) {
          const { version } = await deps.changes[collection].replace(noun as never, author);
          Object.assign(later, { version });
        }
        await removeAll(first);
        for (const [index, step] of steps.entries()) {
          await write(step, deps, author);
          done.push(planned[index] as ApplyChange);
        }
        await removeAll(last);
        return report(done);
      } catch (error) {
        if (!isLostRace(error) || attempt === ATTEMPTS) throw error;
        await setTimeout(attempt * PAUSE);
      }
    }
  };
}

async function planFile(given: ApplyFile, deps: ApplyDeps, options: ApplyOptions): Promise<Plan> {
  const { store } = deps;
  const { resetPasswords = false, comparePasswords = true, prune = false } = options;
  const plan = new Plan(store, deps.issuer);
  const file = await respellResources(given, store);
  const { administrators } = file;
  const planning: Planning = { ...deps, resetPasswords, comparePasswords, administrators };
  const organizations: [Organization, ApplyOrganization][] = [];
  for (const entry of file.organizations ?? []) {
    organizations.push([await planOrganization(plan, entry, planning), entry]);
  }
  await checkOrganizations(plan);
  if (prune) {
    for (const [organization, entry] of organizations) await planRemovals(plan, organization, entry);
    await planRemovals(plan, MANAGEMENT, file.management ?? {});
  }
  // All resources first: what names another organization's is then told so, wherever in the file it stands.
  for (const [organization, entry] of organizations) {
    for (const resource of entry.resources ?? []) await planResource(plan, organization, resource, planning);
  }
  for (const [organization, entry] of organizations) {
    const first = await findFirstResource(plan, organization, entry);
    for (const role of entry.roles ?? []) await planRole(plan, organization, role, first?.identifier);
    await checkDefaultRole(plan, organization);
    for (const application of entry.applications ?? []) {
      await planApplication(plan, organization, application, planning);
    }
    await planOrganizationClient(plan, organization, entry, planning);
    await checkAgents(plan, organization);
    await addPeople(entry.users ?? [], (user) => planUser(plan, organization, user, planning));
    for (const connection of entry.connections ?? []) {
      await planConnection(plan, organization, connection, planning);
    }
    for (const datasource of entry.datasources ?? []) {
      await planDatasource(plan, organization, datasource, planning);
    }
    for (const webhook of entry.webhooks ?? []) await planWebhook(plan, organization, webhook, planning);
  }
  const { roles = [], applications = [] } = file.management ?? {};
  for (const role of roles) {
    await planRole(plan, MANAGEMENT, role, adminIdentifier(MANAGEMENT, deps.issuer));
  }
  for (const application of applications) await planApplication(plan, MANAGEMENT, application, planning);
  await addPeople(administrators ?? [], (entry) => planAdministrator(plan, entry, planning));
  await checkTokenTypes(plan);
  await plan.checkReferences();
  await checkOwners(plan);
  await checkRemovals(plan, MANAGEMENT);
  for (const [organization, entry] of organizations) {
    await checkRemovals(plan, organization, entry);
    await noteRights(plan, organization, { ofUsers: options.dryRun === true });
  }
  return plan;
}

async function addPeople<T>(
  entries: readonly T[],
  look: (entry: T) => Promise<AddToPlan | undefined>,
): Promise<void> {
  for (let from = 0; from < entries.length; from += SIDE_BY_SIDE) {
    const looked = await Promise.all(entries.slice(from, from + SIDE_BY_SIDE).map(look));
    for (const add of looked) add?.();
  }
}

/** Before the first write, because hashing can be refused and takes long. */
export async function hashPasswords(
  steps: readonly Step[],
  { passwords, now }: Pick<ApplyDeps, 'passwords' | 'now'>,
): Promise<void> {
  const waiting = steps.filter(({ password }) => password !== undefined);
  for (let from = 0; from < waiting.length; from += SIDE_BY_SIDE) {
    await Promise.all(
      waiting.slice(from, from + SIDE_BY_SIDE).map(async (step) => {
        const user = step.after as User;
        const passwordHash = await passwords.hash(step.password as string, {
          organization: user.organization ?? 'management',
        });
        Object.assign(user, { passwordHash, passwordChangedAt: now() });
      }),
    );
  }
}

/**
 * What others refer to comes first. A default is taken from one organization before it is given to another, and there is another
 * owner, with an application that lets them in, before one is taken.
 */
function inOrder(steps: readonly Step[]): Step[] {
  const rankOf = ({ collection, before, after }: Step): number => {
    if (before && mayTakeOwnerships(collection, before, after)) return COLLECTIONS.indexOf('users') + 0.5;
    return COLLECTIONS.indexOf(collection) + ((after as Partial<Organization>).default === true ? 0.5 : 0);
  };
  return [...steps].sort((a, b) => rankOf(a) - rankOf(b));
}

async function write<C extends CollectionName>(
  step: Step<C>,
  deps: ApplyDeps,
  author: Author,
): Promise<void> {
  const { collection, name, before, after, generated } = step;
  const nouns = deps.changes[collection];
  const change = async () =>
    void (before ? await nouns.replace(after, author) : await nouns.create(after, author));
  if (!generated) return change();
  const { clientId } = after as Partial<Application>;
  const what = clientId === undefined ? generated.kind : `clientId ${clientId} ${generated.kind}`;
  const line: SecretLine = { at: deps.now(), name, what, value: generated.value };
  await keepGeneratedSecret(deps.dataDir, line);
  try {
    await change();
  } catch (error) {
    if (isLostRace(error)) await disownGeneratedSecret(deps.dataDir, line);
    throw error;
  }
}

/** Looking again at what is there finds what is right, or says what is wrong. */
function isLostRace(error: unknown): boolean {
  return isRace(error) || error instanceof StillInUse;
}
