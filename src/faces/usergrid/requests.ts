/** What Usergrid's clients send, read into values. */

import { isJsonObject, type JsonObject } from '../../permissions/json.ts';
import { defined } from '../../storage/defined.ts';
import { LONGEST_TOKEN } from '../../tokens/expiry.ts';
import type { ApplicationSecret, FaceRequest } from '../face.ts';
import type { UsergridSettings } from './declaration.ts';
import { GrantRefused, UsergridRefusal } from './errors.ts';

const MAX_NAME = 200;
/** Milliseconds, with as many digits as are exact. */
const MILLISECONDS = /^\d{1,15}$/;

/** The members of a body, whatever they are; none of a body that has none. */
export const fieldsOf = (body: unknown): JsonObject => (isJsonObject(body) ? body : {});

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** @throws UsergridRefusal if it is there twice: the two would not mean the same */
export function findInQuery({ query }: Pick<FaceRequest, 'query'>, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw new UsergridRefusal('illegal_argument', `${name} is there twice`);
  return textOf(values[0]);
}

/** @returns milliseconds @throws UsergridRefusal */
function parseMilliseconds(value: unknown, name: string): number {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !MILLISECONDS.test(text)) {
    throw new UsergridRefusal('illegal_argument', `${name} must be a number >= 0`);
  }
  return Number(text);
}

/** @throws UsergridRefusal */
export function parseTtl(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : parseMilliseconds(value, 'ttl');
}

/** As a token endpoint gets them, in a body or in a query. */
export type TokenFields = ReturnType<typeof parseTokenFields>;

/** A field without a text makes a wrong login; the answer does not say which field. @throws UsergridRefusal */
function parseTokenFields(fields: JsonObject, basic: ApplicationSecret | undefined) {
  const [clientId, clientSecret] = [textOf(fields.client_id), textOf(fields.client_secret)];
  const isPair = clientId !== undefined && clientSecret !== undefined;
  return {
    grantType: textOf(fields.grant_type),
    // One of the clients sends the address where the original reads a name.
    username: textOf(fields.username) ?? textOf(fields.email),
    password: textOf(fields.password),
    credentials: basic ?? (isPair ? { clientId, clientSecret } : undefined),
    /** Milliseconds; 0 is the longest that there is. */
    ttl: parseTtl(fields.ttl),
  };
}

/** Of a POST. @throws UsergridRefusal */
export const parseTokenBody = ({ body, basic }: FaceRequest): TokenFields =>
  parseTokenFields(fieldsOf(body), basic);

const IN_QUERY = ['grant_type', 'username', 'email', 'password', 'client_id', 'client_secret', 'ttl'];

/** Of a GET. @throws UsergridRefusal; GrantRefused for what must not stand in a query */
export function parseTokenQuery(request: FaceRequest): TokenFields {
  const { settings, query, basic } = request;
  const hasSecret = query.has('password') || query.has('client_secret');
  if (hasSecret && !(settings as UsergridSettings).queryCredentials) {
    const text = 'passwords and secrets are not taken from a query: send them in the body of a POST';
    throw new GrantRefused(400, 'invalid_request', text);
  }
  const fields = Object.fromEntries(IN_QUERY.map((name) => [name, findInQuery(request, name)]));
  return parseTokenFields(fields, basic);
}

function optionalText(fields: JsonObject, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new UsergridRefusal('illegal_argument', `${name} must be text`);
  return value;
}

/** @throws UsergridRefusal */
export function parseNewUser(body: unknown) {
  if (!isJsonObject(body)) throw new UsergridRefusal('illegal_argument', 'the body must be one user');
  const [username, email] = [optionalText(body, 'username'), optionalText(body, 'email')];
  if (username === undefined && email === undefined) {
    throw new UsergridRefusal('illegal_argument', 'Entity user requires a property named username');
  }
  if (username?.toLowerCase() === 'me') {
    throw new UsergridRefusal('illegal_argument', "Username 'me' is reserved");
  }
  const password = optionalText(body, 'password');
  const name = optionalText(body, 'name')?.trim().slice(0, MAX_NAME);
  return defined({ username, email, password, displayName: name === '' ? undefined : name });
}

/** @throws UsergridRefusal */
export function parsePasswordChange(body: unknown): { old: string | undefined; wanted: string } {
  const fields = fieldsOf(body);
  const wanted = optionalText(fields, 'newpassword');
  if (wanted === undefined) throw new UsergridRefusal('illegal_argument', 'newpassword is required');
  return { old: textOf(fields.oldpassword), wanted };
}

const MOST_CONDITIONS = 10;
const SELECT = /^\s*(?:select\s+\*\s*)?(?:where\s+)?(.*)$/is;
const CONDITION = /^\s*(?:username|email|uuid)\s*=\s*'([^'\\]{1,256})'\s*$/i;

/**
 * A question in the original's query language, which clients ask to see whether a name or an address is taken.
 * @param ql conditions on user name, email address or UUID, with `or` between them
 * @returns the values, each of which may be any of the three
 * @throws UsergridRefusal for any other question
 */
export function parseUserQuery(ql: string | undefined): string[] {
  const conditions = (SELECT.exec(ql ?? '')?.[1] ?? '').split(/\bor\b/i);
  const values = conditions.map((condition) => CONDITION.exec(condition)?.[1]);
  if (values.length > MOST_CONDITIONS || !values.every((value) => value !== undefined)) {
    throw new UsergridRefusal('illegal_argument', "ql must be such as: select * where username = 'ann'");
  }
  return values;
}

/** @returns seconds @throws UsergridRefusal */
export function parseAccessTokenTtl(body: unknown): number {
  const ms = parseMilliseconds(fieldsOf(body).accesstokenttl, 'accesstokenttl');
  const longest = LONGEST_TOKEN * 1000;
  if (ms > longest) {
    throw new UsergridRefusal('illegal_argument', `accesstokenttl cannot be more than ${longest}`);
  }
  return ms === 0 ? LONGEST_TOKEN : Math.max(1, Math.floor(ms / 1000));
}
