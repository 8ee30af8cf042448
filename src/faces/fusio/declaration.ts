import { z } from 'zod';
import type { FaceSettings } from '../../nouns/index.ts';
import { flag, mailUrl } from '../../nouns/values.ts';
import { application, enabled, type FaceDeclaration, refreshTtl, ttl } from '../declaration.ts';

const settings = z.strictObject({
  enabled,
  application,
  registration: flag.describe(
    '`true`: strangers may register; they get a mail with a token to activate. Off by default.',
  ),
  userCredentials: flag.describe(
    "`true`: `client_credentials` takes a person's name and password instead of an application's key and secret. Off by default.",
  ),
  ttl: ttl.describe('Seconds that access tokens live; 2 days if never set.'),
  refreshTtl: refreshTtl.describe(
    'Seconds that a refresh token lives. Each refresh starts them again, until the login ends (`GRANTABLE_LOGIN_TTL`). 3 days if never set.',
  ),
  activationUrl: mailUrl
    .exactOptional()
    .describe('The link in the mail to a person who registered; without it the mail has only the token.'),
  passwordResetUrl: mailUrl
    .exactOptional()
    .describe(
      'The link in the mail to a person who forgot the password; without it the mail has only the token.',
    ),
});

export type FusioSettings = FaceSettings & z.output<typeof settings>;

export const fusio: FaceDeclaration = {
  name: 'fusio',
  title: 'Fusio',
  description: 'Fusio.',
  settings,
  demo: {
    settings: { application: 'login', registration: true },
    step: ({ issuer, password }) => `Fusio: the same login gives a token with scopes.
curl -sw '\\n' ${issuer}/consumer/login -H 'Content-Type: application/json' -d '{"username":"ann","password":"${password}"}'`,
  },
};
