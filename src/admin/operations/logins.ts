/** Logins: the families of refresh tokens. */
import { z } from 'zod';
import { NotFound } from '../../errors/domain.ts';
import type { LoginRow } from '../../storage/contract.ts';
import { countBranch } from '../living.ts';
import { requireRowAccess, visiblePart } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { defineOperation, type Where } from './operation.ts';
import { isSeen } from './path-nouns.ts';
import { endedShape, pageOf, pageQuery } from './shapes.ts';
import { type Login, login, toLogins } from './token-shapes.ts';
import { NODE_ID, requireOneKey, TOLD_BY } from './tokens.ts';
import { findVisible, tells } from './visible-pages.ts';

/** Members that the actor may not read are left out. */
const shown = login.partial().required({ id: true });

type Shown = z.input<typeof shown>;

const listQuery = z.strictObject({
  ...pageQuery,
  user: z.uuid().exactOptional().describe('Id of the user.'),
  application: z.uuid().exactOptional().describe('Id of the application.'),
});

export const listLogins = defineOperation(
  {
    id: 'logins.list',
    method: 'GET',
    path: '/organizations/{organization}/logins',
    summary: 'Lists logins that have not expired, newest first, of a user or through an application.',
    needs: { table: 'logins', action: 'read' },
    query: listQuery,
    result: pageOf(shown),
  },
  async (call, deps) => {
    const one = requireOneKey(call.query, ['user', 'application']);
    const body = await findVisible(
      call.query,
      (page) => deps.storage.logins.page({ ...one, now: deps.now(), ...page }),
      async (rows) => {
        const seen = rows.filter((row) => isSeen(call, row.organization));
        const items = (await toLogins(seen, deps)).flatMap((each) => visibleOf(call, each));
        return items.filter((part) => tells(part, [TOLD_BY[one.by]]));
      },
    );
    return { body };
  },
);

function visibleOf({ actor }: Where, each: Login): Shown[] {
  const part = visiblePart(actor, 'logins', each);
  return part ? [part as Shown] : [];
}

async function requireLogin(
  id: string,
  where: Where,
  deps: OperationDeps,
): Promise<{ readonly row: LoginRow; readonly object: Login }> {
  const row = await deps.storage.logins.find(id, deps.now());
  if (!row || !isSeen(where, row.organization)) throw new NotFound();
  const [object] = await toLogins([row], deps);
  return { row, object: object as Login };
}

export const getLogin = defineOperation(
  {
    id: 'logins.get',
    method: 'GET',
    path: '/organizations/{organization}/logins/{login}',
    parameters: { login: NODE_ID },
    summary: 'Shows a login by its id.',
    needs: { table: 'logins', action: 'read' },
    result: shown,
  },
  async (call, deps) => {
    const { object } = await requireLogin(call.parameters.login, call, deps);
    const [body] = visibleOf(call, object);
    if (!body) throw new NotFound();
    return { body };
  },
);

/** Ending only takes rights away: also a login of a person with more rights than the actor. */
export const endLogin = defineOperation(
  {
    id: 'logins.end',
    method: 'DELETE',
    path: '/organizations/{organization}/logins/{login}',
    parameters: { login: NODE_ID },
    summary: 'Ends a login: its refresh token and every token that came from it.',
    needs: { table: 'logins', action: 'delete' },
    mayDryRun: true,
    result: endedShape,
  },
  async (call, deps) => {
    const { row, object } = await requireLogin(call.parameters.login, call, deps);
    requireRowAccess(call.actor, 'logins', { action: 'delete', row: object });
    const tokens = await countBranch(row, deps);
    if (!call.dryRun) await deps.revocations.revokeLogin(row, call.actor.author);
    return { body: { dryRun: call.dryRun, tokens } };
  },
);
