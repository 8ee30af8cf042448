/** Why a token allows what it allows, and what a person would get. */
import { z } from 'zod';
import { findResourceSpelled } from '../../directory/collections.ts';
import { MalformedRequest, NotFound } from '../../errors/domain.ts';
import type { AdminTable } from '../../nouns/admin-tables.ts';
import { permissionsOfConnection } from '../../nouns/written-permissions.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { defined } from '../../storage/defined.ts';
import { explainToken, type Removal, type TokenExplanation } from '../explain.ts';
import {
  alternativesOf,
  formatExplanation,
  nameAdminGivers,
  nameGivers,
  spellLimit,
} from '../explain-report.ts';
import { explainRights as findWouldGet } from '../explain-rights.ts';
import { requireCell, requireRowAccess } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { type Call, defineOperation, type Where } from './operation.ts';
import { isSeen, requireNoun } from './path-nouns.ts';
import { permissionsShape, toShape } from './rights-shape.ts';
import { moment, toMomentIf } from './shapes.ts';
import { toLogins, toTokens } from './token-shapes.ts';

/** Cells of one kind in one answer. */
const MOST_CELLS = 500;

const cell = {
  table: z.string(),
  action: z.string().describe('create, read, update, delete; `admin` with the table `*`.'),
  limit: z.string().exactOptional().describe('In words; absent: all rows and columns.'),
};

const given = z.strictObject({
  ...cell,
  from: z.array(z.string()).describe('All that give it: ceilings, the catalogue, roles, a connection.'),
});

const lost = z.strictObject({
  ...cell,
  by: z.string().describe('What took it away first.'),
  leaves: z.array(z.string()).exactOptional().describe('What that left of it, in words.'),
});

const explanation = z.strictObject({
  kind: z
    .string()
    .describe('`JWT access token`, `opaque access token`, `refresh token` or `not a token of this server`.'),
  isActive: z.boolean(),
  reasons: z.array(z.string()).describe('Why it is not active, most telling first.'),
  id: z.string().exactOptional().describe('Of the token or the login.'),
  subject: z.string().exactOptional(),
  clientId: z.string().exactOptional(),
  resource: z.string().exactOptional(),
  scope: z.string().exactOptional(),
  expiresAt: moment.exactOptional(),
  permissions: permissionsShape.exactOptional(),
  rights: z.array(given).describe('What it allows; nothing if it is not active.'),
  lost: z.array(lost).describe('Rights that it was issued with and that are gone since.'),
  withheld: z.array(lost).describe('Rights within the ceiling of the application that it does not have.'),
  obtainable: permissionsShape.exactOptional().describe('What a new token of the same could have.'),
  above: z
    .array(
      z.strictObject({
        id: z.string(),
        what: z.string(),
        state: z.string(),
        ends: z.boolean().describe('What happened to it ended the token.'),
      }),
    )
    .describe('What the token hangs below.'),
  report: z.array(z.string()).describe('All of it as lines for people.'),
});

const tokenBody = z.strictObject({
  token: z.string().min(1).max(16_384).describe('An access or refresh token.'),
});

function toGiven(
  permissions: Permissions | undefined,
  { steps, sources }: Pick<TokenExplanation, 'steps' | 'sources'>,
): z.input<typeof given>[] {
  if (!permissions) return [];
  if (permissions.isAdmin) {
    return [{ table: '*', action: 'admin', from: nameAdminGivers(steps, sources) }];
  }
  return alternativesOf(permissions)
    .slice(0, MOST_CELLS)
    .map((right) => ({
      table: right.table,
      action: right.action,
      ...(!right.limit.isUnlimited && { limit: spellLimit(right.limit) }),
      from: nameGivers(right, steps, sources),
    }));
}

function toLost(removals: readonly Removal[]): z.input<typeof lost>[] {
  return removals
    .slice(0, MOST_CELLS)
    .map(({ table, action, limit, remains, by }) =>
      defined({ table, action, limit: limit && spellLimit(limit), by, leaves: remains?.map(spellLimit) }),
    );
}

/** All of these tables of an organization: an explanation names what rights come from. @throws NotAllowed, NotFound */
function requireSources(actor: Call['actor'], organization: string, tables: readonly AdminTable[]): void {
  for (const table of tables) {
    requireCell(actor, table, 'read');
    requireRowAccess(actor, table, { action: 'read', row: { organization } });
  }
}

async function requireSeen(
  call: Where,
  value: string,
  { row }: TokenExplanation,
  deps: OperationDeps,
): Promise<void> {
  const presented = await deps.presentedTokens.identify(value);
  if (presented.kind === 'connection token') {
    const connection = await deps.store.connections.get(presented.connection);
    if (connection && !isSeen(call, connection.organization)) throw new NotFound();
  }
  if (!row) return;
  if (!isSeen(call, row.organization)) throw new NotFound();
  const isLogin = 'current' in row;
  const [object] = isLogin ? await toLogins([row], deps) : await toTokens([row], deps);
  requireRowAccess(call.actor, isLogin ? 'logins' : 'tokens', { action: 'read', row: object ?? {} });
  const tables: AdminTable[] = ['roles', 'resources', 'applications'];
  if (row.user !== undefined) tables.push('users');
  requireSources(call.actor, object?.organization ?? '', tables);
}

