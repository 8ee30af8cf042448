/**
 * The administered nouns: what a value of one may be. Pure: no store, no requests.
 *
 * This file: a schema for each kind of value. Each says of a bad value what is wrong, as the end of a sentence.
 */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { MalformedRequest } from '../errors/domain.ts';
import { findCatalogueIdProblem, findTableIdProblem } from '../permissions/table-ids.ts';
import { isHostAndPort } from './hosts.ts';
import { MANAGEMENT_ID, ORGANIZATION_CLIENT, reservedNames } from './names.ts';
import { findNetworkProblem } from './networks.ts';
import { RESERVED_SCOPES } from './openid-scopes.ts';
import { findRedirectUriProblem, isLoopback } from './redirect-uris.ts';
import { SIGNING_ALGS } from './signing-algs.ts';
import { canonicalEmail, canonicalUsername } from './usernames.ts';

/** @param shape says in the documentation what the text may be @param findProblem gives the end of a sentence */
export function text(
  shape: string,
  findProblem: (text: string) => string | undefined,
): z.ZodType<string, string> {
  return z
    .string()
    .superRefine((value, context) => {
      const problem = findProblem(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .meta({ shape });
}

/** No value twice. */
export function listOf<T extends z.ZodType>(
  item: T,
  identify: (value: z.output<T>) => unknown = (value) => value,
) {
  return z.array(item).superRefine((values, context) => {
    const seen = new Set<unknown>();
    for (const [index, value] of values.entries()) {
      const id = identify(value);
      if (id !== undefined && seen.has(id))
        context.addIssue({ code: 'custom', message: 'is there twice', path: [index] });
      seen.add(id);
    }
  });
}

const SCOPE = /^[!#-[\]-~]{1,128}$/;
const SCOPE_PROBLEM = 'is not a scope: 1 to 128 visible ASCII characters but " and \\';
const SLUG_PROBLEM = 'is not made of 1 to 63 lower-case letters, digits and inner hyphens';
const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const VISIBLE = /^[!-~]+$/;
const INVISIBLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

function findLineProblem(value: string, most: number): string | undefined {
  if (value.trim() === '') return 'is empty';
  if (value.trim() !== value) return 'starts or ends with a blank';
  if (value.length > most) return `is longer than ${most} characters`;
  return INVISIBLE.test(value) ? 'holds control or text direction characters' : undefined;
}

/** A line of text for people. */
export const line = text('text', (value) => findLineProblem(value, 200));

/** A sentence or two for people. */
export const description = text('text', (value) => findLineProblem(value, 1_000));

const MAX_ATTRIBUTES = 20;

const attributeName = text('lower-case letters, digits and underscores', (value) =>
  /^[a-z][a-z0-9_]{0,31}$/.test(value)
    ? undefined
    : 'is not made of 1 to 32 lower-case letters, digits and underscores, with a letter first',
);

/** Texts by name. */
export const attributes = z
  .record(
    attributeName,
    text('text', (value) => findLineProblem(value, 256)),
  )
  .refine((values) => Object.keys(values).length <= MAX_ATTRIBUTES, `has more than ${MAX_ATTRIBUTES}`);

const slugBut = (reserved: ReadonlySet<string>) =>
  text('lower-case letters, digits and hyphens', (value) => {
    if (reserved.has(value)) return 'is a reserved name';
    return SLUG.test(value) ? undefined : SLUG_PROBLEM;
  });

export const slug = slugBut(new Set());

export const organizationName = slugBut(reservedNames);

export const applicationName = slugBut(new Set(['management', ORGANIZATION_CLIENT]));

export const channel = text('letters, digits and underscores', (value) =>
  /^[A-Za-z0-9_]{1,128}$/.test(value) ? undefined : 'is not made of 1 to 128 letters, digits and underscores',
);

/** A choice that may be left out. */
export const flag = z.boolean().exactOptional();

/** Seconds. */
export const exchangeTtl = z.int().min(10).max(86_400);

export const webSocketUrl = text('a WebSocket URL', (value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isWebSocket = url?.protocol === 'ws:' || url?.protocol === 'wss:';
  return isWebSocket && VISIBLE.test(value) && value.length <= 1024 ? undefined : 'is not a ws or wss URL';
});

/** A link in a mail. */
export const mailUrl = text('a URL with {token} in it', (value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isWeb = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (!isWeb || !VISIBLE.test(value) || value.length > 1024) return 'is not an https URL';
  return value.split('{token}').length === 2 ? undefined : 'does not have {token} in it, once';
});

export const clientId = text('visible ASCII', (value) => {
  if (!VISIBLE.test(value) || value.length > 128) return 'is not made of 1 to 128 visible ASCII characters';
  return value === 'management' ? 'is a reserved name' : undefined;
});

const MIN_SECRET_LENGTH = 32;

export const clientSecret = text(`visible ASCII, at least ${MIN_SECRET_LENGTH} characters`, (value) => {
  if (!/^[ -~]+$/.test(value)) return 'holds characters outside of visible ASCII';
  if (value.length < MIN_SECRET_LENGTH) return `is shorter than ${MIN_SECRET_LENGTH} characters`;
  if (value.length > 512) return 'is longer than 512 characters';
  return new Set(value).size < 8 ? 'is easily guessed' : undefined;
});

/** Ends as a sentence what the directory says of a name, hash or address that it would refuse. */
export function findRefusal(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof MalformedRequest) return `is not valid. ${error.told.slice(0, -1)}`;
    throw error;
  }
}

/** The least characters of a new password (NIST 800-63B section 3.1.1.2); an application may ask for more. */
export const MIN_PASSWORD_LENGTH = { administrator: 15, user: 8 } as const;

/** Whether it is long enough depends on whose it is: see `src/apply/contradictions.ts`. */
export const password = z.string().min(1).meta({ shape: 'text' });

export const username = text('text', (value) => findRefusal(() => canonicalUsername(value)));

export const email = text('an email address', (value) => findRefusal(() => canonicalEmail(value)));

/** RFC 6749 section 3.3. */
export const scope = text('a scope', (value) => (SCOPE.test(value) ? undefined : SCOPE_PROBLEM));

/** One that a resource declares. */
export const resourceScope = text('a scope', (value) => {
  if (RESERVED_SCOPES.has(value)) return 'belongs to OpenID Connect, not to a resource';
  return SCOPE.test(value) ? undefined : SCOPE_PROBLEM;
});

/** A table where a catalogue names it. */
export const catalogueTable = text('text', findCatalogueIdProblem);

const MAX_GROUP_LENGTH = 127;

/** A group of tables, which permissions name as a table with an @ in front. */
export const tableGroup = text('text', (value) =>
  value.length > MAX_GROUP_LENGTH
    ? `must have at most ${MAX_GROUP_LENGTH} characters`
    : findCatalogueIdProblem(value),
);

/** A column of a table of a catalogue. */
export const columnName = text('text', (value) =>
  value === '*' ? 'must not be a wildcard' : findTableIdProblem(value),
);

/** RFC 8707 section 2. */
export const identifier = text('an absolute URI', (value) => {
  if (!VISIBLE.test(value) || value.length > 512) return 'is not made of 1 to 512 visible ASCII characters';
  if (value.includes('#')) return 'has a fragment';
  return URL.canParse(value) ? undefined : 'is not an absolute URI';
});

export const redirectUri = text('an absolute URI', findRedirectUriProblem);

/** Schemes of the pages of apps and browser extensions; their platform decides what follows `://`. */
const APP_ORIGIN =
  /^(?:capacitor|ionic|tauri|chrome-extension|moz-extension|safari-web-extension):\/\/[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(?::[1-9]\d{0,4})?$/;

export const origin = text('an origin', (value) => {
  if (APP_ORIGIN.test(value)) return undefined;
  if (value.includes('*')) return 'has a wildcard; each origin must be listed whole';
  const url = URL.parse(value);
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || !isWeb) {
    return 'is not an origin such as https://app.example.com, capacitor://localhost or chrome-extension://<id>';
  }
  return url.origin === value ? undefined : `is not in the plain form of an origin, ${url.origin}`;
});

/** RFC 8414 section 2. */
export const issuer = text('an https URL without a query', (value) => {
  if (!VISIBLE.test(value) || value.length > 512) return 'is not made of 1 to 512 visible ASCII characters';
  const url = URL.parse(value);
  if (url?.protocol !== 'https:') return 'is not an https URL';
  const isPlain = !/[?#]/.test(value) && url.username === '' && url.password === '';
  return isPlain ? undefined : 'has a user name, a password, a query or a fragment';
});

/** Where keys are fetched from. */
export const keysUrl = text('an https URL', (value) => {
  if (!VISIBLE.test(value) || value.length > 512) return 'is not made of 1 to 512 visible ASCII characters';
  const url = URL.parse(value);
  if (url?.protocol !== 'https:') return 'is not an https URL';
  return url.hash || url.username || url.password ? 'has a user name, a password or a fragment' : undefined;
});

/** `sub` at an issuer (OpenID Connect Core section 2). */
export const foreignSubject = text('text', (value) => findLineProblem(value, 255));

export const host = text('a host name, with or without port', (value) =>
  isHostAndPort(value) ? undefined : 'is not a host name in lower case, with or without port',
);

export const network = text('an IP address or CIDR block', findNetworkProblem);

export const signingAlg = z.enum(SIGNING_ALGS);

/** Milliseconds since the epoch. */
export const moment = z.int();

/** Where a user lives, a part of every subject. */
export const realm = z.union([
  z.literal('management'),
  z.templateLiteral(['organization:', z.string()]),
  z.templateLiteral(['application:', z.string()]),
]);

export type Realm = z.output<typeof realm>;

/** The realm that an organization has for all its applications. @param organization id */
export function realmOf(organization: string): Realm {
  return organization === MANAGEMENT_ID ? 'management' : `organization:${organization}`;
}

const OF_APPLICATION = 'application:';

/** Id of the application whose own users the realm has; undefined: it is not one of an application. */
export function applicationOf(realm: string): string | undefined {
  return realm.startsWith(OF_APPLICATION) ? realm.slice(OF_APPLICATION.length) : undefined;
}

const storedLimit = z.strictObject({
  actions: z.string(),
  columns: z.array(z.string()).exactOptional(),
  rows: z
    .array(
      z.strictObject({
        column: z.string(),
        values: z.array(z.string()),
        variables: z.array(z.string()).exactOptional(),
      }),
    )
    .exactOptional(),
});

/** As nouns keep them. */
export const storedPermissions = z.strictObject({
  isAdmin: z.boolean(),
  tables: z.array(
    z.strictObject({
      table: z.string(),
      actions: z.string(),
      limits: z.array(storedLimit).exactOptional(),
      also: z.array(z.string()).exactOptional(),
    }),
  ),
});

export const NOTHING_STORED = { isAdmin: false, tables: [] } as const;

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const KEY_TYPES = ['RSA', 'EC', 'OKP'];

const publicKey = z.record(z.string(), z.unknown()).superRefine((key, context) => {
  const problem = findKeyProblem(key);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

/** RFC 7517 section 5, public keys only. */
export const jwks = z
  .strictObject({ keys: z.array(publicKey).min(1).max(20) })
  .meta({ shape: 'a JSON Web Key Set' });

/** Such as coordinates that are a point of the curve. */
function isReadable(key: Readonly<Record<string, unknown>>): boolean {
  try {
    createPublicKey({ key: { ...key }, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

function findKeyProblem(key: Readonly<Record<string, unknown>>): string | undefined {
  if (PRIVATE_MEMBERS.some((name) => name in key)) return 'is a private key: list public ones';
  if (!KEY_TYPES.includes(String(key.kty))) return `must have a kty of ${KEY_TYPES.join(', ')}`;
  const needed = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'] }[String(key.kty)] ?? [];
  const missing = needed.find((name) => typeof key[name] !== 'string');
  if (missing !== undefined) return `lacks the member ${missing}`;
  const isShort = key.kty === 'RSA' && Buffer.from(String(key.n), 'base64url').length < 256;
  if (isShort) return 'is an RSA key of less than 2048 bits';
  return isReadable(key) ? undefined : 'is not a public key that can be read';
}

const MOST_FETCHED_KEYS = 100;

/**
 * The keys of a fetched key set that can be used; others may be there beside them.
 * @throws Error if it is not a key set, or has too many keys
 */
export function readPublicKeys(fetched: unknown): z.output<typeof jwks> {
  const { keys } = z.looseObject({ keys: z.array(z.unknown()).max(MOST_FETCHED_KEYS) }).parse(fetched);
  const usable = keys.map((key) => publicKey.safeParse(key).data);
  return { keys: usable.filter((key) => key !== undefined) };
}
