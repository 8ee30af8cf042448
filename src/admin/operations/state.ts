/** How much there is, and whether the clean-up keeps pace: for dashboards and for operators. */
import { z } from 'zod';
import { collectionOf } from '../../directory/collections.ts';
import { COLLECTIONS, type CollectionName, OF_ORGANIZATION, type Organization } from '../../nouns/index.ts';
import { MANAGEMENT_ID } from '../../nouns/names.ts';
import type { Among, Counted } from '../../storage/contract.ts';
import type { Actor } from '../rights/actor.ts';
import { requireRowAccess } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { defineOperation } from './operation.ts';
import { counted, toMoment } from './shapes.ts';

/** Objects of one kind are counted so far, and expired rows. */
const COUNTED = 10_000;

const counts = z
  .strictObject(
    Object.fromEntries(COLLECTIONS.map((name) => [name, counted.exactOptional()])) as unknown as Record<
      CollectionName,
      z.ZodExactOptional<typeof counted>
    >,
  )
  .describe('Of each kind that the token may read all of, up to 10,000.');

type Counts = Partial<Record<CollectionName, Counted>>;

/** A right with limits does not tell how many objects there are beyond them. */
async function countEach(
  collections: readonly CollectionName[],
  toAmong: (name: CollectionName) => Among,
  { permissions }: Actor,
  { store }: OperationDeps,
): Promise<Counts> {
  const found = collections
    .filter((name) => permissions.allows(name, 'read'))
    .map(async (name) => [name, await collectionOf(store, name).count(toAmong(name), COUNTED)] as const);
  return Object.fromEntries(await Promise.all(found));
}

function countsOf({ id }: Organization, actor: Actor, deps: OperationDeps): Promise<Counts> {
  // Users of the server's own organization are those of a realm, and not of an organization.
  const ofRealm = { listed: { key: 'realm', value: 'management' } } as const;
  const toAmong = (name: CollectionName): Among =>
    name === 'users' && id === MANAGEMENT_ID ? ofRealm : { organization: id };
  return countEach(OF_ORGANIZATION, toAmong, actor, deps);
}

export const getState = defineOperation(
  {
    id: 'state.get',
    method: 'GET',
    path: '/state',
    summary: 'Counts what the server has, and what its clean-up still has to remove.',
    needs: { table: 'organizations', action: 'read' },
    result: z.strictObject({
      store: z.string().describe('Product and version.'),
      counts,
      cleanUp: z.strictObject({
        expired: counted.describe('Rows that have expired and are not removed yet.'),
        auditBefore: z.iso
          .datetime({ precision: 3 })
          .describe('Entries of the audit log from before are removed.'),
        audit: counted.describe('Such entries that are not removed yet.'),
      }),
    }),
  },
  async ({ actor }, deps) => {
    // What is about the store is about all organizations.
    requireRowAccess(actor, 'organizations', { action: 'read' });
    const { storage, config, now } = deps;
    const auditBefore = now() - config.auditRetention * 1000;
    const [found, expired, audit] = await Promise.all([
      countEach(COLLECTIONS, () => ({}), actor, deps),
      storage.countExpired(now(), COUNTED),
      storage.audit.count({ until: auditBefore }, COUNTED),
    ]);
    return {
      body: {
        store: storage.description,
        counts: found,
        cleanUp: { expired, auditBefore: toMoment(auditBefore), audit },
      },
    };
  },
);

export const getOrganizationState = defineOperation(
  {
    id: 'organizations.state',
    method: 'GET',
    path: '/organizations/{organization}/state',
    summary: 'Counts what the organization has.',
    needs: { table: 'organizations', action: 'read' },
    result: z.strictObject({ counts }),
  },
  async ({ actor, organization }, deps) => ({
    body: { counts: await countsOf(organization, actor, deps) },
  }),
);
