/** What requests ask for: their grants, what they present, what they want. */
import { ACCESS_TOKEN, CONNECTION, EXCHANGE } from '../../support/exchange.ts';
import { PASSWORD, REDIRECT_URI } from '../../support/server.ts';
import type { Random } from './random.ts';
import type { Fields, Source } from './source.ts';
import {
  BRIEF_RESOURCE,
  CUSTOMER_PASSWORD,
  type Held,
  OPAQUE_RESOURCE,
  OPEN_RESOURCE,
  OTHER_RESOURCE,
  type Party,
  RESOURCE,
  type Text,
} from './world.ts';

const DATABASE_USER = 'urn:grantable:grant-type:database-user';

const SCOPES = [
  'orders.read',
  'orders:read',
  'orders:read products:read',
  'orders.read orders:read',
  'orders.write',
  '*:admin',
  '*:read',
  'openid',
  'openid orders.read',
  'openid profile offline_access',
  'offline_access',
  'nope',
  'a"b',
  'größe',
  'orders:reed',
  'orders:delete',
  'customers:read',
  'public.users:read',
  'public%2Eusers:read',
  ':read',
  'orders:',
  '__proto__:read',
  'orders.read orders.read',
  ' orders.read',
  'orders.read  orders:read',
  ' ',
  '',
  'x'.repeat(300),
  Array.from({ length: 501 }, (_, index) => `s${index}`).join(' '),
  'authorization',
];
const RESOURCES = [
  RESOURCE,
  RESOURCE,
  OPAQUE_RESOURCE,
  OPAQUE_RESOURCE,
  OPEN_RESOURCE,
  OPEN_RESOURCE,
  BRIEF_RESOURCE,
  RESOURCE.slice(0, -1),
  'https://API.acme.example/',
  'https://api.acme.example:443/',
  OTHER_RESOURCE,
  'https://nowhere.example/',
  'nope',
  '',
  `${RESOURCE}#x`,
  `${RESOURCE}?x`,
  'urn:x',
];
const TABLES = [
  'orders',
  'orders',
  'orders',
  'products',
  'public.users',
  'customers',
  '*',
  '',
  '__proto__',
  'ä',
];
const ACTIONS = [
  ['read'],
  ['read'],
  ['create', 'read', 'update'],
  ['delete'],
  [],
  ['reed'],
  ['read', 'read'],
  'read',
  1,
];
const DETAILS_TEXTS = [
  '{',
  '[]',
  '{}',
  'null',
  '1',
  '"x"',
  '[1]',
  '[null]',
  '[[]]',
  '[{}]',
  '[{"type":"x"}]',
  '[{"type":"table_access"}]',
  '[{"type":"table_access","identifier":"orders","actions":["read"],"identifier":"products"}]',
  '[{"type":"table_access","identifier":"orders","actions":["read"],"__proto__":{}}]',
  '[{"type":"table_access","identifier":"orders","actions":["read"],"extra":1}]',
  '[{"type":"table_access","privileges":["admin"]}]',
  '[{"type":"table_access","privileges":["root"]}]',
  `[${'['.repeat(100)}${']'.repeat(100)}]`,
  ' [ ] ',
  '',
];
const PERMISSIONS_TEXTS = [
  '{',
  '{}',
  '[]',
  'null',
  '"x"',
  '{"isAdmin":true}',
  '{"isAdmin":true,"tables":{}}',
  '{"isAdmin":"yes"}',
  '{"tables":{}}',
  '{"tables":[]}',
  '{"isAdmin":false,"tables":{"orders":{"read":true}}}',
  '{"isAdmin":false,"tables":{"orders":{"read":true,"create":true},"products":{"read":true}}}',
  '{"isAdmin":false,"tables":{"orders":{"delete":true}}}',
  '{"isAdmin":false,"tables":{"orders":{"drop":true}}}',
  '{"isAdmin":false,"tables":{"orders":{"read":1}}}',
  '{"isAdmin":false,"tables":{"__proto__":{"read":true}}}',
  '{"isAdmin":false,"tables":{"orders":{"read":true},"orders":{"read":false}}}',
  '{"isAdmin":false,"tables":{},"more":1}',
  '',
];

function details({ random }: Source): string {
  if (random.chance(0.2)) return random.pick(DETAILS_TEXTS);
  if (random.chance(0.5))
    return JSON.stringify([{ type: 'table_access', identifier: 'orders', actions: ['read'] }]);
  const entries = Array.from({ length: 1 + random.below(3) }, () => ({
    type: random.weigh([
      [20, 'table_access'],
      [1, 'device_access'],
      [1, 'TABLE_ACCESS'],
    ]),
    identifier: random.chance(0.8) ? 'orders' : random.pick(TABLES),
    actions: random.chance(0.8) ? ['read'] : random.pick(ACTIONS),
    ...(random.chance(0.4) && {
      locations: random.weigh([
        [4, [RESOURCE]],
        [2, [OPAQUE_RESOURCE]],
        [1, []],
        [1, [RESOURCE, OPAQUE_RESOURCE]],
        [1, ['https://nowhere.example/']],
        [1, RESOURCE],
      ] as [number, unknown][]),
    }),
  }));
  return JSON.stringify(entries);
}

