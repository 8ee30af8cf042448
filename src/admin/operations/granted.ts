/** Access tokens and logins: finding them by what they came from, and ending one with all that came from it. */
import { z } from 'zod';
import { MalformedRequest, NotFound } from '../../errors/domain.ts';
import { countBranch } from '../living.ts';
import { requireRowAccess } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { defineOperation, type Where } from './operation.ts';
import { isSeen } from './path-nouns.ts';
import { endedShape, pageOf, pageQuery } from './shapes.ts';
import { login, token, toLogins, toTokens } from './token-shapes.ts';
import { findVisible, visibleParts } from './visible-pages.ts';

/** `registry/token-values.ts`. */
const NODE_ID = /^[\w-]{22}$/;

/** Members that the actor may not read are left out. */
const shownToken = token.partial().required({ id: true });
const shownLogin = login.partial().required({ id: true });

/** The columns that tell what a filter asks, any of them. */
const TOLD_BY = {
  user: ['user', 'subject'],
  application: ['applicationId', 'application', 'clientId'],
  connection: ['connection'],
  login: ['login'],
  parent: ['parent'],
} as const;

function requireOneKey<K extends string>(
  query: Readonly<Partial<Record<K, string>>>,
  keys: readonly K[],
): { readonly by: K; readonly id: string } {
  const given = keys.filter((key) => query[key] !== undefined);
  const [by] = given;
  if (by === undefined || given.length > 1) {
    throw new MalformedRequest({ description: `Narrow the list by one of ${keys.join(', ')}.` });
  }
  return { by, id: query[by] as string };
}

async function requireToken(id: string, where: Where, deps: OperationDeps) {
  const row = await deps.registry.findRowById(id);
  if (!row || !isSeen(where, row.organization)) throw new NotFound();
  const [object] = await toTokens([row], deps);
  if (!object) throw new NotFound();
  return { row, object };
}

async function requireLogin(id: string, where: Where, deps: OperationDeps) {
  const row = await deps.storage.logins.find(id, deps.now());
  if (!row || !isSeen(where, row.organization)) throw new NotFound();
  const [object] = await toLogins([row], deps);
  if (!object) throw new NotFound();
  return { row, object };
}

const idOf = (what: string) => z.string().min(1).exactOptional().describe(`Id of the ${what}.`);

export const listTokens = defineOperation(
  {
    id: 'tokens.list',
    method: 'GET',
    path: '/organizations/{organization}/tokens',
    summary:
      'Lists access tokens that have not expired, newest first, by user, application, connection, login or parent.',
    needs: { table: 'tokens', action: 'read' },
    query: z.strictObject({
      ...pageQuery,
      user: idOf('user'),
      application: idOf('application'),
      connection: idOf('connection that they descend from'),
      login: idOf('login that they belong to'),
      parent: idOf('login, token or connection that they were made from'),
    }),
    result: pageOf(shownToken),
  },
  async (call, deps) => {
    const one = requireOneKey(call.query, ['user', 'application', 'connection', 'login', 'parent']);
    const body = await findVisible(
      call.query,
      (page) => deps.storage.tokens.page({ ...one, now: deps.now(), ...page }),
      async (rows) => {
        const seen = rows.filter((row) => isSeen(call, row.organization));
        return visibleParts(call.actor, 'tokens', await toTokens(seen, deps), [TOLD_BY[one.by]]);
      },
    );
    return { body };
  },
);

export const getToken = defineOperation(
  {
    id: 'tokens.get',
    method: 'GET',
    path: '/organizations/{organization}/tokens/{token}',
    parameters: { token: NODE_ID },
    summary: 'Shows an access token by its id (the `jti` of a JWT).',
    needs: { table: 'tokens', action: 'read' },
    result: shownToken,
  },
  async (call, deps) => {
    const { object } = await requireToken(call.parameters.token, call, deps);
    const [body] = visibleParts(call.actor, 'tokens', [object]);
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
    const { actor, dryRun } = call;
    const { row, object } = await requireToken(call.parameters.token, call, deps);
    requireRowAccess(actor, 'tokens', { action: 'delete', row: object });
    const tokens = await countBranch(row, deps);
    if (!dryRun) await deps.revocations.revokeToken(row, actor.author);
    return { body: { dryRun, tokens } };
  },
);

export const listLogins = defineOperation(
  {
    id: 'logins.list',
    method: 'GET',
    path: '/organizations/{organization}/logins',
    summary: 'Lists logins that have not expired, newest first, of a user or through an application.',
    needs: { table: 'logins', action: 'read' },
    query: z.strictObject({
      ...pageQuery,
      user: z.uuid().exactOptional().describe('Id of the user.'),
      application: z.uuid().exactOptional().describe('Id of the application.'),
    }),
    result: pageOf(shownLogin),
  },
  async (call, deps) => {
    const one = requireOneKey(call.query, ['user', 'application']);
    const body = await findVisible(
      call.query,
      (page) => deps.storage.logins.page({ ...one, now: deps.now(), ...page }),
      async (rows) => {
        const seen = rows.filter((row) => isSeen(call, row.organization));
        return visibleParts(call.actor, 'logins', await toLogins(seen, deps), [TOLD_BY[one.by]]);
      },
    );
    return { body };
  },
);

export const getLogin = defineOperation(
  {
    id: 'logins.get',
    method: 'GET',
    path: '/organizations/{organization}/logins/{login}',
    parameters: { login: NODE_ID },
    summary: 'Shows a login by its id.',
    needs: { table: 'logins', action: 'read' },
    result: shownLogin,
  },
  async (call, deps) => {
    const { object } = await requireLogin(call.parameters.login, call, deps);
    const [body] = visibleParts(call.actor, 'logins', [object]);
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
    const { actor, dryRun } = call;
    const { row, object } = await requireLogin(call.parameters.login, call, deps);
    requireRowAccess(actor, 'logins', { action: 'delete', row: object });
    const tokens = await countBranch(row, deps);
    if (!dryRun) await deps.revocations.revokeLogin(row, actor.author);
    return { body: { dryRun, tokens } };
  },
);
