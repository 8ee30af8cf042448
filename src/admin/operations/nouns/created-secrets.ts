/** The secrets of an object that was made, which its creation shows: derived again for a creation that is sent again. */
import { createConnectionToken } from '../../../connections/connection-tokens.ts';
import { deriveClientSecret } from '../../../directory/client-secrets.ts';
import { type Application, type CollectionName, type Nouns, usesSecret } from '../../../nouns/index.ts';
import { toSecret } from '../../../nouns/webhook.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import type { Reserved } from '../operation.ts';
import { deriveBytes } from '../reserved.ts';

export type CreatedSecrets = {
  readonly [K in 'clientSecret' | 'password' | 'connectionToken' | 'secret']?: string;
};

/** @param body of the creation: what it says itself is not made, and not shown */
export function findCreatedSecrets<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  body: JsonObject,
  { seed }: Reserved,
): CreatedSecrets {
  const isSaid = (key: string): boolean => body[key] !== undefined;
  if (collection === 'connections') {
    return { connectionToken: createConnectionToken(noun.id, deriveBytes(seed, 'connectionToken', 32)) };
  }
  if (collection === 'webhooks' && !isSaid('secret')) {
    return { secret: toSecret(deriveBytes(seed, 'webhookSecret', 32)) };
  }
  if (collection === 'users' && !isSaid('password') && !isSaid('passwordHash')) {
    return { password: deriveBytes(seed, 'password', 18).toString('base64url') };
  }
  const { authMethod } = noun as Application;
  if (collection === 'applications' && usesSecret(authMethod) && !isSaid('clientSecret')) {
    return { clientSecret: deriveClientSecret(deriveBytes(seed, 'clientSecret', 32)) };
  }
  return {};
}
