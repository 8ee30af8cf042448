import { z } from 'zod';
import type { FaceSettings } from '../../nouns/index.ts';
import { flag } from '../../nouns/values.ts';
import { administrators, enabled, type FaceDeclaration, ttl } from '../declaration.ts';

const settings = z.strictObject({
  enabled,
  registration: flag.describe('`true`: strangers may make users without a token. Off by default.'),
  administrators,
  queryCredentials: flag.describe(
    '`true`: Grantable accepts passwords and client secrets in the query too, as the original does; they end up in logs. Off by default.',
  ),
  ttl: ttl.describe('Seconds that tokens live unless a request says otherwise; 3600 if never set.'),
});

export type UsergridSettings = FaceSettings & z.output<typeof settings>;

export const usergrid: FaceDeclaration = {
  name: 'usergrid',
  title: 'Usergrid',
  description: 'Apache Usergrid, Apigee App Services.',
  settings,
  uses: ['organization clients'],
  demo: {
    settings: {},
    step: ({ issuer, password }) => `Usergrid: the path names organization and application.
curl -sw '\\n' ${issuer}/demo/login/token -H 'Content-Type: application/json' -d '{"grant_type":"password","username":"ann","password":"${password}"}'`,
  },
};
