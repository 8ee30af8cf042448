/** The named secrets of an application, which overlap. Their values are shown once. */
import { z } from 'zod';
import { deriveClientSecret } from '../../directory/client-secrets.ts';
import { NotFound } from '../../errors/domain.ts';
import { defined } from '../../storage/defined.ts';
import { defineOperation } from './operation.ts';
import { requireControlled, requireNoun } from './path-nouns.ts';
import { moment, toMoment, toMomentIf } from './shapes.ts';

const secret = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  createdAt: moment,
  expiresAt: moment.exactOptional().describe('Absent: it does not expire.'),
  lastUse: z
    .strictObject({ at: moment, address: z.string() })
    .exactOptional()
    .describe('At most a minute late.'),
});

export const listApplicationSecrets = defineOperation(
  {
    id: 'applications.secrets.list',
    method: 'GET',
    path: '/organizations/{organization}/applications/{application}/secrets',
    summary: 'Lists the secrets of an application with their last use, without their values.',
    needs: { table: 'applications', action: 'read' },
    result: z.strictObject({ items: z.array(secret) }),
  },
  async (call, deps) => {
    const { application: id } = call.parameters;
    const { secrets } = await requireNoun('applications', id, call, deps, { action: 'read' });
    const items = secrets.map(async ({ id, name, createdAt, expiresAt }) => {
      const use = await deps.applicationSecrets.findUse(id);
      return defined({
        id,
        name,
        createdAt: toMoment(createdAt),
        expiresAt: toMomentIf(expiresAt),
        lastUse: use && { at: toMoment(use.at), address: use.address },
      });
    });
    return { body: { items: await Promise.all(items) } };
  },
);

export const createApplicationSecret = defineOperation(
  {
    id: 'applications.secrets.create',
    method: 'POST',
    path: '/organizations/{organization}/applications/{application}/secrets',
    summary: 'Gives an application one more secret; the others stay good.',
    needs: { table: 'applications', action: 'update' },
    status: 201,
    creates: true,
    dangerous: true,
    body: z.strictObject({
      name: z.string().min(1).max(100).describe('Unique in the application.'),
      expiresAt: z.iso.datetime({ offset: true }).exactOptional(),
    }),
    result: z.strictObject({
      id: z.uuid(),
      secret: z.string().meta({ secret: true }).exactOptional().describe('It is not shown again.'),
    }),
  },
  async (call, deps) => {
    const { actor, organization, parameters, body, reserved } = call;
    const { application: id } = parameters;
    const before = await requireControlled('applications', id, ['clientSecret'], call, deps);
    const { name, expiresAt } = body;
    const wanted = defined({
      name,
      expiresAt: expiresAt === undefined ? undefined : Date.parse(expiresAt),
      id: reserved.id,
      secret: deriveClientSecret(reserved.seed),
    });
    const made = await deps.applicationSecrets.addSecret(before, wanted, actor.author);
    const location = `/organizations/${organization.name}/applications/${before.id}/secrets`;
    return { body: { id: made.id, secret: made.secret }, location };
  },
);

export const removeApplicationSecret = defineOperation(
  {
    id: 'applications.secrets.remove',
    method: 'DELETE',
    path: '/organizations/{organization}/applications/{application}/secrets/{secret}',
    summary: 'Ends a secret at once, with what was made with it alone.',
    needs: { table: 'applications', action: 'update' },
    status: 204,
    dangerous: true,
  },
  async (call, deps) => {
    const { actor, parameters } = call;
    const access = { action: 'update', columns: ['clientSecret'] } as const;
    const before = await requireNoun('applications', parameters.application, call, deps, access);
    if (!before.secrets.some(({ id }) => id === parameters.secret)) throw new NotFound();
    await deps.guards.requireChange(actor, 'applications', before, before);
    await deps.applicationSecrets.removeSecret(before, parameters.secret, actor.author);
    return {};
  },
);