/** What a request asks for beside what its grant needs. */
function asked(source: Source): Fields {
  const { random } = source;
  const fields: Fields = [];
  const way = random.weigh([
    [8, 'nothing'],
    [3, 'scope'],
    [3, 'details'],
    [2, 'permissions'],
    [1, 'several'],
  ]);
  if (way === 'scope' || way === 'several')
    fields.push(['scope', random.chance(0.5) ? random.pick(SCOPES.slice(0, 4)) : random.pick(SCOPES)]);
  if (way === 'details' || (way === 'several' && random.chance(0.6)))
    fields.push(['authorization_details', details(source)]);
  if (way === 'permissions' || (way === 'several' && random.chance(0.6)))
    fields.push(['permissions', random.pick(PERMISSIONS_TEXTS)]);
  if (random.chance(0.3)) fields.push(['resource', random.pick(RESOURCES)]);
  if (random.chance(0.04)) fields.push(['resource', random.pick(RESOURCES)]);
  return fields;
}

const GARBAGE = [
  '',
  'x',
  'garbage',
  'gat_garbage',
  'grt_garbage',
  'gct_garbage',
  'eyJ',
  'eyJhbGciOiJFUzI1NiJ9.e30.x',
  'a b',
  'ä',
  '__proto__',
  'x'.repeat(5_000),
];

/** A token of whatever kind and whosesoever, damaged at times. */
function presented({ random, held }: Source, prefer?: (held: Held) => boolean): Text {
  if (random.chance(0.08)) return random.pick(GARBAGE);
  const latest = held.slice(-60);
  const wanted = prefer && random.chance(0.8) ? latest.filter(prefer) : [];
  const all = prefer && random.chance(0.8) ? held.filter(prefer) : [];
  const from = wanted.length > 0 ? wanted : all.length > 0 ? all : random.chance(0.5) ? latest : held;
  const { value } = random.pick(from);
  if (!random.chance(0.06)) return value;
  const damage = random.pick([
    (text: string) => text.slice(0, -1),
    (text: string) => `${text}x`,
    (text: string) => text.toUpperCase(),
    (text: string) => ` ${text}`,
    (text: string) => text.slice(0, -4) + (text.at(-4) === 'A' ? 'B' : 'A') + text.slice(-3),
    (text: string) => text.split('.').slice(0, 2).join('.'),
  ]);
  return typeof value === 'string'
    ? damage(value)
    : { name: `damaged ${value.name}`, of: [damage(value.of[0]), damage(value.of[1])] };
}

export const isAccess = ({ kind }: Held): boolean => kind === 'jwt' || kind === 'opaque';
const HINTS = ['access_token', 'refresh_token', 'nonsense', '', 'id_token'];

type GrantFields = (client: string, source: Source) => Fields;

function exchangeFields(client: string, source: Source): Fields {
  const { random, held } = source;
  const own = (each: Held) => (isAccess(each) || each.kind === 'connection') && each.client === client;
  const value = presented(source, own);
  const isConnection = held.some((each) => each.value === value && each.kind === 'connection');
  const types = [ACCESS_TOKEN, CONNECTION, 'urn:ietf:params:oauth:token-type:jwt', 'x', ''];
  const fields: Fields = [
    ['subject_token', value],
    ['subject_token_type', mostly(random, isConnection ? CONNECTION : ACCESS_TOKEN, ...types)],
  ];
  const maybe = (probability: number, name: string, ...values: string[]): void => {
    if (random.chance(probability)) fields.push([name, random.pick(values)]);
  };
  maybe(0.1, 'requested_token_type', ACCESS_TOKEN, 'urn:ietf:params:oauth:token-type:jwt', '');
  maybe(0.15, 'expires_in', '60', '86400', '86401', '0', '-1', 'x', '');
  maybe(0.1, 'audience', ...RESOURCES);
  maybe(0.05, 'audience', ...RESOURCES);
  maybe(0.04, 'actor_token', ...GARBAGE);
  maybe(0.03, 'actor_token_type', ACCESS_TOKEN);
  maybe(0.06, 'requested_subject', 'ann', 'x', '', 'user:1');
  return fields.filter(() => random.chance(0.99));
}

/** Who logs in, at clients that do not have an `ann`. */
const USERS: Readonly<Record<string, string>> = { mobile: 'org' };
const USERNAMES = ['ANN', 'bob', 'org', 'dan', 'ann@acme.example', 'eve@acme.example', 'unknown', '', 'ä'];

const mostly = (random: Random, usual: string, ...others: string[]): string =>
  random.chance(0.9) ? usual : random.pick(others);

