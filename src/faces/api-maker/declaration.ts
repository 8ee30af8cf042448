import { z } from 'zod';
import type { FaceSettings } from '../../nouns/index.ts';
import { exchangeTtl, line, slug } from '../../nouns/values.ts';
import { application, enabled, type FaceDeclaration, refreshTtl } from '../declaration.ts';

const tokenInfo = z.strictObject({
  authTokenType: z
    .enum(['AM', 'AM_DB'])
    .describe('`AM`: the token of a user. `AM_DB`: also the token of a row of a user table.'),
  instance: slug.exactOptional().describe('With `AM_DB`: the row must belong to this datasource.'),
  database: line.exactOptional().describe('With `AM_DB`: the row must belong to this database.'),
  collection: line.exactOptional().describe('With `AM_DB`: the row must belong to this table or collection.'),
});

const settings = z.strictObject({
  enabled: enabled.describe('`false`: its path answers 404.'),
  application,
  ttl: exchangeTtl.exactOptional().describe('Seconds that tokens live; 10800 if never set.'),
  refreshTtl: refreshTtl.describe('Seconds that a login can be renewed; 30 days if never set.'),
  authTokenInfo: z
    .array(tokenInfo)
    .max(10)
    .exactOptional()
    .describe('Tokens that a caller must present to get one. Empty, as in a new face: any client may call.'),
});

export type AuthTokenInfo = z.output<typeof tokenInfo>;
export type ApiMakerSettings = FaceSettings & z.output<typeof settings>;

export const apiMaker: FaceDeclaration = {
  name: 'apiMaker',
  title: 'API Maker',
  description: "API Maker's token API.",
  settings,
  demo: {
    settings: { application: 'login' },
    step: ({ issuer, password }) => `Bea logs in through another older API (API Maker).
curl -sw '\\n' ${issuer}/api/system-api/demo/token -H 'Content-Type: application/json' -d '{"authTokenType":"AM_DB","authTokenAMDB":{"instance":"crm","database":"main","collection":"customers","usernameColumn":"email","passwordColumn":"password_hash","u":"bea@demo.example","p":"${password}"}}'`,
  },
};
