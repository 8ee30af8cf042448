/**
 * Who calls Usergrid's API: a user of the application, the application itself, an administrator, or the organization.
 * Each comes with a token that was got through this API, or with credentials that are traded for one of a few seconds.
 */
import { type Author, authorOf } from '../../changes/author.ts';
import type { Application, User } from '../../nouns/index.ts';
import type { TokenRow } from '../../storage/contract.ts';
import type { ApplicationSecret, Ask, FaceRequest, TokenQuestion } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { type UsergridSettings, usergrid } from './declaration.ts';
import type { Envelope } from './entities.ts';
import { insteadOfWrongLogin, noAccess, UsergridRefusal } from './errors.ts';
import { findInQuery } from './requests.ts';

/** Seconds that it takes to answer a request with credentials of its own. */
const TRADE_TTL = 5;
/** One of ours, or one of the original. */
const TOKEN = /^(?:[\w-]{20,}|[\w-]+\.[\w-]+\.[\w-]+|[\w-]+(?::[\w-]+){1,2})$/;

export type Principal = {
  readonly token: string;
  readonly row: TokenRow;
} & (
  | { readonly kind: 'user' | 'administrator'; readonly user: User }
  | { readonly kind: 'application' | 'organization'; readonly application: Application }
);

export type Principals = ReturnType<typeof createPrincipals>;

type Plain = Readonly<Record<string, unknown>> & { readonly entities?: never };

/** What the routes answer by their names, without the times that all answers have. */
export type Answers = Readonly<Record<string, (request: FaceRequest, ask: Ask) => Promise<Envelope | Plain>>>;

/**
 * What an id and a secret are traded with at the URL of an application: that application's own, or the organization's,
 * which means that application's resource.
 */
export async function toCredentialsQuestion(
  as: ApplicationSecret,
  { client, view }: FaceRequest,
): Promise<TokenQuestion> {
  const known = await view.findApplication(as.clientId);
  const { id: own, resource } = client.application;
  return {
    grantType: 'client_credentials',
    as,
    clients: ({ id, isOrganization }) => isOrganization === true || id === own,
    asked: known?.application.isOrganization ? { resource } : {},
  };
}

/** For the audit. */
export function authorFor(principal: Principal | undefined, request: FaceRequest): Author {
  if (!principal) return authorOf(request, { registeringThrough: usergrid.name });
  const { user, application: client } = principal.row;
  return authorOf(request, user === undefined ? { client } : { user });
}

/** @throws UsergridRefusal for a header that holds no token */
function findValue(request: FaceRequest): string | undefined {
  const value = findInQuery(request, 'access_token') ?? request.bearer;
  if (value === undefined && /^Bearer\b/i.test(request.header('authorization'))) {
    throw new UsergridRefusal('auth_bad_access_token');
  }
  return value;
}

export function createPrincipals({ users, presentedTokens }: FaceParts) {
  async function fromRow(token: string, row: TokenRow, request: FaceRequest): Promise<Principal> {
    const { view, settings, organization } = request;
    if (row.user === undefined) {
      const active = await view.findApplicationById(row.application);
      if (!active) throw new UsergridRefusal('auth_invalid');
      const { application } = active;
      return { token, row, kind: application.isOrganization ? 'organization' : 'application', application };
    }
    const user = await users.find(row.user);
    if (!user) throw new UsergridRefusal('auth_invalid');
    if (user.realm !== 'management') return { token, row, kind: 'user', user };
    if (!settings.administrators || !user.administers.includes(organization.id)) throw noAccess();
    return { token, row, kind: 'administrator', user };
  }

  async function fromToken(token: string, request: FaceRequest): Promise<Principal> {
    if (!TOKEN.test(token)) throw new UsergridRefusal('auth_bad_access_token');
    const row = await request.findToken(token);
    if (row) return fromRow(token, row, request);
    throw new UsergridRefusal((await presentedTokens.hasExpired(token)) ? 'expired_token' : 'auth_invalid');
  }

  async function fromCredentials(
    as: ApplicationSecret,
    code: 'invalid_client' | 'auth_invalid_credentials',
    request: FaceRequest,
    ask: Ask,
  ): Promise<Principal> {
    const question = { ...(await toCredentialsQuestion(as, request)), token: { ttl: TRADE_TTL } };
    const { answer, row } = await ask
      .token(question)
      .catch(insteadOfWrongLogin(() => new UsergridRefusal(code)));
    return fromRow(answer.access_token, row, request);
  }

  /** @throws UsergridRefusal for a token or credentials that are not valid */
  async function find(request: FaceRequest, ask: Ask): Promise<Principal | undefined> {
    const token = findValue(request);
    if (token !== undefined) return fromToken(token, request);
    const clientId = findInQuery(request, 'client_id');
    const clientSecret = findInQuery(request, 'client_secret');
    if (clientId !== undefined && clientSecret !== undefined) {
      if (!(request.settings as UsergridSettings).queryCredentials) {
        throw new UsergridRefusal('invalid_client', 'client_secret is not taken from a query');
      }
      return fromCredentials({ clientId, clientSecret }, 'invalid_client', request, ask);
    }
    if (request.basic) return fromCredentials(request.basic, 'auth_invalid_credentials', request, ask);
    if (/^Basic\b/i.test(request.header('authorization'))) {
      throw new UsergridRefusal('auth_invalid_credentials');
    }
    return undefined;
  }

  return {
    find,
    /** @throws UsergridRefusal without one too */
    async require(request: FaceRequest, ask: Ask): Promise<Principal> {
      const principal = await find(request, ask);
      if (!principal) throw noAccess();
      return principal;
    },
  };
}
