/** What Fusio's clients send. Whatever has another type than it must have counts as not sent. */
import { type Author, authorOf } from '../../changes/author.ts';
import type { User } from '../../nouns/index.ts';
import { isJsonObject, type JsonObject } from '../../permissions/json.ts';
import type { NewCode } from '../../tokens/codes.ts';
import type { FaceRequest } from '../face.ts';
import { fusio } from './declaration.ts';
import { malformed } from './failures.ts';
import { parseScopes } from './scopes.ts';

const VERIFIER = /^[A-Za-z0-9_-]{43}$/;

/** @throws Refusal 400 for a body that is not an object */
export function fieldsOf({ body = {} }: FaceRequest): JsonObject {
  if (!isJsonObject(body)) throw malformed('The body must be an object');
  return body;
}

/** @returns undefined if it is missing or empty */
export function findText(fields: JsonObject, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' && value.isWellFormed() ? value : undefined;
}

/** @param missing what is said then @throws Refusal 400 */
export function requireText(fields: JsonObject, name: string, missing: string): string {
  const text = findText(fields, name);
  if (text === undefined) throw malformed(missing);
  return text;
}

/** @returns undefined if it is missing @throws Refusal 400 for a value that is not a list of texts */
export function findList(fields: JsonObject, name: string): readonly string[] | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!isList) throw malformed(`${name} must be a list of texts`);
  return value;
}

/** The scopes that are asked for; undefined for all. @throws Refusal 400 for a value that is not a text */
export function readScopes({ scope }: JsonObject): readonly string[] | undefined {
  if (scope === undefined || scope === null) return undefined;
  // Taken for nothing it would ask for everything.
  if (typeof scope !== 'string') throw malformed('scope must be a text');
  return parseScopes(scope);
}

/** A code as these clients carry it, who know no PKCE: with its verifier, in one text. */
export const joinCode = ({ code, verifier }: NewCode): string => `${code}.${verifier}`;

/** @returns without a verifier if the text does not have one, or has something else in its place */
export function splitCode(text: string): { readonly code: string; readonly verifier?: string } {
  const at = text.indexOf('.');
  if (at < 0) return { code: text };
  const [code, verifier] = [text.slice(0, at), text.slice(at + 1)];
  return VERIFIER.test(verifier) ? { code, verifier } : { code };
}

/** @param user who does it; undefined for a stranger */
export function authorFor(request: FaceRequest, user?: User): Author {
  return authorOf(request, user ? { user: user.id } : { registeringThrough: fusio.name });
}

/** As the original writes times. @param at milliseconds */
export const toDateTime = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
