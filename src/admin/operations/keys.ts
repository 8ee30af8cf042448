/** Keys that sign tokens. They concern all organizations. */
import { z } from 'zod';
import { NotFound } from '../../errors/domain.ts';
import { JWKS_CACHE_SECONDS } from '../../keys/key-plan.ts';
import { defined } from '../../storage/defined.ts';
import { listKeys as findKeys, type KeyFacts, rotateKeys as rotate, removeKey as takeAway } from '../keys.ts';
import type { Actor } from '../rights/actor.ts';
import { isVisible, requireRowAccess } from '../rights/guards.ts';
import { defineOperation } from './operation.ts';
import { moment, toMoment, toMomentIf } from './shapes.ts';

/** Seconds. */
const LONGEST_LEAD = 7 * 86_400;
const KID = /^[\w.~-]{1,128}$/;

export const key = z.strictObject({
  id: z.string().describe('The `kid` of what it signed.'),
  alg: z.string(),
  state: z.enum(['next', 'active', 'retired']).describe('`next`: published, and does not sign yet.'),
  createdAt: moment,
  signsFrom: moment,
  signsUntil: moment.exactOptional(),
  publishedUntil: moment.exactOptional().describe('The last token that it signed has expired then.'),
});

const keys = z.strictObject({
  items: z.array(key).describe('All that are published, per algorithm the active one first.'),
});

function toKeys(found: readonly KeyFacts[], actor: Actor): z.input<typeof keys> {
  const items = found.map(({ kid: id, alg, state, createdAt, signsFrom, signsUntil, publishedUntil }) =>
    defined({
      id,
      alg,
      state,
      createdAt: toMoment(createdAt),
      signsFrom: toMoment(signsFrom),
      signsUntil: toMomentIf(signsUntil),
      publishedUntil: toMomentIf(publishedUntil),
    }),
  );
  return { items: items.filter((each) => isVisible(actor, 'keys', each)) };
}

export const listKeys = defineOperation(
  {
    id: 'keys.list',
    method: 'GET',
    path: '/keys',
    summary: 'Lists the keys that sign tokens, without their private parts.',
    needs: { table: 'keys', action: 'read' },
    result: keys,
  },
  async ({ actor }, deps) => ({ body: toKeys(await findKeys(deps), actor) }),
);

const rotation = z
  .strictObject({
    lead: z
      .int()
      .min(JWKS_CACHE_SECONDS)
      .max(LONGEST_LEAD)
      .exactOptional()
      .describe(
        `Seconds that the new keys are published before they sign; ${JWKS_CACHE_SECONDS} if left out. More than any verifier keeps a key set.`,
      ),
    immediately: z
      .boolean()
      .exactOptional()
      .describe(
        'The new keys sign at once; verifiers that keep the old key set refuse their tokens for a while.',
      ),
  })
  .refine(({ lead, immediately }) => lead === undefined || immediately !== true, {
    error: '`lead` and `immediately` exclude each other',
  })
  .default({});

export const rotateKeys = defineOperation(
  {
    id: 'keys.rotate',
    method: 'POST',
    path: '/keys/rotate',
    summary:
      'Makes a new key for each algorithm in use; those before stay published as long as their tokens may live.',
    needs: { table: 'keys', action: 'create' },
    dangerous: true,
    body: rotation,
    result: keys,
  },
  async ({ actor, body }, deps) => {
    // Keys are of all organizations: a right that is limited to one does not cover them.
    requireRowAccess(actor, 'keys', { action: 'create' });
    return { body: toKeys(await rotate(body, deps, actor.author), actor) };
  },
);

export const removeKey = defineOperation(
  {
    id: 'keys.remove',
    method: 'DELETE',
    path: '/keys/{key}',
    parameters: { key: KID },
    summary: 'Takes a compromised key away: every token that it signed is dead at once.',
    needs: { table: 'keys', action: 'delete' },
    dangerous: true,
    result: keys,
  },
  async ({ actor, parameters }, deps) => {
    const { items } = toKeys(await findKeys(deps), actor);
    const found = items.find(({ id }) => id === parameters.key);
    if (!found) throw new NotFound();
    requireRowAccess(actor, 'keys', { action: 'delete', row: found });
    const left = await takeAway(found.id, deps, actor.author);
    if (!left) throw new NotFound();
    return { body: toKeys(left, actor) };
  },
);
