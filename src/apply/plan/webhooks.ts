/** Webhooks of an apply file: their secrets are made or sealed. */
import { findBeyondLimit } from '../../changes/webhook-limit.ts';
import type { Organization, Webhook, WebhookSecret } from '../../nouns/index.ts';
import { toSecret } from '../../nouns/webhook.ts';
import { withNewSecret } from '../../webhooks/secrets.ts';
import type { ApplyWebhook } from '../schema.ts';
import { addNoun } from './noun.ts';
import type { Extras, Plan, Planning } from './plan.ts';

/** Milliseconds that the secret before goes on signing when a file has another one. */
const OVERLAP = 86_400_000;

export async function planWebhook(
  plan: Plan,
  organization: Organization,
  entry: ApplyWebhook,
  deps: Pick<Planning, 'webhookSecrets' | 'webhookTargets' | 'now'>,
): Promise<void> {
  const name = `webhook ${organization.name}/${entry.name}`;
  const before = await plan.findBefore('webhooks', 'name', `${organization.id}/${entry.name}`);
  const problem = deps.webhookTargets.findProblem(new URL(entry.url));
  if (problem !== undefined) plan.problems.push(`${name}: the url ${problem}`);
  const beyond = before
    ? undefined
    : await findBeyondLimit(organization.id, plan.store, countAdded(plan, organization));
  if (beyond !== undefined) {
    const removed = [...plan.removals.values()].filter(({ collection }) => collection === 'webhooks');
    const isFreed = removed.some(({ noun }) => noun.organization === organization.id);
    const advice = '. Those that the file leaves out go last: remove them with a file before';
    plan.problems.push(`${name} ${beyond}${isFreed ? advice : ''}`);
  }
  const owner = { id: before?.id ?? plan.newId('webhooks'), organization: organization.id };
  const generated =
    before || entry.secret !== undefined ? undefined : toSecret(plan.secretBytes('webhookSecret', 32));
  const secrets = planSecrets(owner, entry.secret ?? generated, before, deps);
  const extras: Extras =
    generated === undefined ? {} : { generated: { kind: 'webhookSecret', value: generated } };
  await addNoun(plan, 'webhooks', name, { entry, before, given: { ...owner, secrets } }, extras);
}

function countAdded({ steps }: Plan, { id }: Organization): number {
  return steps.filter(
    ({ collection, before, after }) =>
      collection === 'webhooks' && !before && (after as Webhook).organization === id,
  ).length;
}

/** One that signs already stays as it is: it may have been rotated since the file was written. */
function planSecrets(
  owner: Pick<Webhook, 'id' | 'organization'>,
  said: string | undefined,
  before: Webhook | undefined,
  { webhookSecrets, now }: Pick<Planning, 'webhookSecrets' | 'now'>,
): readonly WebhookSecret[] {
  const known = before?.secrets ?? [];
  if (said === undefined || known.some((secret) => webhookSecrets.open(secret, owner) === said)) return known;
  return withNewSecret(known, webhookSecrets.seal(said, owner, now()), OVERLAP);
}
