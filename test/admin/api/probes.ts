/** Operations that show what all operations share: the smallest of each kind, over groups of roles. */
import { z } from 'zod';
import { defineOperation, type Operation } from '../../../src/admin/operations/operation.ts';
import { deriveBytes } from '../../../src/admin/operations/reserved.ts';
import { NotFound } from '../../../src/errors/domain.ts';
import type { Role } from '../../../src/nouns/index.ts';
import { EVERYTHING } from '../../../src/permissions/permissions.ts';
import { toStored } from '../../../src/permissions/stored.ts';
import type { DirectoryStore } from '../../../src/storage/contract.ts';
import { VersionConflict } from '../../../src/storage/contract.ts';

const probe = z.strictObject({ id: z.string(), name: z.string() });
const created = probe.extend({ secret: z.string().meta({ secret: true }) });
const page = z.strictObject({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  word: z.string().optional(),
});
const needs = (action: 'create' | 'read' | 'update' | 'delete') => ({ table: 'roles', action }) as const;
const show = ({ id, name }: Role) => ({ id, name });

async function find(store: DirectoryStore, organization: string, id: string): Promise<Role> {
  const role = await store.roles.get(id);
  if (role?.organization !== organization) throw new NotFound();
  return role;
}

/** What streams have done. */
export const streams = { lines: 0, ended: 0 };
/** What is called within a creation, after the object was made. */
export const during: { creation: () => Promise<void> } = { creation: async () => undefined };

const list = defineOperation(
  {
    id: 'probes.list',
    method: 'GET',
    path: '/organizations/{organization}/probes',
    summary: 'Lists the probes.',
    needs: needs('read'),
    query: page,
    result: z.strictObject({ items: z.array(probe), next: z.string().optional() }),
  },
  async ({ organization, query: { after, limit } }, { store }) => {
    const found = await store.roles.page({
      organization: organization.id,
      limit,
      ...(after !== undefined && { after }),
    });
    return { body: { ...found, items: found.items.map(show) } };
  },
);

const get = defineOperation(
  {
    id: 'probes.get',
    method: 'GET',
    path: '/organizations/{organization}/probes/{probe}',
    summary: 'Shows a probe.',
    needs: needs('read'),
    result: probe,
  },
  async ({ organization, parameters }, { store }) => {
    const role = await find(store, organization.id, parameters.probe);
    return { body: show(role), version: role.version };
  },
);

const create = defineOperation(
  {
    id: 'probes.create',
    method: 'POST',
    path: '/organizations/{organization}/probes',
    summary: 'Makes a probe.',
    needs: needs('create'),
    body: z.strictObject({ name: z.string().min(1), nested: z.unknown().optional() }),
    result: created,
    status: 201,
    creates: true,
    mayDryRun: true,
  },
  async ({ organization, body, actor, reserved: { id, seed }, dryRun }, { store, changes }) => {
    const secret = deriveBytes(seed, 'secret', 32).toString('base64url');
    if (dryRun) return { body: { id, name: body.name, secret } };
    const [resource] = (await store.resources.page({ organization: organization.id, limit: 1 })).items;
    const role =
      (await store.roles.get(id)) ??
      (await changes.roles.create(
        {
          id,
          organization: organization.id,
          name: body.name,
          default: false,
          enabled: true,
          resource: resource?.identifier as string,
          permissions: toStored(EVERYTHING),
          scopes: [],
        },
        actor.author,
      ));
    await during.creation();
    return {
      body: { ...show(role), secret },
      version: role.version,
      location: `/organizations/${organization.name}/probes/${id}`,
    };
  },
);

const change = defineOperation(
  {
    id: 'probes.change',
    method: 'PATCH',
    path: '/organizations/{organization}/probes/{probe}',
    summary: 'Changes a probe.',
    needs: needs('update'),
    body: z.strictObject({ name: z.string() }),
    result: probe,
    conditional: true,
  },
  async ({ organization, parameters, body, version, actor }, { store, changes }) => {
    const role = await find(store, organization.id, parameters.probe);
    if (role.version !== version) throw new VersionConflict('changed');
    const changed = await changes.roles.replace({ ...role, ...body }, actor.author);
    return { body: show(changed), version: changed.version };
  },
);

const remove = defineOperation(
  {
    id: 'probes.remove',
    method: 'DELETE',
    path: '/organizations/{organization}/probes/{probe}',
    summary: 'Removes a probe.',
    needs: needs('delete'),
    status: 204,
    conditional: true,
  },
  async ({ organization, parameters, version, actor }, { store, changes }) => {
    const { id } = await find(store, organization.id, parameters.probe);
    await changes.roles.remove({ id, version: version as number }, actor.author);
    return {};
  },
);

const lines = defineOperation(
  {
    id: 'probes.lines',
    method: 'GET',
    path: '/organizations/{organization}/probes/lines',
    summary: 'Streams lines without end.',
    needs: needs('read'),
    query: z.strictObject({ count: z.coerce.number().default(Number.POSITIVE_INFINITY) }),
    media: ['application/x-ndjson', 'text/csv'],
  },
  async ({ query: { count } }) => ({
    async *lines(media) {
      try {
        for (let index = 0; index < count; index += 1) {
          streams.lines += 1;
          yield media === 'text/csv' ? `${index}\r\n` : `{"index":${index}}\n`;
        }
      } finally {
        streams.ended += 1;
      }
    },
  }),
);

const dangerous = defineOperation(
  {
    id: 'probes.dangerous',
    method: 'POST',
    path: '/organizations/{organization}/probes/{probe}/dangerous',
    summary: 'Does nothing, after a fresh login.',
    needs: needs('update'),
    status: 204,
    dangerous: true,
  },
  async () => ({}),
);

const whole = defineOperation(
  {
    id: 'probes.server',
    method: 'GET',
    path: '/probes',
    summary: 'Concerns the whole server.',
    needs: needs('read'),
    result: z.strictObject({ organization: z.string() }),
  },
  async ({ organization }) => ({ body: { organization: organization?.name ?? '' } }),
);

export const PROBES: readonly Operation[] = [list, get, create, change, remove, lines, dangerous, whole];
