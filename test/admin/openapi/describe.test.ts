/** The description follows from the declarations: what an operation says of itself stands there, once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { describeApi } from '../../../src/admin/openapi/describe.ts';
import { defineOperation } from '../../../src/admin/operations/operation.ts';

const address = z.strictObject({
  street: z.string().describe('With the number of the house, as the post writes it.'),
  city: z.string().describe('The name of the town, as the post writes it in this country.'),
});
const role = z
  .strictObject({ id: z.uuid(), version: z.int(), name: z.string().meta({ shape: 'a name' }), address })
  .describe('A role.');
const run = () => Promise.reject(new Error('It is only described.'));

const operations = [
  defineOperation(
    {
      id: 'roles.list',
      method: 'GET',
      path: '/organizations/{organization}/roles',
      summary: 'Lists roles.',
      needs: { table: 'roles', action: 'read' },
      query: z.strictObject({
        limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many.'),
        after: z.string().exactOptional(),
      }),
      result: z.strictObject({ items: z.array(role), next: z.string().exactOptional() }),
    },
    run,
  ),
  defineOperation(
    {
      id: 'roles.get',
      method: 'GET',
      path: '/organizations/{organization}/roles/{role}',
      summary: 'Reads a role.',
      needs: { table: 'roles', action: 'read' },
      result: role,
    },
    run,
  ),
  defineOperation(
    {
      id: 'roles.create',
      method: 'POST',
      path: '/organizations/{organization}/roles',
      summary: 'Makes a role.',
      needs: { table: 'roles', action: 'create' },
      body: z.strictObject({ name: z.string(), home: address, work: address }),
      result: role,
      status: 201,
      creates: true,
      mayDryRun: true,
    },
    run,
  ),
  defineOperation(
    {
      id: 'roles.remove',
      method: 'DELETE',
      path: '/organizations/{organization}/roles/{role}',
      summary: 'Removes a role.',
      needs: { table: 'roles', action: 'delete' },
      status: 204,
      conditional: true,
      dangerous: true,
    },
    run,
  ),
  defineOperation(
    {
      id: 'audit.export',
      method: 'GET',
      path: '/organizations/{organization}/audit/export',
      summary: 'Writes the audit log.',
      needs: { table: 'audit', action: 'read' },
      media: ['application/x-ndjson', 'text/csv'],
    },
    run,
  ),
];

const api = describeApi(operations) as Record<string, any>;
const at = (path: string, method: string) => api.paths[path][method];
const ROLES = '/organizations/{organization}/roles';
const ROLE = '/organizations/{organization}/roles/{role}';

describe('the description', () => {
  test('every operation stands under its path, with its rights and its group', () => {
    for (const { id, path, method, needs, summary } of operations) {
      const found = at(path, method.toLowerCase());
      assert.deepEqual([found.operationId, found.summary, found['x-needs']], [id, summary, needs]);
      assert.deepEqual(found.tags, [id.split('.')[0]]);
      assert.deepEqual(found.security, [{ oauth2: [`${needs.table}:${needs.action}`] }, { bearer: [] }]);
    }
    assert.deepEqual(
      api.tags.map(({ name }: { name: string }) => name),
      ['roles', 'audit'],
    );
  });

  test('parameters come from the path, the query and the conventions', () => {
    const namesOf = (parameters: any[]) =>
      parameters.map(({ $ref, name }) => name ?? api.components.parameters[$ref.split('/').pop()].name);
    assert.deepEqual(namesOf(at(ROLES, 'get').parameters), ['organization', 'limit', 'after']);
    assert.deepEqual(namesOf(at(ROLE, 'get').parameters), ['organization', 'role', 'If-None-Match']);
    assert.deepEqual(namesOf(at(ROLES, 'post').parameters), ['organization', 'dryRun', 'Idempotency-Key']);
    assert.deepEqual(namesOf(at(ROLE, 'delete').parameters), ['organization', 'role', 'If-Match']);
    const [, limit] = at(ROLES, 'get').parameters;
    assert.deepEqual(limit, {
      name: 'limit',
      in: 'query',
      description: 'How many.',
      schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
    });
  });

  test('an operation declares the answers that it can give', () => {
    const statuses = (path: string, method: string) => Object.keys(at(path, method).responses).join(' ');
    assert.equal(statuses(ROLES, 'get'), '200 400 401 403 404 406 429 503');
    assert.equal(statuses(ROLE, 'get'), '200 304 400 401 403 404 406 429 503');
    assert.equal(statuses(ROLES, 'post'), '200 201 400 401 403 404 406 409 413 415 422 429 503');
    assert.equal(statuses(ROLE, 'delete'), '204 400 401 403 404 409 412 422 428 429 503');
  });

  test('a creation answers with the place and the version of the object', () => {
    const { headers } = at(ROLES, 'post').responses[201];
    assert.deepEqual(Object.keys(headers), ['Location', 'ETag', 'RateLimit', 'RateLimit-Policy']);
  });

  test('a stream has each of its media types', () => {
    const { content } = at('/organizations/{organization}/audit/export', 'get').responses[200];
    assert.deepEqual(Object.keys(content), ['application/x-ndjson', 'text/csv']);
  });

  test('a schema that occurs twice stands there once, under a name', () => {
    const { schemas } = api.components;
    const text = JSON.stringify(api);
    assert.equal(text.split('as the post writes it in this country').length, 2);
    assert.deepEqual(schemas.RolesListAnswer.properties.items.items, { $ref: '#/components/schemas/Role' });
    assert.deepEqual(
      [schemas.Role.properties.address, schemas.NewRole.properties.home],
      [{ $ref: '#/components/schemas/RoleAddress' }, { $ref: '#/components/schemas/RoleAddress' }],
    );
  });

  test('every reference leads to something that is there', () => {
    for (const [, reference = ''] of JSON.stringify(api).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = reference.split('/').reduce((value, key) => value?.[key], api);
      assert.ok(found, reference);
    }
  });

  test('our word for the shape of a text is a description', () => {
    const { name } = api.components.schemas.Role.properties;
    assert.deepEqual(name, { type: 'string', description: 'A name.' });
  });
});
