/** Tokens for tests of administration, registered as the server registers its own. */
import { SignJWT } from 'jose';
import { userSubject } from '../../src/directory/subjects.ts';
import { createNodeId, createOpaqueAccessToken } from '../../src/registry/token-values.ts';
import type { LoginRow, TokenRow } from '../../src/storage/contract.ts';
import { toSeconds } from '../../src/storage/rows.ts';
import { type Administration, fileOf } from './fixture.ts';

const RESOURCE = 'https://api.acme.example/';

const tables = [{ id: 'orders' }, { id: 'products' }];

/** Ann may do with orders what both her roles give and the application has; products only the application has. */
export const acme = fileOf({
  organizations: [
    {
      name: 'acme',
      resources: [{ identifier: RESOURCE, tables, scopes: ['orders.read'] }],
      roles: [
        {
          name: 'clerk',
          scopes: ['orders.read'],
          permissions: { tables: { orders: { create: true, read: true } } },
        },
        { name: 'reader', permissions: { tables: { orders: { read: true } } } },
      ],
      applications: [
        {
          name: 'shop',
          clientId: 'shop-client',
          clientSecret: 's3cret-of-32-or-more-characters-x',
          grants: ['password', 'refresh_token'],
          pkce: 'optional',
          scopes: ['orders.read'],
          resource: RESOURCE,
          permissions: {
            tables: { orders: { create: true, read: true, delete: true }, products: { read: true } },
          },
        },
        { name: 'page', authMethod: 'none', realm: 'organization' },
      ],
      users: [
        {
          username: 'ann',
          password: 'correct-horse-battery',
          application: 'shop',
          roles: ['clerk', 'reader'],
        },
        { username: 'ann', password: 'correct-horse-battery' },
      ],
    },
  ],
  administrators: [{ username: 'root', password: 'a-rather-long-sentence' }],
});

export interface Minted {
  readonly value: string;
  readonly row: TokenRow;
}

type Facts = Omit<TokenRow, 'id' | 'format' | 'asOf' | 'issuedAt' | 'expiresAt' | 'ancestors'> & {
  ancestors: string[];
};

async function annsFacts({ storage }: Administration): Promise<Facts> {
  const { directory } = storage;
  const application = await directory.applications.findBy('clientId', 'shop-client');
  const user = await directory.users.findBy('username', `${application?.realm}/ann`);
  const resource = await directory.resources.findBy('identifier', RESOURCE);
  if (!application || !user || !resource) throw new Error('the fixture was not applied');
  return {
    grantType: 'password',
    subject: userSubject(user),
    user: user.id,
    organization: application.organization,
    application: application.id,
    clientId: application.clientId,
    resource: RESOURCE,
    scope: 'orders.read',
    permissions: { isAdmin: false, tables: [{ table: 'orders', actions: 'cr' }] },
    ancestors: [application.organization, application.id, user.id, ...user.roles, resource.id],
    username: user.username,
    roles: ['clerk', 'reader'],
    address: '192.0.2.7',
  };
}

/** A token of Ann's for all that she may have, for an hour. */
export async function mint(
  administration: Administration,
  format: 'jwt' | 'opaque',
  over: Partial<TokenRow> = {},
): Promise<Minted> {
  const { registry, signingKeys, config, now } = administration;
  const facts = await annsFacts(administration);
  const issuedAt = toSeconds(now()) * 1000;
  const row: TokenRow = {
    ...facts,
    id: createNodeId(),
    format,
    asOf: now(),
    issuedAt,
    expiresAt: issuedAt + 3_600_000,
    ...over,
  };
  if (format === 'opaque') {
    const value = createOpaqueAccessToken();
    await registry.record(value, row);
    return { value, row };
  }
  const { kid, privateKey } = signingKeys.active('ES256');
  const value = await new SignJWT({ client_id: row.clientId })
    .setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt' })
    .setIssuer(config.issuer)
    .setSubject(row.subject)
    .setAudience(RESOURCE)
    .setIssuedAt(toSeconds(row.issuedAt))
    .setExpirationTime(toSeconds(row.expiresAt))
    .setJti(row.id)
    .sign(privateKey);
  await registry.record(row.id, row);
  return { value, row };
}

/** A login of Ann's: its refresh token. */
export async function logIn(administration: Administration): Promise<{ value: string; login: LoginRow }> {
  const { storage, refreshTokens, now } = administration;
  const { username, roles, address, ...facts } = await annsFacts(administration);
  const id = createNodeId();
  const value = refreshTokens.create(id);
  const login: LoginRow = {
    ...facts,
    id,
    asOf: now(),
    createdAt: now(),
    expiresAt: now() + 86_400_000,
    current: refreshTokens.hash(value),
  };
  await storage.logins.insert(login);
  return { value, login };
}
