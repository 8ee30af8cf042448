/**
 * Permissions as Usergrid spells them: methods, and an Ant pattern of paths. Ours are tables, so only patterns that
 * mean a whole table, or all of them, can be said.
 */

import { catalogueOf, type Resource } from '../../nouns/index.ts';
import { toBit } from '../../permissions/actions.ts';
import { expandAll, expandGroups } from '../../permissions/catalogue.ts';
import { quoteName } from '../../permissions/errors.ts';
import { createPermissions, EVERYTHING, type Permissions } from '../../permissions/permissions.ts';
import { findCatalogueIdProblem } from '../../permissions/table-ids.ts';
import { UsergridRefusal } from './errors.ts';

/** In the order in which the original writes them. */
const METHODS = [
  ['get', toBit('read')],
  ['put', toBit('update')],
  ['post', toBit('create')],
  ['delete', toBit('delete')],
] as const;

const BITS: ReadonlyMap<string, number> = new Map(METHODS);
const ALL = METHODS.reduce((mask, [, bit]) => mask | bit, 0);

const MAX_LENGTH = 1024;
const SHAPE = /^([a-z]+(?:,[a-z]+)*):(\/.*)$/s;
const WHOLE_TABLE = /^\/([^/*?${}]+)(?:\/\*{1,2})?$/;

function refuse(text: string): never {
  throw new UsergridRefusal('illegal_argument', `permission ${text}`);
}

function parseMethods(list: string): number {
  const bits = list
    .split(',')
    .map((method) => BITS.get(method) ?? refuse('has a method other than get, put, post and delete'));
  return bits.reduce((mask, bit) => mask | bit, 0);
}

/** @returns an empty text, which names no table, for broken encoding */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

function parseTable(segment: string, { catalogue, tables }: Resource): string {
  const table = decode(segment);
  if (findCatalogueIdProblem(table) !== undefined) return refuse('has a path that names no table');
  if (catalogue === 'closed' && !tables.some(({ id }) => id === table)) {
    return refuse(`names a table that is not there: ${quoteName(table)}`);
  }
  return table;
}

/**
 * @param text such as `get,put:/orders/**`
 * @throws UsergridRefusal for whatever cannot be said in tables of the resource
 */
export function parsePermission(text: unknown, resource: Resource): Permissions {
  if (typeof text !== 'string' || text === '' || text.length > MAX_LENGTH) {
    return refuse('is missing, or no text');
  }
  const [, methods, path = ''] = SHAPE.exec(text) ?? [];
  if (methods === undefined) return refuse('is not of the form methods:/path');
  const mask = parseMethods(methods);
  if (path === '/*' || path === '/**') {
    return mask === ALL ? EVERYTHING : refuse('for all paths must have all four methods');
  }
  const segment = WHOLE_TABLE.exec(path)?.[1];
  if (segment === undefined) return refuse('has a path other than /<table>, /<table>/* and /**');
  return createPermissions([[parseTable(segment, resource), mask]]);
}

const spellMethods = (mask: number): string =>
  METHODS.flatMap(([method, bit]) => ((mask & bit) === 0 ? [] : [method])).join(',');

/** Of a name what would be part of a pattern is encoded too. */
const spellTable = (table: string): string =>
  encodeURIComponent(table).replace(
    /[*!'()]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** One for each table that is allowed without limits: a client of this API knows neither limits, nor groups, nor future tables. */
export function spellPermissions(permissions: Permissions, resource: Resource): string[] {
  if (permissions.isAdmin) return [`${spellMethods(ALL)}:/**`];
  const catalogue = catalogueOf(resource);
  const { masks } = expandAll(expandGroups(permissions, catalogue), catalogue);
  return [...masks].map(([table, mask]) => `${spellMethods(mask)}:/${spellTable(table)}/**`);
}
