/**
 * A file with every noun, and another value of each field. The fields are those of the apply file's schema, so a new one that
 * has no example here fails.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import {
  administrator,
  application,
  connection,
  datasource,
  organization,
  resource,
  role,
  user,
  webhook,
} from '../../src/apply/schema.ts';

/** The file of the documentation. */
export const applySample = readFileSync('docs/apply.sample.yaml', 'utf8');

const API = 'https://api.acme.example/';
const OTHER = 'https://other.acme.example/';
export const SECRET = 's3cret-of-32-or-more-characters-x';
export const HASH = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234';
const PEM = '-----BEGIN CERTIFICATE-----';
/** Secrets of the changed files; no report may show one. */
export const NEW_SECRET = 'an0ther-secret-which-must-stay-hidden';
export const NEW_HASH = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ56789';

/** `whsec_` of another text. */
const hookSecret = (text: string): string => `whsec_${Buffer.from(text).toString('base64')}`;

const createKey = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const key = createKey();
const rights = {
  isAdmin: false,
  tables: { orders: { create: false, read: true, update: true, delete: false } },
};
const keyColumns = { usernameColumn: 'email', passwordColumn: 'password' };

export const file = {
  organizations: [
    {
      name: 'acme',
      default: false,
      hosts: [],
      clientId: 'acme-itself',
      clientSecret: SECRET,
      faces: {
        sunbreak: { application: 'shop', registration: true },
        apiMaker: { application: 'shop', authTokenInfo: [{ authTokenType: 'AM' }] },
        usergrid: {},
        devicehive: { application: 'shop', plugins: [{ topic: 'news', creator: 'ann' }] },
        fusio: { application: 'shop' },
      },
      agents: { policy: 'off', application: 'shop' },
      identityIssuers: [
        { issuer: 'https://idp.acme.example', jwks: { keys: [key] } },
        { issuer: 'https://login.acme.example', jwksUri: 'https://login.acme.example/keys' },
      ],
      resources: [
        {
          identifier: API,
          tables: [{ id: 'orders', name: 'Orders', columns: [{ name: 'id', type: 'integer' }] }],
          groups: [{ id: 'sales', tables: ['orders'] }],
          scopes: ['orders.read'],
        },
        { identifier: OTHER, tables: [{ id: 'orders', columns: [{ name: 'id', type: 'integer' }] }] },
      ],
      roles: [
        {
          name: 'clerk',
          permissions: rights,
          mayGrant: { [OTHER]: { permissions: rights } },
        },
        { name: 'reader', permissions: { tables: {} } },
      ],
      applications: [
        {
          name: 'shop',
          clientId: 'shop',
          clientSecret: SECRET,
          grants: ['password', 'authorization_code'],
          redirectUris: ['https://shop.acme.example/callback'],
          resource: API,
          permissions: rights,
          resources: { [OTHER]: rights },
        },
        {
          name: 'job',
          clientId: 'job',
          authMethod: 'private_key_jwt',
          jwks: { keys: [key] },
          grants: ['authorization_code'],
          resource: API,
          permissions: { isAdmin: true },
          default: rights,
        },
      ],
      users: [
        {
          username: 'ann',
          application: 'shop',
          password: 'correct-horse-battery',
          roles: ['clerk'],
          identities: [{ issuer: 'https://idp.acme.example', subject: 'U1' }],
          devicehive: { actions: ['GetDevice'], networks: ['1'], deviceTypes: ['1'] },
        },
        { username: 'bob', passwordHash: HASH },
      ],
      connections: [{ name: 'website', application: 'shop', permissions: rights, lifetime: 86_400 }],
      datasources: [
        {
          name: 'crm',
          kind: 'sqlite',
          file: 'crm.db',
          userTables: [
            {
              collection: 'people',
              ...keyColumns,
              passwordFormat: 'hmac-sha256',
              passwordSecret: SECRET,
              subjectColumn: 'id',
            },
            {
              collection: 'staff',
              ...keyColumns,
              passwordFormat: 'sha256',
              saltColumn: 'salt',
              subjectColumn: 'id',
            },
          ],
        },
        {
          name: 'erp',
          kind: 'postgres',
          host: 'db.acme.example',
          database: 'erp',
          username: 'reader',
          password: SECRET,
          ca: `${PEM}one`,
        },
      ],
      webhooks: [
        { name: 'crm', url: 'https://hooks.acme.example/', events: ['user.*'], secret: hookSecret(SECRET) },
      ],
    },
  ],
  administrators: [
    { username: 'root', password: 'a-rather-long-sentence' },
    { username: 'eve', passwordHash: HASH },
  ],
};

