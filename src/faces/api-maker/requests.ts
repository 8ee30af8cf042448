/** The body of API Maker's token request: which kind of token, and the one block that belongs to it. */
import { z } from 'zod';
import { cut, quote } from '../../errors/texts.ts';
import { Refusal } from '../../http/refusal.ts';
import { isJsonObject } from '../../permissions/json.ts';
import { DATABASE_USER } from '../../tokens/grants/database-user.ts';
import type { TokenQuestion } from '../face.ts';

/** A field is missing, unknown or ill-typed (HTTP 400). */
export class FieldRefused extends Refusal {
  readonly field: string;
  constructor(field: string, description: string) {
    super(400, description);
    this.field = field;
  }
}

/** The one route of this face. */
export const TOKEN_ROUTE = 'POST /api/system-api/:organization/token';

/** UTF-16 units of a member's name that an answer quotes. */
const MAX_NAME = 64;

const text = z.string().min(1).max(1024);
const jwt = z.string().min(1).max(8192);

const LIFETIME = 'must be a whole number of seconds, at least 1';
const lifetime = { expiresInSeconds: z.int(LIFETIME).positive(LIFETIME).optional() };
const user = z.strictObject({ u: text, p: text, ...lifetime });
const refresh = z.strictObject({ refresh_token: jwt, ...lifetime });

/** What the table's registration says instead: taken, and of no effect. */
const settled = {
  passwordChangedAtColumn: z.string().optional(),
  groupsColumn: z.string().optional(),
  select: z.unknown().optional(),
};

const row = z.strictObject({
  instance: text,
  database: text,
  collection: text.optional(),
  table: text.optional(),
  usernameColumn: text,
  passwordColumn: text,
  u: text,
  p: text,
  ...settled,
});

/** What the original calls the claim with the request of a login; the password is not in it. */
export const REQUEST_CLAIM = '__amDBRequestData';

/** `claims`: what the refresh token says of the login. `expiresIn`: seconds, if less than usual is wanted. */
export type TokenRequest = { readonly type: 'AM' | 'AM_DB'; readonly expiresIn?: number | undefined } & (
  | { readonly refreshToken: string }
  | { readonly question: TokenQuestion; readonly claims: Readonly<Record<string, string>> }
);

/** @param path ends with a dot where the member is not at the top */
function unknownField(name: string, path = ''): FieldRefused {
  const field = `${path}${cut(name, MAX_NAME)}`;
  return new FieldRefused(field, `${quote(field)} is unknown`);
}

/** @throws FieldRefused naming the field and no value */
function parse<T extends z.ZodType>(schema: T, value: unknown, block: string): z.output<T> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data as z.output<T>;
  const [issue] = error.issues;
  const field = [block, ...(issue?.path ?? [])].join('.');
  if (issue?.code === 'unrecognized_keys') throw unknownField(issue.keys[0] ?? '', `${field}.`);
  throw new FieldRefused(
    field,
    `${field} ${issue?.message === LIFETIME ? LIFETIME : 'is required, as text'}`,
  );
}

const isRenewal = (block: unknown): boolean => isJsonObject(block) && 'refresh_token' in block;

function parseUser(block: unknown): TokenRequest {
  if (isRenewal(block)) {
    const { refresh_token: refreshToken, expiresInSeconds: expiresIn } = parse(refresh, block, 'authTokenAM');
    return { type: 'AM', refreshToken, expiresIn };
  }
  const { u: username, p: password, expiresInSeconds: expiresIn } = parse(user, block, 'authTokenAM');
  const question = { grantType: 'password', parameters: { username, password } };
  return { type: 'AM', question, claims: {}, expiresIn };
}

function parseRow(block: unknown): TokenRequest {
  if (isRenewal(block)) {
    return { type: 'AM_DB', refreshToken: parse(refresh, block, 'authTokenAMDB').refresh_token };
  }
  const { u, p, collection, table, ...others } = parse(row, block, 'authTokenAMDB');
  const { instance, database, usernameColumn, passwordColumn } = others;
  const name = collection ?? table;
  if (name === undefined || (table !== undefined && table !== name)) {
    throw new FieldRefused('authTokenAMDB.collection', 'authTokenAMDB.collection is required, once');
  }
  const place = { instance, database, collection: name };
  const columns = { username_column: usernameColumn, password_column: passwordColumn };
  const shown = JSON.stringify({ ...place, usernameColumn, passwordColumn, u });
  return {
    type: 'AM_DB',
    question: { grantType: DATABASE_USER, parameters: { username: u, password: p, ...place, ...columns } },
    claims: { [REQUEST_CLAIM]: shown },
  };
}

/** @throws FieldRefused */
export function parseTokenRequest(body: unknown): TokenRequest {
  if (!isJsonObject(body)) throw new FieldRefused('authTokenType', 'the body must be a JSON object');
  const { authTokenType: type, authTokenAM, authTokenAMDB, ...others } = body;
  if (type !== 'AM' && type !== 'AM_DB') {
    throw new FieldRefused('authTokenType', 'authTokenType is required: AM or AM_DB');
  }
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw unknownField(unknown);
  const [name, superfluous] = type === 'AM' ? ['authTokenAMDB', authTokenAMDB] : ['authTokenAM', authTokenAM];
  if (superfluous !== undefined) throw new FieldRefused(name, `${name} does not belong to ${type}`);
  return type === 'AM' ? parseUser(authTokenAM) : parseRow(authTokenAMDB);
}
