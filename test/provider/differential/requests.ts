/** Random requests to the token, introspection and revocation endpoints: good ones, odd ones, hostile ones. */
import { EXCHANGE } from '../../support/exchange.ts';
import { basic, inBody, type Presented, right, WAYS } from './client-authentication.ts';
import { EXTRA_FIELDS, isAccess, presentingFields, tokenFields } from './parameters.ts';
import type { Random } from './random.ts';
import { type Fields, INTROSPECTION_PATH, REVOCATION_PATH, type Source, TOKEN_PATH } from './source.ts';
import { type Held, OPAQUE_RESOURCE, ORIGIN, type Party, type Text } from './world.ts';

export interface Sent {
  readonly method: string;
  readonly path: string;
  /** Repeated ones are sent as they stand. */
  readonly headers: readonly (readonly [name: string, value: Text])[];
  readonly body?: Body;
  /** Id of who sends it. */
  readonly client?: string;
  /** Milliseconds that pass before it. */
  readonly pause: number;
}

/** Bytes, or texts one after the other. */
export type Body = Buffer | readonly Text[];

const FORM = 'application/x-www-form-urlencoded';
const MAX_FORM_BYTES = 56 * 1024;

const formEncode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+');

function encode(fields: Fields, random: Random): Text[] {
  const parts: Text[] = [];
  for (const [name, value] of fields) {
    // Blanks may be written in two ways.
    const written = (text: string) => (random.chance(0.5) ? formEncode(text) : encodeURIComponent(text));
    parts.push(parts.length > 0 ? '&' : '', written(name), '=');
    parts.push(typeof value === 'string' ? written(value) : value);
  }
  return parts;
}

const ORIGINS = [
  ORIGIN,
  ORIGIN,
  'https://evil.example',
  'null',
  '',
  'http://localhost:3000',
  'chrome-extension://x',
];
const ACCEPTS = [
  'application/json',
  '*/*',
  'text/html',
  'text/html;q=0.9,application/json;q=0.1',
  'image/png',
  '',
];
const TYPES = [
  `${FORM}; charset=utf-8`,
  `${FORM};charset=UTF-16`,
  FORM.toUpperCase(),
  `${FORM} `,
  'application/json',
  'application/json; charset=utf-8',
  'text/plain',
  'multipart/form-data; boundary=x',
  'application/jwt',
  'x',
  '',
];

type Draft = { -readonly [K in keyof Omit<Sent, 'headers'>]: Sent[K] } & { headers: [string, Text][] };
type Change = (draft: Draft, source: Source) => void;

const withBody =
  (change: (parts: readonly Text[]) => Body): Change =>
  (draft) => {
    draft.body = change(Array.isArray(draft.body) ? (draft.body as readonly Text[]) : []);
  };

const CHANGES: readonly (readonly [weight: number, change: (draft: Draft, source: Source) => void])[] = [
  [6, (draft, { random }) => draft.headers.push(['Origin', random.pick(ORIGINS)])],
  [4, (draft, { random }) => setHeader(draft, 'Content-Type', random.pick(TYPES))],
  [4, (draft, { random }) => setHeader(draft, 'Accept', random.pick(ACCEPTS))],
  [1, (draft) => draft.headers.push(['DPoP', 'x'])],
  [1, (draft) => draft.headers.push(['OAuth-Client-Attestation', 'x'])],
  [
    1,
    (draft) => draft.headers.push(['OAuth-Client-Attestation', 'x'], ['OAuth-Client-Attestation-PoP', 'x']),
  ],
  [
    1,
    (draft, { random }) =>
      draft.headers.push(['Content-Encoding', random.pick(['gzip', 'identity', 'x', ''])]),
  ],
  [1, (draft) => draft.headers.push(['Cookie', 'session=x; __Host-session=y'])],
  [1, (draft) => draft.headers.push(['X-HTTP-Method-Override', 'GET'])],
  [1, (draft) => draft.headers.push(['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-Proto', 'https'])],
  [1, (draft) => draft.headers.push(['Prefer', 'return=minimal'], ['Accept-Language', 'de'])],
  [1, (draft) => draft.headers.push(['Signature', 'x'], ['Client-Cert', ':x:'])],
  [1, (draft) => setHeader(draft, 'Host', 'evil.example')],
  [
    3,
    (draft, { random }) => {
      draft.method = random.pick(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
      if (random.chance(0.7)) withoutBody(draft);
    },
  ],
  [
    2,
    (draft, { random }) => {
      draft.path = random.weigh([
        [3, `${draft.path}?`],
        [3, `${draft.path}?foo=bar`],
        [3, `${draft.path}?client_id=machine&grant_type=client_credentials&token=x`],
        [2, `${draft.path}?resource=${encodeURIComponent(OPAQUE_RESOURCE)}`],
        [2, `${draft.path}?scope=orders:read`],
        [1, `${draft.path}/`],
        [1, draft.path.replace('oauth', 'OAuth')],
        [1, draft.path.toUpperCase()],
        [1, `/${draft.path}`],
        [1, draft.path.replace('oauth', '%6fauth')],
      ]);
    },
  ],
  [2, withoutBody],
  [1, withBody(() => [])],
  [1, withBody(() => Buffer.alloc(MAX_FORM_BYTES + 1, 'x'))],
  [1, withBody((parts) => [...parts, '&x=', 'x'.repeat(MAX_FORM_BYTES)])],
  [1, withBody((parts) => [...parts, '&x='.repeat(1_000)])],
  [1, withBody((parts) => [...parts, '&foo=%zz&%'])],
  [1, withBody((parts) => [...parts, '&scope=%00'])],
  [1, withBody((parts) => [...parts, '&foo=\u0000'])],
  [1, withBody((parts) => [...parts, '&foo=%ff%fe'])],
  [1, withBody(() => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('=1&grant_type=x')]))],
  [1, withBody((parts) => ['?', ...parts])],
  [1, withBody((parts) => ['&&', ...parts, '&&&'])],
  [1, withBody((parts) => [...parts, ';foo=bar'])],
  [1, withBody((parts) => ['\uFEFF', ...parts])],
  [1, withBody((parts) => [...parts, '\r\n'])],
  [1, withBody(() => ['grant_type'])],
  [
    2,
    (draft) => {
      draft.body = ['{"grant_type":"client_credentials","token":"x"}'];
      setHeader(draft, 'Content-Type', 'application/json');
    },
  ],
];

