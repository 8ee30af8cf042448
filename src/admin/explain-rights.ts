/**
 * What a user, or an application by itself, would get for a resource, and why not more. Nothing is issued and nothing is
 * written: the rights are computed as for a token.
 */
import type { Directory } from '../directory/directory.ts';
import { type Application, catalogueOf, type Resource, type User } from '../nouns/index.ts';
import { expandGroups, withinCatalogue } from '../permissions/catalogue.ts';
import { explainIntersection, type Step } from '../permissions/explain.ts';
import { NOTHING, type Permissions } from '../permissions/permissions.ts';
import { findRights, type ResourceRights } from '../rights/rights.ts';
import { defined } from '../storage/defined.ts';
import type { Removal } from './explain.ts';
import { findSources, type Source } from './explain-sources.ts';

export interface Question {
  readonly application: Application;
  readonly resource: Resource;
  /** Absent: the application by itself. */
  readonly user?: User;
  /** Absent: as much as there is. */
  readonly asked?: Permissions;
  readonly scopes?: readonly string[];
}

/** What took a right away. */
export type Cause = 'asked' | 'catalogue' | 'ceiling' | 'roles';

export interface RightsExplanation {
  /** Why no token would be made at all. Ends of sentences without full stops. */
  readonly problems: readonly string[];
  /** What was intersected, in this order. */
  readonly steps: readonly Step<Permissions>[];
  /** What operators wrote that the steps come from. */
  readonly sources: readonly Source[];
  readonly permissions: Permissions;
  readonly removed: readonly (Removal & { readonly because: Cause })[];
  readonly scopes: readonly { readonly scope: string; readonly isGiven: boolean }[];
}

const ASKED = 'what was asked for';

export async function explainRights(
  question: Question,
  { directory }: { readonly directory: Directory },
): Promise<RightsExplanation> {
  const { application, resource, user, asked } = question;
  const view = await directory.view();
  const rights = await findRights(view, application, resource, user);
  const catalogue = catalogueOf(resource);
  const beside: Step<Permissions>[] = asked
    ? [
        { name: ASKED, permissions: expandGroups(asked, catalogue) },
        { name: `catalogue of resource ${resource.name}`, permissions: withinCatalogue(asked, catalogue) },
      ]
    : [];
  const noCeiling = { name: `ceiling of application ${application.name}`, permissions: NOTHING };
  const steps = [...beside, ...(rights?.steps ?? [noCeiling])];
  const { effective, removed } = explainIntersection(steps);
  const held = rights ? [{ ...rights, application, ...defined({ holder: user }) }] : [];
  return {
    problems: await findProblems(question, rights, view),
    steps,
    sources: await findSources(view, held, resource),
    permissions: rights ? effective : NOTHING,
    removed: removed.map((each) => ({ ...each, because: causeOf(each.by) })),
    scopes: (question.scopes ?? [...(rights?.scopes ?? [])]).map((scope) => ({
      scope,
      isGiven: rights?.scopes.has(scope) === true,
    })),
  };
}

/** @param step `rights/rights.ts` names them */
function causeOf(step: string): Cause {
  if (step === ASKED) return 'asked';
  if (step.startsWith('catalogue of ')) return 'catalogue';
  return step.startsWith('ceiling of ') ? 'ceiling' : 'roles';
}

async function findProblems(
  { application, resource, user }: Question,
  rights: ResourceRights | undefined,
  view: Awaited<ReturnType<Directory['view']>>,
): Promise<string[]> {
  const [isActive, isThere] = await Promise.all([
    view.findApplicationById(application.id),
    view.findResource(resource.identifier),
  ]);
  return [
    ...(isActive ? [] : [`the application ${application.name} or its organization is disabled`]),
    ...(isThere ? [] : [`the resource ${resource.name} is disabled`]),
    ...(rights ? [] : [`the application ${application.name} has no ceiling for this resource`]),
    ...(user?.enabled === false ? [`the user ${user.username} is disabled`] : []),
    ...(user?.pending ? [`the user ${user.username} is not activated yet`] : []),
    ...(user && user.realm !== application.realm
      ? [`the application ${application.name} has the people of another realm`]
      : []),
  ];
}