const GRANTS: readonly (readonly [weight: number, type: string, fields: GrantFields])[] = [
  [30, 'client_credentials', () => []],
  [
    3,
    'password',
    (client, { random }) => [
      ['username', random.chance(0.6) ? (USERS[client] ?? 'ann') : random.pick(USERNAMES)],
      ['password', mostly(random, PASSWORD, 'wrong', '', 'x'.repeat(2_000))],
    ],
  ],
  [
    2,
    DATABASE_USER,
    (_, { random }) => [
      ['instance', mostly(random, 'crm', 'other', '')],
      ['database', mostly(random, 'main', 'other')],
      ['collection', mostly(random, 'customers', 'others', 'customers; DROP')],
      ['username_column', mostly(random, 'email', 'id')],
      ['password_column', mostly(random, 'password', 'email')],
      ['username', mostly(random, 'eve@acme.example', 'unknown')],
      ['password', mostly(random, CUSTOMER_PASSWORD, 'wrong')],
    ],
  ],
  [26, EXCHANGE, exchangeFields],
  [
    18,
    'refresh_token',
    (client, source) => {
      const own = (held: Held) => held.kind === 'refresh' && held.client === client;
      // Earlier ones end their logins.
      const latest = source.random.chance(0.75) ? source.held.findLast(own)?.value : undefined;
      return [['refresh_token', latest ?? presented(source, own)]];
    },
  ],
  [
    2,
    'authorization_code',
    (_, { random }) => [
      ['code', random.pick(GARBAGE)],
      ['redirect_uri', mostly(random, REDIRECT_URI, 'https://elsewhere.example/', '')],
      ['code_verifier', mostly(random, 'v'.repeat(43), 'v'.repeat(10), '')],
    ],
  ],
  [1, 'urn:ietf:params:oauth:grant-type:device_code', () => [['device_code', 'x']]],
  [1, 'urn:ietf:params:oauth:grant-type:jwt-bearer', () => [['assertion', 'x']]],
  [1, 'urn:ietf:params:oauth:grant-type:saml2-bearer', () => [['assertion', 'x']]],
  [1, 'implicit', () => []],
  [1, 'nope', () => []],
  [1, '', () => []],
  [1, '__proto__', () => []],
  [1, 'CLIENT_CREDENTIALS', () => []],
  [1, ' client_credentials', () => []],
];
const GRANTS_OF: Readonly<Record<string, readonly string[]>> = {
  machine: ['client_credentials', EXCHANGE],
  admin: ['client_credentials'],
  web: ['refresh_token', 'authorization_code'],
  spa: ['refresh_token', 'authorization_code'],
  mobile: ['password', 'refresh_token'],
  posting: ['client_credentials', EXCHANGE],
  keyed: ['client_credentials', EXCHANGE],
  endpoint: ['client_credentials', EXCHANGE],
  'acme-org': ['client_credentials'],
  'shop-api': [],
  'other-api': [],
  empty: [],
};

/** @param wanted of a grant; absent: any */
export function tokenFields(party: Party, source: Source, wanted?: string): Fields {
  const { random } = source;
  const own = wanted === undefined ? GRANTS_OF[party.id] : [wanted];
  const fitting = own && random.chance(0.85) ? GRANTS.filter(([, type]) => own.includes(type)) : GRANTS;
  const choices = (fitting.length > 0 ? fitting : GRANTS).map(([weight, ...rest]) => [weight, rest] as const);
  const [type, fieldsOf] = random.weigh(choices);
  const fields: Fields = [['grant_type', type], ...fieldsOf(party.id, source), ...asked(source)];
  if (random.chance(0.015)) fields.shift();
  return fields;
}

/** For introspection and revocation. */
export function presentingFields(party: Party, source: Source, isIntrospection: boolean): Fields {
  const { random } = source;
  const prefer = isIntrospection
    ? (held: Held) => party.id === 'shop-api' || held.client === party.id
    : // Connections are few.
      (held: Held) => held.client === party.id && (held.kind !== 'connection' || random.chance(0.1));
  const fields: Fields = [['token', presented(source, prefer)]];
  if (random.chance(0.2)) fields.push(['token_type_hint', random.pick(HINTS)]);
  if (random.chance(0.02)) fields.push(['token', presented(source)]);
  if (random.chance(0.02)) fields.shift();
  return fields;
}

/** Beside what belongs there. */
export const EXTRA_FIELDS: readonly Fields[] = [
  [['foo', 'bar']],
  [['foo', '']],
  [
    ['foo', 'a'],
    ['foo', 'b'],
  ],
  [['scope[]', 'orders.read']],
  [['scope[a]', 'orders.read']],
  [['__proto__', 'x']],
  [['constructor', 'x']],
  [['toString', 'x']],
  [['', 'x']],
  [['state', 'x']],
  [['client_assertion', '']],
  [['client_secret', '']],
  [['authorization_details', '']],
  [['code', 'x']],
  [['refresh_token', 'x']],
  [['username', 'ann']],
  [['audience', RESOURCE]],
  [['claims', '{}']],
  [['grant_type', 'client_credentials']],
  [['scope', 'orders.read']],
  [['token', 'x']],
];