type File = typeof file;
type Entry = Record<string, any>;

/** One field of the schema, such as `token.ttl`; `[]` and `*` stand for a member of a list and of a map. */
export interface Field {
  readonly path: string;
  readonly schema: JsonSchema;
}

export interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
}

/** Lists of an organization that are nouns of their own. */
export const NOUN_LISTS = [
  'resources',
  'roles',
  'applications',
  'users',
  'connections',
  'datasources',
  'webhooks',
];

export function fieldsOf(schema: JsonSchema, path = ''): Field[] {
  const below = (name: string, inner: JsonSchema) => fieldsOf(inner, path === '' ? name : `${path}.${name}`);
  if (schema.properties)
    return Object.entries(schema.properties).flatMap(([name, inner]) => below(name, inner));
  if (schema.items?.properties) return fieldsOf(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === 'object' && schema.additionalProperties.properties)
    return below('*', schema.additionalProperties);
  return [{ path, schema }];
}

/** What is done to an entry, and where it is shown if not under its own name. */
export interface Example {
  /** The value that the field gets. */
  readonly to?: unknown;
  /** Instead of setting the field. */
  readonly change?: (entry: Entry, file: Entry) => void;
  /** The entry, if not the first one. */
  readonly of?: number;
  /** The field that the report names. */
  readonly shownAs?: string;
  /** The report says that it changed, and no more. */
  readonly isSecret?: true;
  /** Another value is another noun, so nothing is changed. */
  readonly isKey?: true;
  /** Another value is refused, with a sentence that matches. */
  readonly refused?: RegExp;
}

export interface NounOfFile {
  readonly schema: z.ZodType;
  readonly entries: (file: File) => readonly Entry[];
  /** As the report calls the first one. */
  readonly name: RegExp;
  readonly examples: Readonly<Record<string, Example>>;
}

const inAcme = (list: keyof File['organizations'][number]) => (of: File) =>
  (of.organizations[0] as Entry)[list] as Entry[];

/** The cells of permissions, wherever they stand. */
function permissionsAt(path: string, shownAs: string, at = path): Record<string, Example> {
  const set = (name: string, value: unknown) => (entry: Entry) => {
    const permissions = at.split('.').reduce((whole, step) => whole[step === '*' ? OTHER : step], entry);
    if (name === 'isAdmin') permissions.isAdmin = value;
    else permissions.tables.orders[name] = value;
  };
  return {
    [`${path}.isAdmin`]: { change: set('isAdmin', true), shownAs },
    [`${path}.tables.*.create`]: { change: set('create', true), shownAs },
    [`${path}.tables.*.read`]: { change: set('read', false), shownAs },
    [`${path}.tables.*.update`]: {
      change: set('update', [{ rows: { id: [7, '8'] } }, { columns: ['id'] }]),
      shownAs,
    },
    [`${path}.tables.*.delete`]: { change: set('delete', true), shownAs },
  };
}

const ofSecond = (examples: Record<string, Example>): Record<string, Example> =>
  Object.fromEntries(Object.entries(examples).map(([field, example]) => [field, { ...example, of: 1 }]));

