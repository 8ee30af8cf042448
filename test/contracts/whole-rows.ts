/** Rows with every member that there is: the types leave none out. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { LoginRow, TokenRow } from '../../src/storage/contract.ts';
import type { GrantedRow } from '../../src/storage/rows.ts';

/** Each call gives another client and user. */
function granted(id: string, now: number): Required<GrantedRow> {
  const [organization, application, user, role, parent] = Array.from({ length: 5 }, () => randomUUID());
  return {
    id,
    grantType: 'password',
    subject: `management/${user}`,
    user: user as string,
    organization: organization as string,
    application: application as string,
    clientId: 'shop-client',
    resource: 'https://api.example/',
    scope: 'orders.read $where',
    permissions: {
      isAdmin: false,
      tables: [
        { table: 'public.users', actions: 'cr' },
        { table: '$where', actions: 'd' },
      ],
    },
    asScopes: true,
    devices: { actions: ['GetDevice'], networks: ['*'], deviceTypes: [], topics: ['plugin.$x'] },
    ancestors: [
      organization,
      application,
      user,
      role,
      `credentials:${application}`,
      parent,
      'login',
      user,
    ] as string[],
    parent: parent as string,
    asOf: now,
    expiresAt: now + 60_000,
    authenticatedAt: now - 1_234,
    act: { sub: 'management/1', act: { sub: '$x' } },
    depth: 2,
    bounds: [
      { application: 'a', subject: 'datasource:1/t/1', acts: true },
      {
        application: 'b',
        subject: 's',
        account: { datasource: 'd', userTable: 't', groups: ['admins', '$g'], columns: { 'a.b': 1 } },
        acts: false,
      },
    ],
    account: {
      datasource: 'd',
      userTable: 't',
      groups: ['a.b', '$c'],
      columns: { 'a.b': '$c', n: -0.5, yes: true },
      key: 'n:1',
      username: 'Ann',
      mark: 'm',
    },
    face: 'devicehive',
    faceScopes: ['consumer'],
    openid: {
      scope: 'openid',
      clientId: 'c',
      grantId: 'g',
      claims: { 'a.b': { $set: 1 }, list: [null, 'ä\u0000'] },
    },
    sender: { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs', 'x5t#S256': 'bwcK0esc3ACC3DB2Y5' },
  };
}

export function wholeTokenRow(id: string, now: number): Required<TokenRow> {
  return {
    ...granted(id, now),
    format: 'opaque',
    issuedAt: now - 1,
    username: 'ann',
    roles: ['clerk', '$reader'],
    login: 'login',
    connection: randomUUID(),
    claims: { tenant: 'a', 'a.b': 1, $vip: true },
    address: '192.0.2.7',
    requestId: randomUUID(),
  };
}

export function wholeLoginRow(id: string, now: number): Required<LoginRow> {
  return {
    ...granted(id, now),
    createdAt: now - 1,
    origin: randomUUID(),
    current: randomBytes(32),
    previous: randomBytes(32),
    rotatedAt: now,
  };
}
