/**
 * Random requests of the description: bodies that it allows and bodies with a fault, ids of this and of the other
 * organization, versions that hold and that do not. Every answer is one that is described, none is a failure of the server,
 * and a token of one organization gets nothing of the other one.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OperationFacts } from '../../../src/admin/operations/operation.ts';
import fc from '../../support/properties.ts';
import { bodyOf, declared, describedAs, requireDescribed, valuesOf } from './described.ts';
import { startAdmin, type TestAdmin } from './support.ts';

const RUNS = Number(process.env.GRANTABLE_TEST_LONG ? 60 : 12);
const NOBODY = '00000000-0000-4000-8000-000000000000';
/** They would take away what the test stands on. */
const ENDS_THE_TEST = new Set([
  'organizations.remove',
  'organizations.change',
  'applications.remove',
  'applications.revoke',
]);

interface Known {
  readonly id: string;
  readonly version: number;
}

describe('random requests', () => {
  let admin: TestAdmin;
  /** Objects by collection. */
  const own = new Map<string, readonly Known[]>();
  const others = new Map<string, readonly Known[]>();

  before(async () => {
    admin = await startAdmin({ operations: [], env: { GRANTABLE_ADMINISTRATION_LIMIT: '1000000/1m' } });
    const lists = declared.filter(
      ({ id, path }) => /^\w+\.list$/.test(id) && path.endsWith(`/${id.split('.')[0]}`),
    );
    for (const { id, path } of lists) {
      const [collection = ''] = id.split('.');
      for (const [of, known, who] of [
        ['acme', own, 'owner'],
        ['other', others, 'other'],
      ] as const) {
        const { json } = await admin.call('GET', path.replace('{organization}', of), who);
        known.set(
          collection,
          (json.items ?? []).filter(({ name }: any) => !/^admin-/.test(name ?? '')),
        );
      }
    }
    assert.ok((own.get('roles') ?? []).length > 0 && (others.get('roles') ?? []).length > 0);
  });
  after(() => admin[Symbol.asyncDispose]());

  const collectionOf = (name: string): string => (name === 'key' ? 'keys' : `${name}s`);

  function parametersOf({ path }: OperationFacts): fc.Arbitrary<Record<string, string>> {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    const valueFor = (name: string) => {
      if (name === 'organization')
        return fc.constantFrom('acme', 'acme', 'acme', 'other', 'management', 'nowhere', '..');
      const mine = (own.get(collectionOf(name)) ?? []).map(({ id }) => id);
      const theirs = (others.get(collectionOf(name)) ?? []).map(({ id }) => id);
      return fc.constantFrom(...mine, ...theirs, NOBODY, 'x'.repeat(22), '%00', 'a b');
    };
    return fc.record(Object.fromEntries(names.map((name) => [name, valueFor(name)])));
  }

  function queryOf(facts: OperationFacts): fc.Arbitrary<Record<string, string>> {
    const parameters = describedAs(facts).parameters.filter((each: any) => each.in === 'query');
    const members = Object.fromEntries(
      parameters.map(({ name, schema }: any) => [
        name,
        fc.oneof(valuesOf(schema).map(String), fc.string({ maxLength: 8 })),
      ]),
    );
    return fc.record({ ...members, unknown: fc.string({ maxLength: 3 }) }, { requiredKeys: [] });
  }

  async function ifMatchOf(
    facts: OperationFacts,
    path: string,
    choice: string,
  ): Promise<Record<string, string>> {
    if (choice === 'none') return {};
    if (choice !== 'current') return { 'if-match': choice };
    if (facts.method === 'DELETE') return { 'if-match': '"999999"' };
    const { headers } = await admin.call('GET', path, 'owner');
    return { 'if-match': headers.get('etag') ?? '"1"' };
  }

  function requestOf(facts: OperationFacts) {
    const schema = describedAs(facts).requestBody?.content['application/json'].schema;
    return fc.record({
      parameters: parametersOf(facts),
      query: queryOf(facts),
      body: schema ? bodyOf(schema) : fc.constant(undefined),
      ifMatch: fc.constantFrom('current', 'current', 'current', 'none', '"2"', '*', 'W/"1"', '1', '"x"'),
      key: fc.constantFrom(undefined, undefined, 'k1', '"k 2"', 'ü'),
      isDryRun: fc.boolean(),
    });
  }

  for (const facts of declared.filter(({ id }) => !ENDS_THE_TEST.has(id))) {
    test(`${facts.id} gives described answers only`, async () => {
      await fc.assert(
        fc.asyncProperty(requestOf(facts), async ({ parameters, query, body, ifMatch, key, isDryRun }) => {
          const path = facts.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
            encodeURIComponent(parameters[name] ?? '').replaceAll('..', '%2e%2e'),
          );
          const search = new URLSearchParams({
            ...query,
            ...(facts.mayDryRun && isDryRun && { dryRun: 'true' }),
          });
          const headers = {
            ...(facts.conditional && (await ifMatchOf(facts, path, ifMatch))),
            ...(facts.creates && key !== undefined && { 'idempotency-key': encodeURIComponent(key) }),
          };
          const asked = { headers, ...(body !== undefined && { json: body }) };
          const answer = await admin.call(
            facts.method,
            search.size === 0 ? path : `${path}?${search}`,
            'owner',
            asked,
          );
          const says = JSON.stringify({ method: facts.method, path, query, body, headers });
          assert.ok(answer.status < 500, `${answer.status} ${says}`);
          // A path that is not of the operation, such as one with an encoded dot.
          if (answer.status !== 404) requireDescribed(facts, answer, says);
          const isForeign = Object.values(parameters).some(
            (value) => value === 'other' || [...others.values()].flat().some(({ id }) => id === value),
          );
          if (isForeign) assert.ok(answer.status >= 400, `${answer.status} ${says}`);
        }),
        { numRuns: RUNS },
      );
    });
  }
});
