/** Webhooks: where events of an organization are sent. */
import { z } from 'zod';
import { defineNoun, field, forPeople, type NounOf, ofOrganization } from './noun.ts';
import { isLoopback } from './redirect-uris.ts';
import { listOf, moment, slug, text } from './values.ts';

/** Of an organization: each event of it is written once for each of them. */
export const MOST_WEBHOOKS = 50;

const VISIBLE = /^[!-~]+$/;
const MAX_URL = 1024;

const receiverUrl = text('an https URL', (value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !VISIBLE.test(value) || value.length > MAX_URL)
    return `is not a URL of at most ${MAX_URL} visible ASCII characters`;
  // For receivers on the machine itself, which the server's operator must have listed.
  const isWeb = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!isWeb) return 'is not an https URL';
  if (url.username || url.password) return 'names a user';
  return value.includes('#') ? 'has a fragment' : undefined;
});

const WORD = '[a-z][a-z0-9_]*';
const EVENTS = new RegExp(`^(?:\\*|${WORD}(?:\\.${WORD})*(?:\\.\\*)?)$`);
const MAX_EVENT = 100;

const events = text(
  'the name of an event, such as `user.changed`, the first part of names, such as `user.*`, or `*`',
  (value) =>
    value.length <= MAX_EVENT && EVENTS.test(value)
      ? undefined
      : 'is not the name of an event, such as user.changed, or the first part of names, such as user.*, or *',
);

const PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const SECRET_BYTES = { least: 24, most: 64 } as const;

/** The key of a secret as Standard Webhooks writes it; undefined: it is not such a secret. */
export function keyOfSecret(secret: string): Buffer | undefined {
  const encoded = secret.slice(PREFIX.length);
  if (!secret.startsWith(PREFIX) || !BASE64.test(encoded)) return undefined;
  const key = Buffer.from(encoded, 'base64');
  return key.length >= SECRET_BYTES.least && key.length <= SECRET_BYTES.most ? key : undefined;
}

/** @param key of at least 24 bytes */
export function toSecret(key: Buffer): string {
  return PREFIX + key.toString('base64');
}

const secretInFile = text('`whsec_` and 24 to 64 random bytes in base64', (value) =>
  keyOfSecret(value) ? undefined : 'is not whsec_ and 24 to 64 bytes in base64',
);

const secret = z.strictObject({
  id: z.string(),
  /** Encrypted at rest. */
  sealed: z.string(),
  createdAt: moment,
  /** From here on it does not sign. */
  expiresAt: moment.exactOptional(),
});

export const webhook = defineNoun({
  singular: 'webhook',
  describe:
    'A URL that Grantable sends signed events of the organization to, as they come into the audit log.',
  fields: {
    organization: ofOrganization,
    name: field(slug, { effect: 'none', describe: 'Unique in the organization.' }),
    enabled: field(z.boolean(), {
      effect: 'none',
      initially: true,
      describe:
        '`false`: Grantable sends it nothing, and events of that time are not sent later. It is set when the receiver answers 410.',
    }),
    url: field(receiverUrl, {
      effect: 'none',
      describe:
        'Receives each event by POST: `https`, and a host with public addresses. The operator of the server can allow others (`GRANTABLE_WEBHOOK_HOSTS`).',
    }),
    events: field(listOf(events).min(1).max(50), {
      effect: 'none',
      describe:
        'Which events: exact names (`user.changed`), first parts of names (`user.*`), or `*` for all.',
    }),
    secrets: field(z.array(secret), {
      effect: 'none',
      secret: true,
      inFile: { key: 'secret', schema: secretInFile.exactOptional() },
      describe:
        'Signs what is sent: `whsec_` and 24 to 64 random bytes in base64, encrypted at rest. Generated if left out. Another value signs beside the earlier one for a day.',
    }),
    description: forPeople.description,
  },
  unique: { name: (noun) => `${noun.organization}/${noun.name}` },
  listed: {},
});

export interface Webhook extends NounOf<typeof webhook> {}

export type WebhookSecret = Webhook['secrets'][number];
