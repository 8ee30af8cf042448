/**
 * `/oauth/revocations`: the revocation feed for resource servers that verify JWTs themselves. The answer is a JWT
 * signed with a key of the JWKS, so that it can be trusted wherever it was kept. `docs/resource-server.md` has its
 * parameters and claims. GET with HTTP Basic, or POST with a form where a client authenticates in another way.
 */
import type { Context } from 'koa';
import { CREDENTIAL_PARAMETERS } from '../clients/credentials.ts';
import type { Form } from '../clients/form.ts';
import type { Directory } from '../directory/directory.ts';
import { MalformedRequest } from '../errors/domain.ts';
import type { SignJwt } from '../keys/sign-jwt.ts';
import type { Application } from '../nouns/index.ts';
import { ACCESS_TOKEN_ALG } from '../nouns/signing-algs.ts';
import { quoteName } from '../permissions/errors.ts';
import type { Feed, FeedPage } from '../registry/feed.ts';
import type { NodeRecord } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type Requests, requireForm, requireServing } from './requests.ts';

/** Of the header of the JWT, and in `Content-Type` behind `application/`. */
const REVOCATIONS_TYPE = 'revocations+jwt';

/** Seconds. */
const LONGEST_WAIT = 30;
const OWN_FIELDS = ['after', 'wait', 'nonce'];

export interface RevocationFeedDeps {
  readonly issuer: string;
  readonly requests: Requests;
  readonly directory: Pick<Directory, 'view'>;
  readonly feed: Feed;
  readonly sign: SignJwt;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Credentials in a URL would stand in logs (RFC 6750 section 5.3), so GET takes none. */
async function readFields(ctx: Context): Promise<Form> {
  const isGet = ctx.method === 'GET';
  const fields: Form = isGet ? { ...ctx.query } : await requireForm(ctx);
  const known: string[] = isGet ? OWN_FIELDS : [...OWN_FIELDS, ...CREDENTIAL_PARAMETERS];
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new MalformedRequest({
      description: `Unknown parameter ${quoteName(unknown)}. Send ${OWN_FIELDS.join(', ')}.`,
    });
  return fields;
}

function readNumber(fields: Form, name: string, most: number): number {
  const value = fields[name];
  if (value === undefined) return 0;
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value) || Number(value) > most) {
    throw new MalformedRequest({
      description: `The parameter ${name} must be a whole number of at most ${most}.`,
    });
  }
  return Number(value);
}

function readNonce({ nonce }: Form): string | undefined {
  if (nonce === undefined) return undefined;
  if (typeof nonce !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(nonce)) {
    throw new MalformedRequest({
      description: 'The parameter nonce must be 1 to 64 letters, digits, _ and -.',
    });
  }
  return nonce;
}

function spell({ id, revokedAt, restoredAt, narrowedAt, expiresAt }: NodeRecord): Record<string, unknown> {
  return {
    id,
    ...defined({ revoked_at: revokedAt, restored_at: restoredAt, narrowed_at: narrowedAt }),
    exp: Math.ceil(expiresAt / 1000),
  };
}

export function createRevocationFeed({ issuer, requests, directory, feed, sign, now }: RevocationFeedDeps) {
  async function answer(
    client: Application,
    after: number,
    nonce: string | undefined,
    page: FeedPage,
  ): Promise<string> {
    // What it may hear of after a poll, which may have been long.
    const current = await (await directory.view()).findApplication(client.clientId);
    const claims = {
      iss: issuer,
      aud: client.clientId,
      iat: Math.floor(now() / 1000),
      ...defined({ nonce }),
      resources: current?.application.introspects ?? [],
      after: String(after),
      next: String(page.next),
      more: page.more,
      reset: page.reset,
      nodes: page.nodes.map(spell),
    };
    return sign(JSON.stringify(claims), [ACCESS_TOKEN_ALG], REVOCATIONS_TYPE);
  }

  return async (ctx: Context): Promise<void> => {
    const fields = await readFields(ctx);
    const after = readNumber(fields, 'after', Number.MAX_SAFE_INTEGER);
    const wait = readNumber(fields, 'wait', LONGEST_WAIT);
    const nonce = readNonce(fields);
    const { client } = await requests.authenticate(
      { authorization: ctx.get('Authorization'), form: fields, state: ctx.state },
      { servesPublic: false },
    );
    const { application } = client;
    ctx.set('Cache-Control', 'no-store');
    requireServing(application);
    const gone = new AbortController();
    ctx.res.once('close', () => gone.abort());
    const audience = { organization: application.organization, resources: application.introspects };
    const page = await feed.read(after, audience, { ms: wait * 1000, signal: gone.signal });
    ctx.type = `application/${REVOCATIONS_TYPE}`;
    ctx.body = await answer(application, after, nonce, page);
  };
}