const people = `userTables.main.people(email, password)`;
const staff = `userTables.main.staff(email, password)`;

function userTableExamples(): Record<string, Example> {
  const at = (index: number, member: string, value: unknown, more: Example = {}): Example => ({
    change: (entry) => {
      entry.userTables[index][member] = value;
    },
    shownAs: `${index === 0 ? people : staff}.${member}`,
    ...more,
  });
  /** Another value of these is another table, whose fields are all new. */
  const moved = (member: string, value: string, label: string) =>
    at(1, member, value, { shownAs: `userTables.${label}.subjectColumn` });
  return {
    'userTables[].enabled': at(0, 'enabled', false),
    'userTables[].database': { ...at(0, 'database', 'other'), refused: /main/ },
    'userTables[].collection': moved('collection', 'others', 'main.others(email, password)'),
    'userTables[].usernameColumn': moved('usernameColumn', 'login', 'main.staff(login, password)'),
    'userTables[].passwordColumn': moved('passwordColumn', 'pw', 'main.staff(email, pw)'),
    'userTables[].passwordFormat': at(1, 'passwordFormat', 'sha512'),
    'userTables[].saltColumn': at(1, 'saltColumn', 'grain'),
    'userTables[].saltOrder': at(1, 'saltOrder', 'after'),
    'userTables[].passwordSecret': at(0, 'passwordSecret', NEW_SECRET, { isSecret: true }),
    'userTables[].subjectColumn': at(0, 'subjectColumn', 'uuid'),
    'userTables[].activeColumn': at(0, 'activeColumn', 'active'),
    'userTables[].conditions': at(0, 'conditions', { tenant: 7 }),
    'userTables[].nullColumns': at(0, 'nullColumns', ['deleted_at']),
    'userTables[].roles': at(0, 'roles', ['clerk']),
    'userTables[].roleColumn': at(0, 'roleColumn', 'groups'),
    'userTables[].roleMap': {
      change: ({ userTables }) =>
        Object.assign(userTables[0], { roleColumn: 'groups', roleMap: { boss: 'clerk' } }),
      shownAs: `${people}.roleMap`,
    },
    'userTables[].claims': at(0, 'claims', { department: 'dept' }),
    'userTables[].passwordChangedAtColumn': at(0, 'passwordChangedAtColumn', 'changed_at'),
    'userTables[].realm': at(0, 'realm', 'shop'),
  };
}