async function ofToken(
  call: Pick<Call<string, unknown, z.output<typeof tokenBody>>, 'actor' | 'organization' | 'body'>,
  deps: OperationDeps,
): Promise<{ body: z.input<typeof explanation> }> {
  const found = await explainToken(call.body.token, deps);
  await requireSeen(call, call.body.token, found, deps);
  const { kind, active, reasons, row, expiresAt, permissions, scope, obtainable, ancestors } = found;
  const body = {
    ...defined({
      id: row?.id,
      subject: row?.subject,
      clientId: row?.clientId,
      resource: row?.resource,
      scope,
      expiresAt: toMomentIf(expiresAt),
      permissions: permissions && toShape(permissions),
      obtainable: obtainable && toShape(obtainable),
    }),
    kind,
    isActive: active,
    reasons: [...reasons],
    rights: toGiven(permissions, found),
    lost: toLost(found.lost),
    withheld: toLost(found.withheld),
    above: ancestors.map(({ id, what, state, kills }) => ({ id, what, state, ends: kills })),
    report: formatExplanation(found, deps.now()),
  };
  return { body };
}

const tokenFacts = {
  method: 'POST',
  summary:
    'Says what a token allows, where each right comes from, what took others away, and whether it is active.',
  needs: { table: 'tokens', action: 'read' },
  body: tokenBody,
  result: explanation,
} as const;

export const explainTokenOfServer = defineOperation(
  { id: 'explain.token', path: '/explain/token', ...tokenFacts },
  ofToken,
);

export const explainTokenOfOrganization = defineOperation(
  { id: 'organizations.explain.token', path: '/organizations/{organization}/explain/token', ...tokenFacts },
  ofToken,
);

const question = z.strictObject({
  application: z.uuid().describe('Id of the application that asks.'),
  user: z.uuid().exactOptional().describe('Id of the person who logs in; absent: the application by itself.'),
  resource: z.string().exactOptional().describe('Identifier; absent: that of the application.'),
  permissions: permissionsOfConnection.schema.describe('What is asked for; absent: all that there is.'),
  scopes: z.array(z.string().min(1)).max(100).exactOptional(),
});

const wouldGet = z.strictObject({
  isGranted: z
    .boolean()
    .describe('A token would be made: all that is asked for is given, and there is something.'),
  problems: z.array(z.string()).describe('Why none would be made, whatever is asked for.'),
  permissions: permissionsShape,
  given: z.array(given),
  refused: z.array(
    z.strictObject({
      ...lost.shape,
      because: z.enum(['asked', 'catalogue', 'ceiling', 'roles']),
      isNarrowed: z.boolean().describe('A limit of rows or columns is the reason: part of it is given.'),
    }),
  ),
  scopes: z.array(z.strictObject({ scope: z.string(), isGiven: z.boolean() })),
  steps: z
    .array(z.strictObject({ name: z.string(), permissions: permissionsShape }))
    .describe('What is intersected, in this order.'),
});

export const explainRights = defineOperation(
  {
    id: 'organizations.explain.rights',
    method: 'POST',
    path: '/organizations/{organization}/explain/rights',
    summary:
      'Says what a user would get through an application, with the reason of each right that is given or not. No token is made.',
    needs: { table: 'applications', action: 'read' },
    body: question,
    result: wouldGet,
  },
  async (call, deps) => {
    const { actor, organization, body } = call;
    const asked = body.permissions;
    if (asked?.hasVariables) {
      throw new MalformedRequest({ description: 'A request has values in its limits, and no variables.' });
    }
    requireCell(actor, 'resources', 'read');
    requireSources(actor, organization.name, ['roles']);
    const whole = { action: 'read' } as const;
    const application = await requireNoun('applications', body.application, call, deps, whole);
    const { user: id } = body;
    const user = id === undefined ? undefined : await requireNoun('users', id, call, deps, whole);
    for (const role of user?.roles ?? []) await requireNoun('roles', role, call, deps, whole);
    const identifier = body.resource ?? application.resource;
    const resource = identifier === undefined ? undefined : await findResourceSpelled(deps.store, identifier);
    if (resource?.organization !== organization.id) throw new NotFound();
    await requireNoun('resources', resource.id, call, deps, whole);
    const found = await findWouldGet(
      { application, resource, ...defined({ user, asked, scopes: body.scopes }) },
      deps,
    );
    const refused = toLost(found.removed).map((each, index) => ({
      ...each,
      because: found.removed[index]?.because ?? 'roles',
      isNarrowed: each.leaves !== undefined,
    }));
    const isWhole = asked === undefined || found.removed.length === 0;
    const hasSomething = toGiven(found.permissions, found).length > 0;
    return {
      body: {
        isGranted: found.problems.length === 0 && isWhole && hasSomething,
        problems: [...found.problems],
        permissions: toShape(found.permissions),
        given: toGiven(found.permissions, found),
        refused,
        scopes: [...found.scopes],
        steps: found.steps.map(({ name, permissions }) => ({ name, permissions: toShape(permissions) })),
      },
    };
  },
);
