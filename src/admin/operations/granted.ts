/** Access tokens and logins: finding them by what they came from, and ending one with all that came from it. */
import { z } from 'zod';
import type { Author } from '../../changes/author.ts';
import { MalformedRequest, NotFound } from '../../errors/domain.ts';
import type { LoginRow, TokenRow } from '../../storage/contract.ts';
import { countBranch } from '../living.ts';
import { requireRowAccess } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { defineOperation, type PageQuery, type Where } from './operation.ts';
import { isSeen } from './path-nouns.ts';
import { endedShape, pageOf, pageQuery } from './shapes.ts';
import { login, token, toLogins, toTokens } from './token-shapes.ts';
import { findVisible, type Rows, visibleParts } from './visible-pages.ts';

/** `registry/secrets.ts`. */
const NODE_ID = /^[\w-]{22}$/;

/** The columns that tell what a filter asks, any of them. */
const TOLD_BY = {
  user: ['user', 'subject'],
  application: ['applicationId', 'application', 'clientId'],
  connection: ['connection'],
  login: ['login'],
  parent: ['parent'],
} as const;

type Key = keyof typeof TOLD_BY;

/** Tokens or logins. */
interface Kind<Name, One, Row, Shown, Filters> {
  readonly table: Name;
  /** What paths call one of them. */
  readonly one: One;
  /** Members that the actor may not read are left out. */
  readonly shown: Shown;
  /** By one of which a list is asked for. */
  readonly filters: Filters;
  readonly summaries: { readonly list: string; readonly get: string; readonly end: string };
  page(
    asked: PageQuery & { readonly by: keyof Filters; readonly id: string; readonly now: number },
    deps: OperationDeps,
  ): Promise<Rows<Row>>;
  find(id: string, deps: OperationDeps): Promise<Row | undefined>;
  toObjects(rows: readonly Row[], deps: OperationDeps): Promise<(object & { readonly id: string })[]>;
  end(row: Row, deps: OperationDeps, author: Author): Promise<unknown>;
}

function requireOneKey<K extends string>(query: { readonly [key in K]?: unknown }, keys: readonly K[]) {
  const given = keys.filter((key) => query[key] !== undefined);
  const [by] = given;
  if (by === undefined || given.length > 1) {
    throw new MalformedRequest({ description: `Name one of ${keys.join(', ')} in the query.` });
  }
  return { by, id: String(query[by]) };
}

function operationsOn<
  const Name extends 'tokens' | 'logins',
  const One extends string,
  Row extends TokenRow | LoginRow,
  Shown extends z.ZodType,
  Filters extends { readonly [key in Key]?: z.ZodType },
>(kind: Kind<Name, One, Row, Shown, Filters>) {
  const { table, one, shown, filters, summaries } = kind;
  const keys = Object.keys(filters) as (keyof Filters & Key)[];
  const all = `/organizations/{organization}/${table}` as const;
  const single = `${all}/{${one}}` as const;
  const parameters = { [one]: NODE_ID };

  async function requireRow(call: Where & { readonly parameters: object }, deps: OperationDeps) {
    const id = (call.parameters as Readonly<Record<string, string>>)[one] as string;
    const row = await kind.find(id, deps);
    if (!row || !isSeen(call, row.organization)) throw new NotFound();
    const [object = row] = await kind.toObjects([row], deps);
    return { row, object };
  }

  return [
    defineOperation(
      {
        id: `${table}.list`,
        method: 'GET',
        path: all,
        summary: summaries.list,
        needs: { table, action: 'read' },
        query: z.strictObject({ ...pageQuery, ...filters }),
        result: pageOf(shown),
      },
      async (call, deps) => {
        const query = call.query as PageQuery & { readonly [key in Key]?: string };
        const one = requireOneKey(query, keys);
        const body = await findVisible(
          query,
          (page) => kind.page({ ...one, now: deps.now(), ...page }, deps),
          async (rows) => {
            const seen = rows.filter((row) => isSeen(call, row.organization));
            return visibleParts(call.actor, table, await kind.toObjects(seen, deps), [TOLD_BY[one.by]]);
          },
        );
        return { body } as never;
      },
    ),
    defineOperation(
      {
        id: `${table}.get`,
        method: 'GET',
        path: single,
        parameters,
        summary: summaries.get,
        needs: { table, action: 'read' },
        result: shown,
      },
      async (call, deps) => {
        const { object } = await requireRow(call, deps);
        const [body] = visibleParts(call.actor, table, [object]);
        if (!body) throw new NotFound();
        return { body } as never;
      },
    ),
    // Ending only takes rights away: it takes the right to end, and none of those that end.
    defineOperation(
      {
        id: `${table}.end`,
        method: 'DELETE',
        path: single,
        parameters,
        summary: summaries.end,
        needs: { table, action: 'delete' },
        mayDryRun: true,
        result: endedShape,
      },
      async (call, deps) => {
        const { actor, dryRun } = call;
        const { row, object } = await requireRow(call, deps);
        requireRowAccess(actor, table, { action: 'delete', row: { ...object } });
        const tokens = await countBranch(row, deps);
        if (!dryRun) await kind.end(row, deps, actor.author);
        return { body: { dryRun, tokens } };
      },
    ),
  ] as const;
}

const idOf = (what: string) => z.string().min(1).exactOptional().describe(`Id of the ${what}.`);
const uuidOf = (what: string) => z.uuid().exactOptional().describe(`Id of the ${what}.`);

export const [listTokens, getToken, endToken] = operationsOn({
  table: 'tokens',
  one: 'token',
  shown: token.partial().required({ id: true }),
  filters: {
    user: idOf('user'),
    application: idOf('application'),
    connection: idOf('connection that they descend from'),
    login: idOf('login that they belong to'),
    parent: idOf('login, token or connection that they were made from'),
  },
  summaries: {
    list: 'Lists access tokens that have not expired, newest first, by user, application, connection, login or parent.',
    get: 'Shows an access token by its id (the `jti` of a JWT).',
    end: 'Ends an access token with all that were made from it.',
  },
  page: (asked, { storage }) => storage.tokens.page(asked),
  find: (id, { registry }): Promise<TokenRow | undefined> => registry.findRowById(id),
  toObjects: toTokens,
  end: (row, { revocations }, author) => revocations.revokeToken(row, author),
});

export const [listLogins, getLogin, endLogin] = operationsOn({
  table: 'logins',
  one: 'login',
  shown: login.partial().required({ id: true }),
  filters: { user: uuidOf('user'), application: uuidOf('application') },
  summaries: {
    list: 'Lists logins that have not expired, newest first, of a user or through an application.',
    get: 'Shows a login by its id.',
    end: 'Ends a login: its refresh token and every token that came from it.',
  },
  page: (asked, { storage }) => storage.logins.page(asked),
  find: (id, { storage, now }): Promise<LoginRow | undefined> => storage.logins.find(id, now()),
  toObjects: toLogins,
  end: (row, { revocations }, author) => revocations.revokeLogin(row, author),
});
