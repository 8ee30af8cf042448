/** A verifier for tests of what comes after it. */
import type { Verifier } from '../../src/resource-server/index.ts';
import { toVerifiedToken } from '../../src/resource-server/verified-token.ts';

export const RESOURCE = 'https://api.example/';

/** Takes every token for one that may read orders, and for the client of its text. */
export const openVerifier: Verifier = {
  issuer: 'https://id.example',
  resource: RESOURCE,
  async verify(token) {
    const permissions = { tables: { orders: { read: true } } };
    const claims = { sub: `client:${token}`, client_id: token, exp: 1, permissions };
    return toVerifiedToken(claims, { resource: RESOURCE, tables: {} });
  },
  close: () => undefined,
};
