/** Initial access tokens: with one of these, agents register where strangers may not. */
import { z } from 'zod';
import { MalformedRequest } from '../../errors/domain.ts';
import { requireRowAccess } from '../rights/guards.ts';
import { entries } from './nouns/objects.ts';
import { createNames, rowOf, toObject } from './nouns/to-object.ts';
import { defineOperation } from './operation.ts';
import { deriveBytes } from './reserved.ts';
import { moment, toMoment } from './shapes.ts';

const MOST_USES = 1_000;
/** Seconds. */
const LIFETIME = { least: 60, most: 90 * 86_400, usual: 7 * 86_400 };
const SEED_BYTES = 32;

export const inviteAgents = defineOperation(
  {
    id: 'agents.invite',
    method: 'POST',
    path: '/organizations/{organization}/initial-access-tokens',
    summary: 'Makes an initial access token, with which agents register at the registration endpoint.',
    needs: { table: 'applications', action: 'create' },
    status: 201,
    creates: true,
    body: z.strictObject({
      uses: z.int().min(1).max(MOST_USES).default(1).describe('How many agents may register with it.'),
      lifetime: z
        .int()
        .min(LIFETIME.least)
        .max(LIFETIME.most)
        .default(LIFETIME.usual)
        .describe('Seconds that it is valid. A week if left out.'),
    }),
    result: z.strictObject({
      id: z.uuid().describe('The audit log names it by this.'),
      token: z.string().meta({ secret: true }).exactOptional().describe('It is not shown again.'),
      expiresAt: moment,
    }),
  },
  async ({ actor, organization, body, reserved }, deps) => {
    const { registration = 'off', application = '' } = organization.agents ?? {};
    const template = await deps.store.applications.get(application);
    if (!template || registration === 'off') {
      throw new MalformedRequest({
        description:
          'Agents may not register at the organization. Set registration of its agents to token or open first.',
      });
    }
    // Who registers gets a part of what this application has, so the administrator must be able to make such a one.
    const row = rowOf(await toObject('applications', template, createNames(deps.store)), organization);
    const columns = Object.keys(row).filter((column) => Object.hasOwn(entries.applications.shape, column));
    requireRowAccess(actor, 'applications', { action: 'create', row, columns });
    await deps.guards.requireChange(actor, 'applications', template, template);
    const { id } = reserved;
    const wanted = { ...body, id, organization: organization.id };
    const seed = deriveBytes(reserved.seed, 'initial access token', SEED_BYTES);
    const { token, expiresAt } = await deps.initialTokens.create({ ...wanted, seed }, actor.author);
    return { body: { id, token, expiresAt: toMoment(expiresAt) } };
  },
);
