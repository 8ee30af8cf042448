/**
 * What an agent says about itself, in a metadata document or when it registers (RFC 7591 section 2;
 * draft-ietf-oauth-client-id-metadata-document section 4). Members that nothing here reads are ignored.
 */
import { hash } from 'node:crypto';
import { MetadataRejected } from '../errors/domain.ts';
import { quote } from '../errors/texts.ts';
import type { Application, AuthMethod, Grant } from '../nouns/index.ts';
import { findRedirectUriProblem, isOnDevice } from '../nouns/redirect-uris.ts';
import { isShownName, MAX_SHOWN_NAME } from '../nouns/shown-name.ts';
import { jwks as publicKeys } from '../nouns/values.ts';
import { isJsonObject, type JsonObject } from '../permissions/json.ts';

export interface AgentFacts {
  readonly clientId: string;
  /** One line of at most 100 characters, all of them seen. */
  readonly name: string;
  readonly redirectUris: readonly string[];
  /** Those of its `grant_types` that agents may use here. */
  readonly grants: readonly Grant[];
  readonly authMethod: AuthMethod;
  /** Public keys, for `private_key_jwt`; absent too while they are still to be fetched from `jwksUri`. */
  readonly jwks?: AgentKeys;
  readonly jwksUri?: string;
  /** An application on a device, whose redirect URIs on this machine may have any port (RFC 8252 section 7.3). */
  readonly native: boolean;
  /** An https URL. Only administrators are shown it, as text: anyone may name any page. */
  readonly homepage?: string;
}

type AgentKeys = { readonly keys: readonly Readonly<Record<string, unknown>>[] };

/** What agents say of themselves, whichever way their client id comes about. */
export type SaidFacts = Omit<AgentFacts, 'clientId'>;

export type AgentKind = NonNullable<Application['agent']>['kind'];

const MOST_REDIRECT_URIS = 20;

/** The grants that agents may use here, by their types (RFC 7591 section 2). */
export const AGENT_GRANT_TYPES: readonly (readonly [type: string, grant: Grant])[] = [
  ['authorization_code', 'authorization_code'],
  ['refresh_token', 'refresh_token'],
  ['urn:ietf:params:oauth:grant-type:jwt-bearer', 'identity_assertion'],
];

/**
 * How it may authenticate; the first is the default. That of RFC 7591 is a secret, which the publisher of a document cannot
 * share with this server.
 */
const AUTH_METHODS_OF: Readonly<Record<AgentKind, readonly [AuthMethod, ...AuthMethod[]]>> = {
  document: ['none', 'private_key_jwt'],
  registered: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
};

/** The rest of a key, such as its certificates, may change while the key is the same. */
const KEY_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use', 'key_ops'];

/** URIs that people or programs may follow, whether or not Grantable does (AZ-02). */
const WEB_URIS = ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'initiate_login_uri', 'jwks_uri'];

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

/** Others may be nested deeper than can be written. */
function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (isTexts(value)) return quote(value.join(' '));
  return typeof value === 'object' && value !== null ? 'a list or an object' : String(value);
}

/** @param wanted what it must, as the end of a sentence */
const unfit = (member: string, value: unknown, wanted: string): MetadataRejected =>
  new MetadataRejected(`${member} is ${show(value)}: it must ${wanted}.`);

const unfitUri = (description: string): MetadataRejected =>
  new MetadataRejected(description, { error: 'invalid_redirect_uri' });

/** @throws MetadataRejected */
function requireObject(json: unknown, what: string): JsonObject {
  if (isJsonObject(json)) return json;
  throw new MetadataRejected(`${what} must be a JSON object.`);
}

