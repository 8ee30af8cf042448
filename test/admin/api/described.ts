/** Holds answers against docs/openapi.json, and makes values of its schemas. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { operations } from '../../../src/admin/operations/index.ts';
import type { OperationFacts } from '../../../src/admin/operations/operation.ts';
import fc from '../../support/properties.ts';
import type { Answer } from '../../support/server.ts';

export const description = JSON.parse(
  readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'),
);
export const declared: readonly OperationFacts[] = operations;

/** What a reference leads to, or the value itself. */
export function follow(value: any): any {
  if (value?.$ref === undefined) return value;
  const names = String(value.$ref).slice(2).split('/');
  return follow(names.reduce((found, name) => found[name], description));
}

export const describedAs = ({ path, method }: OperationFacts): any =>
  description.paths[path][method.toLowerCase()];

/** @throws AssertionError for an answer that the description does not have */
export function requireDescribed(
  facts: OperationFacts,
  { status, headers, json, text }: Answer,
  says: string,
): void {
  const answer = follow(describedAs(facts).responses[status]);
  assert.ok(answer, `${facts.id} does not declare ${status}: ${text.slice(0, 300)} ${says}`);
  const type = headers.get('content-type')?.split(';')[0];
  const types = Object.keys(answer.content ?? {});
  if (text !== '')
    assert.ok(types.includes(type ?? ''), `${facts.id} ${status} is ${type}, declared: ${types}`);
  if (status >= 400) {
    assert.deepEqual([json.status, json.type], [status, `urn:grantable:problem:${json.code}`], says);
    assert.match(json.detail, /\.$/, says);
  } else if (type === 'application/json' && json.dryRun !== true && facts.result) {
    const read = facts.result.safeParse(json);
    assert.ok(read.success, `${facts.id}: ${read.error?.message} ${text.slice(0, 300)}`);
  }
}

const TEXTS = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'acme',
    'management',
    'ann',
    'owner',
    '*',
    '@group',
    '__proto__',
    'https://x.example/',
    '\u202e',
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 10 }),
);

/** Any JSON, small. */
export const anyJson: fc.Arbitrary<any> = fc.jsonValue({ maxDepth: 2 });

/** Values that the schema allows, as far as it says what it allows. */
export function valuesOf(schema: any, depth = 0): fc.Arbitrary<any> {
  const found = follow(schema) ?? {};
  if (found.const !== undefined) return fc.constant(found.const);
  if (found.enum) return fc.constantFrom(...found.enum);
  const choices = found.anyOf ?? found.oneOf;
  if (choices) return fc.oneof(...choices.map((each: any) => valuesOf(each, depth)));
  if (found.type === 'boolean') return fc.boolean();
  if (found.type === 'null') return fc.constant(null);
  if (found.type === 'integer' || found.type === 'number') {
    return fc.integer({ min: Math.max(found.minimum ?? -5, -1e6), max: Math.min(found.maximum ?? 1e6, 1e6) });
  }
  if (found.type === 'array') {
    return depth > 4 ? fc.constant([]) : fc.array(valuesOf(found.items, depth + 1), { maxLength: 2 });
  }
  if (found.type === 'object') return objectOf(found, depth);
  if (found.type === 'string') return TEXTS;
  return anyJson;
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: any,
  depth: number,
): fc.Arbitrary<any> {
  if (depth > 4) return fc.constant({});
  const names = Object.keys(properties);
  if (names.length === 0 && typeof additionalProperties === 'object') {
    return fc.dictionary(TEXTS, valuesOf(additionalProperties, depth + 1), { maxKeys: 2 });
  }
  const members = Object.fromEntries(names.map((name) => [name, valuesOf(properties[name], depth + 1)]));
  return fc.record(members, { requiredKeys: required.filter((name: string) => names.includes(name)) });
}

/** Valid values, some with one member replaced, taken away or added. */
export function bodyOf(schema: any): fc.Arbitrary<any> {
  const names = Object.keys(follow(schema).properties ?? { name: 0 });
  const fault = fc.record({
    name: fc.constantFrom(...names, 'unknown'),
    value: fc.oneof(anyJson, fc.constant(undefined)),
  });
  const faulty = fc
    .tuple(valuesOf(schema), fault)
    .map(([body, { name, value }]) =>
      typeof body === 'object' && body !== null ? { ...body, [name]: value } : body,
    );
  return fc.oneof(
    { weight: 3, arbitrary: valuesOf(schema) },
    { weight: 2, arbitrary: faulty },
    { weight: 1, arbitrary: anyJson },
  );
}
