/**
 * Reading requests of the AuthZEN Authorization API 1.0: the subject is an access token, the resource a table and perhaps a
 * row of it. Unknown members are ignored, as the standard demands.
 */
import { MalformedRequest } from '../errors/domain.ts';
import { MAX_COLUMNS } from '../nouns/index.ts';
import { ACTION_WORDS, type Action, toBit } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { type JsonObject, readMember } from '../permissions/json.ts';
import { findCatalogueIdProblem } from '../permissions/table-ids.ts';
import type { RowAccess } from '../permissions/verdicts.ts';
import { requireObject } from './json-body.ts';

const MAX_EVALUATIONS = 100;
const ACCESS_TOKEN = 'access_token';
const TABLE = 'table';

/** What one evaluation asks. */
interface Question {
  readonly token: string;
  /** Identifier of the resource that has the table. */
  readonly resource: string | undefined;
  readonly table: string;
  readonly access: RowAccess;
}

/** Well-formed, but about something that Grantable does not decide: the sentence says what it decides. */
interface Undecided {
  readonly problem: string;
}

/** After which decision no further evaluation is made; undefined: after none. */
type StopAt = boolean | undefined;

const SEMANTICS: ReadonlyMap<unknown, StopAt> = new Map([
  ['execute_all', undefined],
  ['deny_on_first_deny', false],
  ['permit_on_first_permit', true],
]);

const malformed = (description: string): MalformedRequest => new MalformedRequest({ description });

/** The standard has members left out, never null, so null is a mistake like any other. */
function readOr(object: JsonObject, name: string, absent: unknown): unknown {
  const value = readMember(object, name);
  return value === undefined ? absent : value;
}

function findObject(object: JsonObject, name: string, path: string): JsonObject | undefined {
  const value = readMember(object, name);
  return value === undefined ? undefined : requireObject(value, `${path}.${name}`);
}

/** @returns undefined if there are no evaluations, so that the request is one itself. @throws MalformedRequest */
export function readEvaluations(body: JsonObject): readonly unknown[] | undefined {
  const evaluations = readOr(body, 'evaluations', []);
  if (!Array.isArray(evaluations)) throw malformed('evaluations must be a JSON array.');
  if (evaluations.length > MAX_EVALUATIONS) {
    throw malformed(`evaluations has ${evaluations.length} entries. Send at most ${MAX_EVALUATIONS}.`);
  }
  return evaluations.length > 0 ? evaluations : undefined;
}

/** @throws MalformedRequest */
export function readStopAt(body: JsonObject): StopAt {
  const options = requireObject(readOr(body, 'options', {}), 'options');
  const semantic = readOr(options, 'evaluations_semantic', 'execute_all');
  if (SEMANTICS.has(semantic)) return SEMANTICS.get(semantic);
  throw malformed(`options.evaluations_semantic must be ${[...SEMANTICS.keys()].join(' or ')}.`);
}

/**
 * @param evaluation with its own members @param defaults what it leaves out; a member that it has counts instead of the
 *   default as a whole, but for members without which it would be nothing: type, id, name
 * @throws MalformedRequest
 */
export function readQuestion(evaluation: unknown, defaults: JsonObject): Question | Undecided {
  const own = requireObject(evaluation, 'An evaluation');
  const subject = readEntity(own, defaults, 'subject', ['type', 'id']);
  const resource = readEntity(own, defaults, 'resource', ['type', 'id']);
  const action = readEntity(own, defaults, 'action', ['name']);
  requireObject(readOr(own, 'context', readOr(defaults, 'context', {})), 'context');
  const { type: subjectType = '', id: token = '' } = subject.texts;
  const { type: resourceType = '', id: table = '' } = resource.texts;
  const { name = '' } = action.texts;
  const problem =
    subjectType === ACCESS_TOKEN ? findProblem(resourceType, table, name) : unknown('subject', subjectType);
  if (problem !== undefined) return { problem };
  return {
    token: findText(subject.properties, 'token', 'subject') ?? token,
    resource: findText(resource.properties, 'resource', 'resource'),
    table,
    access: readAccess(name as Action, resource.properties, action.properties),
  };
}

function findProblem(resourceType: string, table: string, action: string): string | undefined {
  if (resourceType !== TABLE) return unknown('resource', resourceType);
  if (toBit(action) === 0) return `Unknown action ${quoteName(action)}. Use ${ACTION_WORDS}.`;
  const problem = findCatalogueIdProblem(table);
  return problem && `A table id ${problem} (${quoteName(table)}).`;
}

function unknown(entity: 'subject' | 'resource', type: string): string {
  const known = entity === 'subject' ? ACCESS_TOKEN : TABLE;
  return `Unknown type ${quoteName(type)} of the ${entity}. Use ${known}.`;
}

interface Entity {
  readonly texts: Readonly<Record<string, string>>;
  readonly properties: JsonObject;
}

function readEntity(
  own: JsonObject,
  defaults: JsonObject,
  name: string,
  required: readonly string[],
): Entity {
  const byDefault = readMember(defaults, name);
  const said = readOr(own, name, byDefault);
  if (said === undefined) throw malformed(`The member ${name} is missing.`);
  const entity = requireObject(said, name);
  const base = byDefault === undefined ? {} : requireObject(byDefault, name);
  const texts = required.map((member): [string, string] => {
    const text = readOr(entity, member, readMember(base, member));
    if (typeof text === 'string') return [member, text];
    throw malformed(`${name}.${member} ${text === undefined ? 'is missing' : 'must be a string'}.`);
  });
  return { texts: Object.fromEntries(texts), properties: findObject(entity, 'properties', name) ?? {} };
}

function findText(properties: JsonObject, name: string, entity: string): string | undefined {
  const value = readMember(properties, name);
  if (value === undefined || typeof value === 'string') return value;
  throw malformed(`${entity}.properties.${name} must be a string.`);
}

/** A row has at most as many columns as a table: evaluations may share it, so each of them would compare all of its names. */
function findRow(object: JsonObject, name: string, path: string): JsonObject | undefined {
  const row = findObject(object, name, path);
  if (!row || Object.keys(row).length <= MAX_COLUMNS) return row;
  throw malformed(`${path}.${name} must be an object of at most ${MAX_COLUMNS} columns.`);
}

function readAccess(action: Action, ofResource: JsonObject, ofAction: JsonObject): RowAccess {
  const row = findRow(ofResource, 'row', 'resource.properties');
  const changes = findRow(ofAction, 'changes', 'action.properties');
  const columns = readMember(ofAction, 'columns');
  const isList =
    Array.isArray(columns) &&
    columns.length <= MAX_COLUMNS &&
    columns.every((column) => typeof column === 'string');
  if (columns !== undefined && !isList) {
    throw malformed(`action.properties.columns must be a list of at most ${MAX_COLUMNS} names.`);
  }
  return { action, ...(row && { row }), ...(isList && { columns }), ...(changes && { changes }) };
}
