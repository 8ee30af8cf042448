import { z } from 'zod';
import type { FaceSettings } from '../../nouns/index.ts';
import { exchangeTtl, flag } from '../../nouns/values.ts';
import { PATHS } from '../../provider/paths.ts';
import { application, enabled, type FaceDeclaration } from '../declaration.ts';

const settings = z.strictObject({
  enabled,
  application,
  registration: flag.describe(
    '`true`: strangers may register and connect new domains. `false` by default in production, `true` otherwise.',
  ),
  ttl: exchangeTtl.exactOptional().describe('Seconds that short tokens live; a day if never set.'),
  expiredAt: flag.describe('`true`: the answer says in Unix seconds when the short token expires.'),
});

export type SunbreakSettings = FaceSettings & z.output<typeof settings>;

const JSON_TYPE = `-H 'Content-Type: application/json'`;

export const sunbreak: FaceDeclaration = {
  name: 'sunbreak',
  title: 'Sunbreak',
  description: 'Sunbreak, and FortressDB.',
  settings,
  isOpenByDefault: true,
  demo: {
    settings: { application: 'sites', registration: true },
    step: ({ issuer, password, sites, pick }) =>
      `Connections through an older API (Sunbreak): register a site (this works once), get a token for an editor, ask what
#    the token allows.
SITE_TOKEN=$(curl -s ${issuer}/api/database/connection ${JSON_TYPE} -d '{"data":[{"email":"ada@shop.example","password":"${password}","name":"Ada"}],"context":{"domain":"shop.example","isNewUser":true}}' | ${pick('accessToken')})
EDITOR_TOKEN=$(curl -s ${issuer}/api/auth/subscribe ${JSON_TYPE} -H "Authorization: Bearer $SITE_TOKEN" -d '{"data":[{"permissions":{"isAdmin":false,"tables":{"posts":{"read":true,"update":true}}}}]}' | ${pick('accessToken')})
curl -sw '\\n' ${issuer}${PATHS.introspection} -u ${sites} -d token=$EDITOR_TOKEN`,
  },
};