function readText(metadata: JsonObject, name: string): string | undefined {
  const value = metadata[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new MetadataRejected(`${name} must be a text and is ${show(value)}.`);
}

function readTexts(metadata: JsonObject, name: string): readonly string[] | undefined {
  const value = metadata[name];
  if (value === undefined) return undefined;
  if (isTexts(value)) return [...new Set(value)];
  throw new MetadataRejected(`${name} must be a list of texts and is ${show(value)}.`);
}

function parseName(metadata: JsonObject): string {
  const name = readText(metadata, 'client_name')?.trim();
  if (name !== undefined && isShownName(name)) return name;
  const wrong = name === undefined ? 'is missing' : `is ${show(name)}`;
  throw new MetadataRejected(
    `client_name ${wrong}: it must be one line of at most ${MAX_SHOWN_NAME} characters that can all be seen.`,
  );
}

/** Where programs of one device reach each other (RFC 8252 section 7.3). */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

type ClientType = { readonly native: boolean; readonly kind: AgentKind };

/** What does not go with the type of the application. */
function findUnfit(uri: string, { native, kind }: ClientType): string | undefined {
  const { protocol, hostname } = new URL(uri);
  const needsNative = 'which needs the application_type native';
  const isHere = LOOPBACK.includes(hostname);
  switch (protocol) {
    case 'https:':
      return native && isHere ? 'has https on this machine, where a native application has http' : undefined;
    case 'http:':
      if (native) return isHere ? undefined : `has http at a host other than ${LOOPBACK.join(', ')}`;
      // Documents are published for all servers, and many of them say so of an application on this machine.
      if (kind === 'registered') return `has http, ${needsNative}`;
      return hostname === 'localhost' ? undefined : `has http and an IP address, ${needsNative}`;
    default:
      return native ? undefined : `has a scheme of its own, ${needsNative}`;
  }
}

function requireRedirectUris(uris: readonly string[], member: string, client: ClientType): void {
  for (const uri of uris) {
    const problem = findRedirectUriProblem(uri) ?? findUnfit(uri, client);
    if (problem !== undefined) throw unfitUri(`${member} has ${quote(uri)}, which ${problem}.`);
  }
}

function parseRedirectUris(
  metadata: JsonObject,
  kind: AgentKind,
): Pick<AgentFacts, 'redirectUris' | 'native'> {
  const type = readText(metadata, 'application_type');
  if (type !== undefined && type !== 'web' && type !== 'native')
    throw unfit('application_type', type, 'be web or native');
  const redirectUris = readTexts(metadata, 'redirect_uris') ?? [];
  const { length } = redirectUris;
  if (length === 0 || length > MOST_REDIRECT_URIS)
    throw unfitUri(`redirect_uris has ${length} URIs: it must have 1 to ${MOST_REDIRECT_URIS}.`);
  // Programs on devices leave the type out, although the default of OpenID Connect is web.
  const native = type === undefined ? redirectUris.some(isOnDevice) : type === 'native';
  requireRedirectUris(redirectUris, 'redirect_uris', { native, kind });
  const afterLogout = readTexts(metadata, 'post_logout_redirect_uris') ?? [];
  requireRedirectUris(afterLogout, 'post_logout_redirect_uris', { native, kind });
  return { redirectUris, native };
}

function parseGrants(metadata: JsonObject): readonly Grant[] {
  const types = readTexts(metadata, 'grant_types') ?? ['authorization_code'];
  if (!types.includes('authorization_code'))
    throw unfit(
      'grant_types',
      types,
      'have authorization_code, by which people allow what the client may do',
    );
  const responses = readTexts(metadata, 'response_types') ?? ['code'];
  if (!responses.includes('code')) throw unfit('response_types', responses, 'have code');
  return AGENT_GRANT_TYPES.flatMap(([type, grant]) => (types.includes(type) ? [grant] : []));
}

function requireWebUris(metadata: JsonObject): void {
  for (const name of Object.keys(metadata)) {
    // A member may be there once more for each language: `logo_uri#fr` (RFC 7591 section 2.2).
    const [member = ''] = name.split('#');
    if (!WEB_URIS.includes(member)) continue;
    const uri = readText(metadata, name) ?? '';
    const url = URL.parse(uri);
    if (url?.protocol !== 'https:' || url.username || url.password || uri.length > 1024)
      throw unfit(member, uri, 'be an https URL of at most 1024 characters');
  }
}

function parseAuthMethod(metadata: JsonObject, kind: AgentKind): AuthMethod {
  const known = AUTH_METHODS_OF[kind];
  const method = readText(metadata, 'token_endpoint_auth_method') ?? known[0];
  const found = known.find((each) => each === method);
  if (found !== undefined) return found;
  throw unfit('token_endpoint_auth_method', method, `be ${known.join(', ').replace(/, (\w+)$/, ' or $1')}`);
}

/** @throws MetadataRejected */
function keptMembers(key: JsonObject, what: string): [name: string, value: unknown][] {
  return KEY_MEMBERS.flatMap((name) => {
    const value = key[name];
    if (value === undefined) return [];
    if (typeof value === 'string' || (name === 'key_ops' && isTexts(value))) return [[name, value]];
    throw new MetadataRejected(`${what} has a key whose ${name} is ${show(value)}.`);
  });
}

/**
 * A JSON Web Key Set of public keys (RFC 7517 section 5).
 * @param json as parsed @param what it is called in the error
 * @throws MetadataRejected
 */
export function parseKeys(json: unknown, what: string): AgentKeys {
  const { keys } = requireObject(json, what);
  const read = publicKeys.safeParse({ keys });
  if (!read.success) {
    const [issue] = read.error.issues;
    const place =
      issue?.path[0] === 'keys' && typeof issue.path[1] === 'number' ? `key ${issue.path[1] + 1}` : 'keys';
    throw new MetadataRejected(`${what} has public keys only, at most 20: ${place} ${issue?.message}.`);
  }
  return { keys: read.data.keys.map((key) => Object.fromEntries(keptMembers(key, what))) };
}

function parseKeySource(metadata: JsonObject): Pick<AgentFacts, 'jwks' | 'jwksUri'> {
  const { jwks } = metadata;
  const jwksUri = readText(metadata, 'jwks_uri');
  if (jwks !== undefined && jwksUri !== undefined)
    throw new MetadataRejected('jwks and jwks_uri exclude each other: leave one out.');
  if (jwks !== undefined) return { jwks: parseKeys(jwks, 'jwks') };
  return jwksUri === undefined ? {} : { jwksUri };
}

/** @throws MetadataRejected with a sentence for the developer of the agent */
export function parseFacts(metadata: JsonObject, kind: AgentKind = 'document'): SaidFacts {
  requireWebUris(metadata);
  const uris = parseRedirectUris(metadata, kind);
  const authMethod = parseAuthMethod(metadata, kind);
  // Also where nothing uses them: a private key in a public document is a mistake that its publisher must hear of.
  const keys = parseKeySource(metadata);
  const usesKeys = authMethod === 'private_key_jwt';
  if (usesKeys && keys.jwks === undefined && keys.jwksUri === undefined)
    throw new MetadataRejected('private_key_jwt needs jwks or jwks_uri.');
  const homepage = readText(metadata, 'client_uri');
  return {
    name: parseName(metadata),
    ...uris,
    grants: parseGrants(metadata),
    authMethod,
    ...(usesKeys && keys),
    ...(homepage !== undefined && { homepage }),
  };
}

/**
 * @param clientId the URL that the document was fetched from
 * @param json the document as parsed
 * @throws MetadataRejected with a sentence for the developer of the agent
 */
export function parseDocument(clientId: string, json: unknown): AgentFacts {
  const metadata = requireObject(json, 'The metadata document');
  if (metadata.client_id !== clientId)
    throw unfit('client_id', metadata.client_id, `be the URL of the document, ${quote(clientId)}`);
  const secret = ['client_secret', 'client_secret_expires_at'].find((name) => name in metadata);
  if (secret !== undefined)
    throw new MetadataRejected(`${secret} must not be in a metadata document, which everyone can read.`);
  return { clientId, ...parseFacts(metadata) };
}

/**
 * The same for the same facts in another order. Another hash is another agent: what people and operators allowed was
 * for the one before.
 * @returns 43 characters
 */
export function hashOfFacts({ name, redirectUris, grants, authMethod, jwks, native }: SaidFacts): string {
  const keys = jwks?.keys.map((key) => JSON.stringify(key, KEY_MEMBERS)).sort();
  const facts = [name, redirectUris.toSorted(), grants.toSorted(), authMethod, keys ?? [], native];
  return hash('sha256', JSON.stringify(facts), 'base64url');
}
