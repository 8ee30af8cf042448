/** A few operations, declared as the server's are; they only serve to be called. */
import { z } from 'zod';
import { defineOperation } from '../../src/admin/operations/operation.ts';

const role = z.strictObject({
  id: z.uuid(),
  version: z.int(),
  name: z.string(),
  note: z.string().exactOptional(),
});
const run = () => Promise.reject(new Error('It is only described.'));

export const declared = [
  defineOperation(
    {
      id: 'roles.list',
      method: 'GET',
      path: '/organizations/{organization}/roles',
      summary: 'Lists roles.',
      needs: { table: 'roles', action: 'read' },
      query: z.strictObject({
        limit: z.coerce.number().int().default(50),
        after: z.string().exactOptional(),
        name: z.string().exactOptional(),
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
      body: z.strictObject({ name: z.string(), note: z.string().exactOptional() }),
      result: role,
      status: 201,
      creates: true,
    },
    run,
  ),
  defineOperation(
    {
      id: 'roles.change',
      method: 'PATCH',
      path: '/organizations/{organization}/roles/{role}',
      summary: 'Changes a role.',
      needs: { table: 'roles', action: 'update' },
      body: z.strictObject({ name: z.string().exactOptional() }),
      result: role,
      conditional: true,
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
    },
    run,
  ),
  defineOperation(
    {
      id: 'roles.notes.list',
      method: 'GET',
      path: '/organizations/{organization}/roles/{role}/notes',
      summary: 'Lists notes of a role.',
      needs: { table: 'roles', action: 'read' },
      result: z.strictObject({ items: z.array(z.string()) }),
    },
    run,
  ),
  defineOperation(
    {
      id: 'keys.rotate',
      method: 'POST',
      path: '/keys/rotate',
      summary: 'Rotates keys.',
      needs: { table: 'keys', action: 'update' },
      body: z.strictObject({ immediately: z.boolean().exactOptional() }),
    },
    run,
  ),
  defineOperation(
    {
      id: 'audit.export',
      method: 'GET',
      path: '/audit/export',
      summary: 'Writes the audit log.',
      needs: { table: 'audit', action: 'read' },
      media: ['application/x-ndjson', 'text/csv'],
    },
    run,
  ),
] as const;
