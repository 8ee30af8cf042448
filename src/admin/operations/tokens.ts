/** Access tokens: finding them by what they came from, and ending one with all that were made from it. */
import { z } from 'zod';
import { MalformedRequest, NotFound } from '../../errors/domain.ts';
import type { TokenRow } from '../../storage/contract.ts';
import { countBranch } from '../living.ts';
import { requireRowAccess, visiblePart } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { defineOperation, type Where } from './operation.ts';
import { isSeen } from './path-nouns.ts';
import { endedShape, pageOf, pageQuery } from './shapes.ts';
import { type Token, token, toTokens } from './token-shapes.ts';
import { findVisible, tells } from './visible-pages.ts';

/** `registry/secrets.ts`. */
export const NODE_ID = /^[\w-]{22}$/;

/** Members that the actor may not read are left out. */
const shown = token.partial().required({ id: true });

type Shown = z.input<typeof shown>;

const KEYS = ['user', 'application', 'connection', 'login', 'parent'] as const;

/** The columns that tell what a filter asks, any of them. */
export const TOLD_BY = {
  user: ['user', 'subject'],
  application: ['applicationId', 'application', 'clientId'],
  connection: ['connection'],
  login: ['login'],
  parent: ['parent'],
} as const satisfies Readonly<Record<(typeof KEYS)[number], readonly string[]>>;

const id = (what: string) => z.string().min(1).exactOptional().describe(what);

const listQuery = z.strictObject({
  ...pageQuery,
  user: id('Id of the user.'),
  application: id('Id of the application.'),
  connection: id('Id of the connection that they descend from.'),
  login: id('Id of the login that they belong to.'),
  parent: id('Id of the login, token or connection that they were made from.'),
});

export function requireOneKey<K extends string>(
  query: Readonly<Partial<Record<K, string>>>,
  keys: readonly K[],
): { readonly by: K; readonly id: string } {
  const given = keys.filter((key) => query[key] !== undefined);
  const [by] = given;
  if (by === undefined || given.length > 1) {
    throw new MalformedRequest({ description: `Name one of ${keys.join(', ')} in the query.` });
  }
  return { by, id: query[by] as string };
}

export const listTokens = defineOperation(
  {
    id: 'tokens.list',
    method: 'GET',
    path: '/organizations/{organization}/tokens',
    summary:
      'Lists access tokens that have not expired, newest first, by user, application, connection, login or parent.',
    needs: { table: 'tokens', action: 'read' },
    query: listQuery,
    result: pageOf(shown),
  },
  async (call, deps) => {
    const one = requireOneKey(call.query, KEYS);
    const body = await findVisible(
      call.query,
      (page) => deps.storage.tokens.page({ ...one, now: deps.now(), ...page }),
      async (rows) => {
        const seen = rows.filter((row) => isSeen(call, row.organization));
        const items = (await toTokens(seen, deps)).flatMap((each) => visibleOf(call, each));
        return items.filter((part) => tells(part, [TOLD_BY[one.by]]));
      },
    );
    return { body };
  },
);

function visibleOf({ actor }: Where, each: Token): Shown[] {
  const part = visiblePart(actor, 'tokens', each);
  return part ? [part as Shown] : [];
}

async function requireToken(
  id: string,
  where: Where,
  deps: OperationDeps,
): Promise<{ readonly row: TokenRow; readonly object: Token }> {
  const row = await deps.registry.findRowById(id);
  if (!row || !isSeen(where, row.organization)) throw new NotFound();
  const [object] = await toTokens([row], deps);
  return { row, object: object as Token };
}

export const getToken = defineOperation(
  {
    id: 'tokens.get',
    method: 'GET',
    path: '/organizations/{organization}/tokens/{token}',
    parameters: { token: NODE_ID },
    summary: 'Shows an access token by its id (the `jti` of a JWT).',
    needs: { table: 'tokens', action: 'read' },
    result: shown,
  },
  async (call, deps) => {
    const { object } = await requireToken(call.parameters.token, call, deps);
    const [body] = visibleOf(call, object);
    if (!body) throw new NotFound();
    return { body };
  },
);

/** Ending only takes rights away, so it takes the right to end tokens here, and none of those that the token has. */
export const endToken = defineOperation(
  {
    id: 'tokens.end',
    method: 'DELETE',
    path: '/organizations/{organization}/tokens/{token}',
    parameters: { token: NODE_ID },
    summary: 'Ends an access token with all that were made from it.',
    needs: { table: 'tokens', action: 'delete' },
    mayDryRun: true,
    result: endedShape,
  },
  async (call, deps) => {
    const { row, object } = await requireToken(call.parameters.token, call, deps);
    requireRowAccess(call.actor, 'tokens', { action: 'delete', row: object });
    const tokens = await countBranch(row, deps);
    if (!call.dryRun) await deps.revocations.revokeToken(row, call.actor.author);
    return { body: { dryRun: call.dryRun, tokens } };
  },
);
