/** An issuer of identity assertions, and a server where organizations trust it. */
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { RESOURCE, secretOf, type TestServer } from '../../support/server.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const IDP = 'https://idp.acme.example';
export const OTHER_IDP = 'https://idp.other.example';
/** Trusted by both organizations. */
export const SHARED_IDP = 'https://idp.shared.example';

export interface Key {
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

export function createKey(kid: string): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' } };
}

export const keys = { acme: createKey('acme-1'), other: createKey('other-1'), shared: createKey('shared-1') };

const clerk = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};

/** `desk` may trade assertions, for its own users; `hall` for those of the organization. */
export function trustIssuers({ organizations: [acme, other] }: any): void {
  const client = (name: string, rest: object = {}) => ({
    name,
    clientId: name,
    clientSecret: secretOf(name),
    grants: ['identity_assertion', 'refresh_token', 'token_exchange'],
    resource: RESOURCE,
    scopes: ['orders.read', 'orders.write'],
    permissions: clerk,
    ...rest,
  });
  const at = (issuer: string, subject: string) => [{ issuer, subject }];
  const shared = { issuer: SHARED_IDP, jwks: { keys: [keys.shared.jwk] } };
  acme.identityIssuers = [{ issuer: IDP, jwks: { keys: [keys.acme.jwk] } }, shared];
  other.identityIssuers = [{ issuer: OTHER_IDP, jwks: { keys: [keys.other.jwk] } }, shared];
  acme.applications.push(
    client('desk'),
    client('hall', { realm: 'organization' }),
    client('closed', { grants: ['client_credentials'] }),
  );
  acme.users.push(
    {
      username: 'cleo',
      application: 'desk',
      roles: ['clerk'],
      identities: [...at(IDP, 'U1'), ...at(SHARED_IDP, 'S1')],
    },
    { username: 'rita', application: 'desk', roles: ['reader'], identities: at(IDP, 'U2') },
    { username: 'dan', application: 'desk', roles: ['clerk'], enabled: false, identities: at(IDP, 'U3') },
    // The character that half a character becomes.
    { username: 'ufo', application: 'desk', identities: at(IDP, 'V\ufffd') },
    { username: 'hal', roles: ['clerk'], identities: [...at(IDP, 'U1'), ...at(IDP, 'U9')] },
  );
  other.users.push({ username: 'olaf', application: 'other-shop', identities: at(SHARED_IDP, 'S2') });
}

export interface Issuer {
  /** Seconds. */
  seconds(): number;
  /** Signed by the key of `IDP` for cleo and `desk` unless it says otherwise. */
  assert(claims?: Record<string, unknown>, header?: Record<string, unknown>, key?: unknown): Promise<string>;
}

export function createIssuer(server: Pick<TestServer, 'issuer' | 'clock'>): Issuer {
  const seconds = () => Math.floor((server.clock.stoppedAt ?? Date.now() + server.clock.offset) / 1000);
  return {
    seconds,
    assert: (claims = {}, header = {}, key = keys.acme.privateKey) =>
      new SignJWT({
        iss: IDP,
        sub: 'U1',
        aud: server.issuer,
        client_id: 'desk',
        jti: randomUUID(),
        iat: seconds(),
        exp: seconds() + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid: 'acme-1', typ: 'oauth-id-jag+jwt', ...header } as never)
        .sign(key as never),
  };
}