function setHeader(draft: Draft, name: string, value: string): void {
  draft.headers = draft.headers.filter(([known]) => known !== name);
  // An empty one is left out.
  if (value !== '') draft.headers.push([name, value]);
}

function withoutBody(draft: Draft): void {
  delete draft.body;
  setHeader(draft, 'Content-Type', '');
}

function newAddress(random: Random): string {
  // From a few addresses many requests come.
  return random.chance(0.2)
    ? `10.1.0.${random.below(4)}`
    : `10.${2 + random.below(200)}.${random.below(256)}.1`;
}

function around(
  path: string,
  { authorization, fields = [] }: Presented,
  own: Fields,
  { random, world }: Source,
): Draft {
  return {
    method: 'POST',
    path,
    headers: [
      ['Host', new URL(world.issuer).host],
      ['Content-Type', FORM],
      ['Accept', 'application/json'],
      ['X-Forwarded-For', newAddress(random)],
      ...(authorization === undefined ? [] : ([['Authorization', authorization]] as [string, Text][])),
    ],
    body: encode(random.chance(0.5) ? [...own, ...fields] : [...fields, ...own], random),
    pause: random.chance(0.6) ? 0 : random.below(4_000),
  };
}

/** Clients that are asked most are those that may do most. */
const CLIENTS: Readonly<Record<string, number>> = {
  shop: 10,
  machine: 8,
  posting: 5,
  keyed: 4,
  endpoint: 3,
  'shop-api': 2,
};

/** Who asks; at the token endpoint at times a client that has something to present to a grant. */
function pickParty({ random, world, held }: Source, path: string): [Party, grant?: string] {
  if (path === INTROSPECTION_PATH && random.chance(0.4)) return [named(world.parties, 'shop-api')];
  const any = random.weigh(world.parties.map((party) => [CLIENTS[party.id] ?? 1, party] as const));
  if (path === TOKEN_PATH) {
    const grant = random.weigh([
      [12, undefined],
      [2, 'password'],
      [3, 'refresh_token'],
      [3, EXCHANGE],
    ]);
    const who = grant && held.filter(fits[grant] ?? isAccess);
    return who ? [named(world.parties, random.pick(who.slice(-60)).client), grant] : [any];
  }
  return [random.chance(0.5) ? named(world.parties, random.pick(held.slice(-60)).client) : any];
}

const fits: Readonly<Record<string, (held: Held) => boolean>> = {
  password: ({ kind, client }) => kind === 'refresh' && client !== 'web',
  refresh_token: ({ kind }) => kind === 'refresh',
  [EXCHANGE]: (held) => isAccess(held) || held.kind === 'connection',
};

const named = (parties: readonly Party[], id: string): Party =>
  parties.find((party) => party.id === id) ?? (parties[0] as Party);

export function nextRequest(source: Source): Sent {
  const { random } = source;
  const path = random.weigh([
    [60, TOKEN_PATH],
    [24, INTROSPECTION_PATH],
    [14, REVOCATION_PATH],
  ]);
  const [party, grant] = pickParty(source, path);
  const way = random.chance(0.82) ? right : random.weigh(WAYS);
  const own =
    path === TOKEN_PATH
      ? tokenFields(party, source, grant)
      : presentingFields(party, source, path === INTROSPECTION_PATH);
  if (random.chance(0.06)) own.push(...random.pick(EXTRA_FIELDS));
  if (random.chance(0.01)) own.push(random.pick(own.length > 0 ? own : [['foo', 'bar'] as const]));
  const draft = around(path, way(party, source), own, source);
  draft.client = party.id;
  while (random.chance(0.1)) random.weigh(CHANGES)(draft, source);
  return draft;
}

/** Wrong secrets of one client from one address until that is blocked, and what comes after them. */
export function guesses(source: Source): Sent[] {
  const { random, world } = source;
  const party = random.pick(world.parties);
  const address = `10.250.${random.below(256)}.${random.below(256)}`;
  const requests = Array.from({ length: 24 }, (_, index) => {
    const path = random.pick([TOKEN_PATH, INTROSPECTION_PATH, REVOCATION_PATH]);
    const guess = random.chance(0.5)
      ? { authorization: basic(`${party.id}:wrong`) }
      : inBody(party.id, 'wrong');
    const draft = around(
      path,
      index < 21 ? guess : right(party, source),
      path === TOKEN_PATH ? [['grant_type', 'client_credentials']] : [['token', 'x']],
      source,
    );
    setHeader(draft, 'X-Forwarded-For', address);
    draft.client = party.id;
    draft.pause = 0;
    return draft;
  });
  return requests;
}
