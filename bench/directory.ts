/** What the measured server knows: one resource per token format, and an application for each scenario. */
export const JWT_RESOURCE = 'https://jwt.bench.example/';
export const OPAQUE_RESOURCE = 'https://opaque.bench.example/';
/** So many that logins of one rarely overlap. */
export const USERS = 40;
export const PASSWORD = 'correct-horse-battery';

const secretOf = (name: string): string => `secret-of-${name}-`.padEnd(40, 'x');
export const PERMISSIONS = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};
const tables = [{ id: 'orders' }, { id: 'products' }];

export function clientOf(name: string): { clientId: string; clientSecret: string } {
  return { clientId: name, clientSecret: secretOf(name) };
}

export const APPLY = {
  organizations: [
    {
      name: 'bench',
      resources: [
        {
          identifier: JWT_RESOURCE,
          name: 'jwt',
          tables,
          scopes: ['orders.read'],
          token: { format: 'jwt', alg: 'ES256' },
        },
        {
          identifier: OPAQUE_RESOURCE,
          name: 'opaque',
          tables,
          scopes: ['orders.read'],
          token: { format: 'opaque' },
        },
      ],
      roles: [{ name: 'clerk', scopes: ['orders.read'], permissions: PERMISSIONS }],
      applications: [
        {
          name: 'machine',
          ...clientOf('machine'),
          grants: ['client_credentials'],
          resource: JWT_RESOURCE,
          scopes: ['orders.read'],
          permissions: PERMISSIONS,
          resources: { [OPAQUE_RESOURCE]: PERMISSIONS },
        },
        {
          name: 'login',
          ...clientOf('login'),
          grants: ['password', 'refresh_token'],
          resource: JWT_RESOURCE,
          scopes: ['orders.read'],
          permissions: PERMISSIONS,
        },
        {
          name: 'trader',
          ...clientOf('trader'),
          grants: ['token_exchange'],
          resource: JWT_RESOURCE,
          scopes: ['orders.read'],
          permissions: PERMISSIONS,
        },
        { name: 'api', ...clientOf('api'), grants: [], introspects: [JWT_RESOURCE, OPAQUE_RESOURCE] },
      ],
      users: Array.from({ length: USERS }, (_, index) => ({
        username: `user${index}`,
        password: PASSWORD,
        application: 'login',
        roles: ['clerk'],
      })),
    },
  ],
};