export const nouns: Readonly<Record<string, NounOfFile>> = {
  organization: {
    schema: organization,
    entries: (of) => of.organizations,
    name: /^organization acme/,
    examples: {
      name: { change: (_, of) => of.organizations.push({ name: 'other' } as never), isKey: true },
      displayName: { to: 'ACME Ltd.' },
      description: { to: 'Sells anvils.' },
      hosts: { to: ['id.acme.example'] },
      clientId: { to: 'acme-anew', refused: /clientId cannot be changed\. First remove the client/ },
      clientSecret: { to: NEW_SECRET, isSecret: true },
      'faces.sunbreak.application': { to: 'job' },
      'faces.apiMaker.application': { to: 'job' },
      'faces.devicehive.application': {
        change: ({ faces }) => Object.assign(faces.devicehive, { application: 'job', plugins: [] }),
      },
      'faces.fusio.application': { to: 'job' },
      'faces.apiMaker.authTokenInfo[].authTokenType': {
        change: ({ faces }) => {
          faces.apiMaker.authTokenInfo[0].authTokenType = 'AM_DB';
        },
      },
      ...Object.fromEntries(
        ['instance', 'database', 'collection'].map((member) => [
          `faces.apiMaker.authTokenInfo[].${member}`,
          {
            change: ({ faces }: Entry) => {
              faces.apiMaker.authTokenInfo = [{ authTokenType: 'AM_DB', [member]: 'crm' }];
            },
          },
        ]),
      ),
      'faces.devicehive.webSocketUrl': { to: 'wss://hive.acme.example/' },
      'faces.devicehive.plugins[].topic': {
        change: ({ faces }) => {
          faces.devicehive.plugins[0].topic = 'weather';
        },
      },
      'faces.devicehive.plugins[].creator': {
        change: ({ faces, users }) => {
          users.push({ username: 'eve', application: 'shop', password: 'correct-horse-battery' });
          faces.devicehive.plugins[0].creator = 'eve';
        },
      },
      'faces.fusio.activationUrl': { to: 'https://acme.example/activate?{token}' },
      'faces.fusio.passwordResetUrl': { to: 'https://acme.example/reset?{token}' },
      'identityIssuers[].issuer': {
        change: ({ identityIssuers }) => {
          identityIssuers[0].issuer = 'https://id.acme.example';
        },
        shownAs: 'identityIssuers',
      },
      'identityIssuers[].jwks.keys': {
        change: ({ identityIssuers }) => {
          identityIssuers[0].jwks = { keys: [createKey()] };
        },
        shownAs: 'identityIssuers',
      },
      'identityIssuers[].jwksUri': {
        change: ({ identityIssuers }) => {
          identityIssuers[1].jwksUri = 'https://login.acme.example/other-keys';
        },
        shownAs: 'identityIssuers',
      },
      'agents.policy': { to: 'any' },
      'agents.hosts': { to: ['agents.example'] },
      'agents.registration': { to: 'open' },
      'agents.application': { to: 'job' },
    },
  },
  resource: {
    schema: resource,
    entries: inAcme('resources'),
    name: /^resource https:\/\/api/,
    examples: {
      identifier: {
        change: (_, of) => of.organizations[0].resources.push({ identifier: `${API}v2` }),
        isKey: true,
      },
      name: { to: 'Shop' },
      description: { to: 'What is sold.' },
      'scopeTexts.*.displayName': {
        change: (entry) => {
          entry.scopeTexts = { 'orders.read': { displayName: 'see orders' } };
        },
        shownAs: 'scopeTexts.orders.read.displayName',
      },
      'scopeTexts.*.description': {
        change: (entry) => {
          entry.scopeTexts = { 'orders.read': { description: 'Without prices.' } };
        },
        shownAs: 'scopeTexts.orders.read.description',
      },
      'tables[].description': {
        change: ({ tables }) => {
          tables[0].description = 'Of all years.';
        },
      },
      'tables[].id': { change: ({ tables }) => tables.push({ id: 'products' }) },
      'tables[].name': {
        change: ({ tables }) => {
          tables[0].name = 'All orders';
        },
      },
      'tables[].columns[].name': {
        change: ({ tables }) => {
          tables[0].columns[0].name = 'number';
        },
        shownAs: 'tables.orders.columns',
      },
      'tables[].columns[].type': {
        change: ({ tables }) => {
          tables[0].columns = [];
        },
        shownAs: 'tables.orders.columns',
      },
      'tables[].rowColumns': {
        change: ({ tables }) => {
          tables[0].rowColumns = ['id'];
        },
        shownAs: 'tables.orders.rowColumns',
      },
      'groups[].id': {
        change: ({ groups }) => groups.push({ id: 'all', tables: [] }),
        shownAs: 'groups.all',
      },
      'groups[].tables': {
        change: ({ tables, groups }) => {
          tables.push({ id: 'invoices' });
          groups[0].tables.push('invoices');
        },
        shownAs: 'groups.sales',
      },
      ...Object.fromEntries(
        ['datasource', 'database', 'schemas'].map((member) => [
          `importedFrom.${member}`,
          {
            change: (entry: Entry) => {
              entry.importedFrom = { datasource: 'erp', database: 'erp', schemas: ['public'] };
            },
            shownAs: `importedFrom.${member}`,
          },
        ]),
      ),
      'token.claims': { to: ['permissions'] },
      'token.claimMap': {
        to: { role: 'web_user', 'https://acme.example/who': { id: { $user: 'id' }, of: ['a', 'b'] } },
        shownAs: 'token.claimMap.role',
      },
      scopes: { to: ['orders.write'] },
      channel: { to: 'shop_channel' },
    },
  },
  role: {
    schema: role,
    entries: inAcme('roles'),
    name: /^role acme\/clerk/,
    examples: {
      ...permissionsAt('mayGrant.*.permissions', `mayGrant.${OTHER}.permissions`),
      'mayGrant.*.scopes': {
        change: (entry) => {
          entry.mayGrant[API] = { scopes: ['orders.read'] };
        },
        shownAs: `mayGrant.${API}.scopes`,
      },
      name: { to: 'boss', isKey: true },
      resource: { to: OTHER },
      scopes: { to: ['orders.read'] },
      ...permissionsAt('permissions', 'permissions'),
    },
  },
  application: {
    schema: application,
    entries: inAcme('applications'),
    name: /^application acme\/(?:shop|job)/,
    examples: {
      displayName: { to: 'The shop' },
      description: { to: 'Sells anvils.' },
      name: {
        change: (_, of) => of.organizations[0].applications.push({ name: 'next', clientId: 'next' }),
        isKey: true,
      },
      clientId: { to: 'shop-anew', refused: /clientId cannot be changed/ },
      clientSecret: { to: NEW_SECRET, isSecret: true },
      authMethod: { to: 'client_secret_post' },
      'jwks.keys': { to: [createKey()], of: 1, shownAs: 'jwks' },
      assertionAudience: { to: 'endpoint', of: 1 },
      grants: { to: ['password', 'authorization_code', 'refresh_token'] },
      scopes: { to: ['openid'] },
      redirectUris: { to: ['https://shop.acme.example/elsewhere'] },
      postLogoutRedirectUris: { to: ['https://shop.acme.example/'] },
      allowedOrigins: { to: ['https://shop.acme.example'] },
      pkce: { to: 'optional' },
      realm: {
        change: (entry, of) => {
          of.organizations[0].users = [];
          of.organizations[0].faces = {};
          entry.realm = 'organization';
        },
      },
      resource: {
        change: (entry) => {
          Object.assign(entry, { resource: OTHER, resources: { [API]: rights } });
        },
      },
      introspects: { to: [API] },
      mayExchange: { to: ['job'] },
      ...permissionsAt('permissions', `permissions for ${API}`),
      ...permissionsAt('resources.*', `permissions for ${OTHER}`),
      // Within its own permissions, which are all.
      ...ofSecond(permissionsAt('default', 'default')),
    },
  },
  user: {
    schema: user,
    entries: inAcme('users'),
    name: /^user acme\/(?:shop\/ann|bob)/i,
    examples: {
      username: { to: 'Ann' },
      application: {
        change: (entry) => {
          entry.application = undefined;
        },
        isKey: true,
      },
      password: { to: NEW_SECRET, isSecret: true },
      passwordHash: { to: NEW_HASH, of: 1, isSecret: true, shownAs: 'password' },
      email: { to: 'ann@acme.example' },
      displayName: { to: 'Ann' },
      attributes: { to: { department: 'sales' }, shownAs: 'attributes.department' },
      roles: { to: ['reader'] },
      'identities[].issuer': {
        change: ({ identities }) => {
          identities[0].issuer = 'https://login.acme.example';
        },
        shownAs: 'identities',
      },
      'identities[].subject': {
        change: ({ identities }) => {
          identities[0].subject = 'U2';
        },
        shownAs: 'identities',
      },
      'devicehive.actions': { to: ['*'] },
      'devicehive.networks': { to: ['*'] },
      'devicehive.deviceTypes': { to: ['*'] },
    },
  },
  connection: {
    schema: connection,
    entries: inAcme('connections'),
    name: /^connection acme\/website/,
    examples: {
      name: { to: 'other', isKey: true },
      application: { to: 'job', refused: /application cannot be changed/ },
      resource: { to: OTHER, refused: /resource cannot be changed/ },
      owner: { to: 'ann', refused: /owner cannot be changed/ },
      scopes: { to: ['orders.read'] },
      ...permissionsAt('permissions', 'permissions'),
      networks: { to: ['192.0.2.0/24'] },
    },
  },
  datasource: {
    schema: datasource,
    entries: inAcme('datasources'),
    name: /^datasource acme\/(?:crm|erp)/,
    examples: {
      name: { to: 'other', isKey: true },
      kind: {
        change: (entry) => {
          entry.kind = 'mysql';
        },
        of: 1,
        refused: /another kind/,
      },
      file: { to: 'people.db' },
      host: { to: 'db2.acme.example', of: 1 },
      port: { to: 5433, of: 1 },
      database: {
        change: (entry) => {
          const columns = { ...keyColumns, passwordFormat: 'bcrypt', subjectColumn: 'id' };
          Object.assign(entry, { database: 'erp2', userTables: [{ collection: 'people', ...columns }] });
        },
        of: 1,
        shownAs: 'userTables.erp2.people(email, password).subjectColumn',
      },
      username: { to: 'another', of: 1 },
      password: { to: NEW_SECRET, of: 1, isSecret: true },
      tls: { to: 'off', of: 1 },
      ca: { to: `${PEM}two`, of: 1 },
      ...userTableExamples(),
    },
  },
  webhook: {
    schema: webhook,
    entries: inAcme('webhooks'),
    name: /^webhook acme\/crm/,
    examples: {
      name: {
        change: (_, of) => {
          const [crm] = of.organizations[0]?.webhooks ?? [];
          of.organizations[0]?.webhooks.push({ ...(crm as typeof crm & object), name: 'other' });
        },
        isKey: true,
      },
      url: { to: 'https://other.acme.example/' },
      events: { to: ['*'] },
      secret: { to: hookSecret(NEW_SECRET), isSecret: true },
      description: { to: 'Copies people.' },
    },
  },
  administrator: {
    schema: administrator,
    entries: (of) => of.administrators,
    name: /^administrator (?:root|eve)/i,
    examples: {
      username: { to: 'Root' },
      password: { to: NEW_SECRET, isSecret: true },
      passwordHash: { to: NEW_HASH, of: 1, isSecret: true, shownAs: 'password' },
      email: { to: 'root@acme.example' },
      displayName: { to: 'Root' },
      organizations: { to: ['acme'] },
      roles: { to: ['auditor'] },
    },
  },
};

function at(entry: Entry, path: readonly string[]): unknown {
  return path.reduce<any>((whole, step) => whole?.[step], entry);
}

/** True and false, the other values of a list, and other numbers need no example. */
function otherValue(name: string, { type, enum: values, minimum = 0 }: JsonSchema, now: unknown): unknown {
  if (type === 'boolean') return !(now ?? name === 'enabled');
  if (values) return values.at(values[0] === now ? 1 : -1);
  return type === 'integer' ? minimum + 7 : undefined;
}

export function changedFile(noun: NounOfFile, { path, schema }: Field, example: Example): File {
  const changed = structuredClone(file);
  const entry = noun.entries(changed)[example.of ?? 0] as Entry;
  if (example.change) {
    example.change(entry, changed);
    return changed;
  }
  const steps = path.split('.');
  const now = at(entry, steps);
  const last = steps.pop() as string;
  const value = example.to ?? otherValue(last, schema, now);
  assert.notEqual(value, undefined, `${path} is new: add an example of it to this test`);
  for (const [index, step] of steps.entries()) {
    const parent = at(entry, steps.slice(0, index)) as Entry;
    parent[step] ??= {};
  }
  (at(entry, steps) as Entry)[last] = value;
  return changed;
}
