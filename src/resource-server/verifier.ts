/**
 * Verifying access tokens at a resource server: JWTs here (RFC 9068 section 4), with the keys of the authorization
 * server and its feed of revocations, or every token by introspection (RFC 7662). What cannot be told is refused.
 */
import { errors, jwtVerify } from 'jose';
import { SIGNING_ALGS } from '../nouns/signing-algs.ts';
import type { TableColumns } from '../permissions/column-limits.ts';
import { COLUMN_TYPES } from '../permissions/column-types.ts';
import { isSameResource, spellingsOf } from '../permissions/resource-identifiers.ts';
import { isCompactJws } from '../registry/compact-jws.ts';
import { isAhead } from '../registry/nodes.ts';
import { notActive, uncheckable } from './errors.ts';
import { type Answer, createIntrospect } from './introspection.ts';
import { keysOf } from './revocation-feed.ts';
import { followRevocations } from './revocations.ts';
import { toVerifiedToken, type VerifiedToken } from './verified-token.ts';

/** Larger than any token that Grantable makes. */
const MAX_LENGTH = 16_384;
/** RFC 6750 section 2.1. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

export interface VerifierOptions {
  /** Of the authorization server. */
  readonly issuer: string;
  /** Where it answers servers, if not at the URL of the issuer: one of its `GRANTABLE_HOSTS`. */
  readonly backChannel?: string;
  /** Identifier of this resource (RFC 8707): the only `aud` that is good here. */
  readonly resource: string;
  /** The application that lists the resource in `introspects`. */
  readonly clientId: string;
  readonly clientSecret: string;
  /**
   * What the resource says in `token.typ`: with `JWT` tokens of that type are taken too. `at+jwt` unless said otherwise.
   */
  readonly tokenType?: 'at+jwt' | 'JWT';
  /**
   * Types of columns by which rights may be limited, by table: `{ orders: { customer_id: 'integer' } }`. Values compare in
   * them, so that 042 is 42; in other columns they compare as texts.
   */
  readonly tables?: TableColumns;
  /** `local`, unless said otherwise: JWTs are verified here. `introspection`: every token is asked about. */
  readonly mode?: 'local' | 'introspection';
  /** Seconds that the answer of an introspection may be used again; unless said otherwise 1 in `local` mode, else 5. */
  readonly maxStaleness?: number;
  /** Seconds without word of revocations after which every JWT is refused with 503; 30 unless said otherwise. */
  readonly maxFeedSilence?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Told what stands in the way of following the revocations; it goes on by itself. */
  readonly onError?: (error: unknown) => void;
}

export interface Verifier {
  readonly issuer: string;
  readonly resource: string;
  /** @throws AccessError */
  verify(token: string): Promise<VerifiedToken>;
  /** Stops following the revocations. */
  close(): void;
}

/** What the library throws at a bad token, and not at keys that cannot be had. */
function isBadToken(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== 'ERR_JOSE_GENERIC'
  );
}

function requireKnownTypes(tables: TableColumns): void {
  const known: readonly string[] = COLUMN_TYPES;
  for (const [table, columns] of Object.entries(tables)) {
    for (const [column, type] of Object.entries(columns)) {
      if (known.includes(type)) continue;
      throw new TypeError(
        `Unknown type ${JSON.stringify(type)} of ${table}.${column}. Use ${COLUMN_TYPES.join(', ')}.`,
      );
    }
  }
}

/** @throws TypeError for a type of a column that does not exist */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, resource, clientId, clientSecret, mode = 'local', tokenType = 'at+jwt' } = options;
  const { tables = {}, backChannel: server = issuer, now = Date.now, onError = () => undefined } = options;
  const { maxStaleness = mode === 'local' ? 1 : 5, maxFeedSilence = 30 } = options;
  requireKnownTypes(tables);
  const asker = { server, resource, clientId, clientSecret, now };
  const introspect = createIntrospect(asker, maxStaleness);
  const keys = keysOf(server);
  const revocations =
    mode === 'local' ? followRevocations({ ...asker, issuer, keys, maxFeedSilence, onError }) : undefined;

  async function verifyJwt(token: string) {
    if (!isCompactJws(token)) throw notActive();
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        issuer,
        audience: [...spellingsOf(resource)],
        algorithms: [...SIGNING_ALGS],
        requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti', 'client_id', 'anc', 'as_of'],
        currentDate: new Date(now()),
      });
      return { typ: protectedHeader.typ, payload };
    } catch (error) {
      if (isBadToken(error)) throw notActive(error);
      throw uncheckable(error);
    }
  }

  /** @returns what the token says, or the authorization server of it */
  async function readClaims(token: string): Promise<Pick<Answer, 'claims'> & Partial<Answer>> {
    // Opaque tokens have no dots; of them only the authorization server can tell.
    if (!revocations || !token.includes('.')) return introspect(token);
    const { typ, payload: claims } = await verifyJwt(token);
    const { jti, anc, aud, as_of: asOf } = claims;
    const isWhole = Array.isArray(anc) && typeof jti === 'string' && typeof asOf === 'number';
    const isAccessToken = typ === 'at+jwt' || (typ === 'JWT' && typ === tokenType);
    if (!isWhole || !isAccessToken || !isSameResource(aud, resource)) throw notActive();
    const standing = await revocations.standingOf([jti, ...anc.map(String)], asOf);
    if (standing === 'ended') throw notActive();
    // An ancestor has lost rights, and the token does not say which; or the clocks differ, and the authorization
    // server's clock decides.
    const mustAsk = standing === 'narrowed' || isAhead(asOf, now());
    return mustAsk ? introspect(token) : { claims };
  }

  return {
    issuer,
    resource,
    async verify(token) {
      if (token.length > MAX_LENGTH || !TOKEN.test(token)) throw notActive();
      const { claims, at } = await readClaims(token);
      return toVerifiedToken(claims, { resource, tables }, at);
    },
    close: () => revocations?.close(),
  };
}
