/**
 * API Maker's system API for tokens: one URL gives and renews tokens of users (`AM`) and of rows of a user table
 * (`AM_DB`). Access tokens are ours, as JWTs; refresh tokens are wrapped into JWTs.
 */
import { ProofRejected } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import { defined } from '../../storage/defined.ts';
import type { Face, FaceRequest } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { type ApiMakerSettings, type AuthTokenInfo, apiMaker } from './declaration.ts';
import {
  FieldRefused,
  parseTokenRequest,
  REQUEST_CLAIM,
  TOKEN_ROUTE,
  type TokenRequest,
} from './requests.ts';

/** Seconds. */
const TTL = 10_800;
const REFRESH_TTL = 30 * 86_400;
const USER_HEADER = 'x-am-authorization';
const ROW_HEADER = 'x-am-user-authorization';

/** API Maker's clients look for this very text, and then get themselves a new token. */
function notValid(header: string): Refusal {
  return new Refusal(401, `Authorization header '${header}' is not valid`);
}

export function createFace({ refreshJwts }: FaceParts): Face {
  async function requireToken(
    { header, findToken, client, view }: FaceRequest,
    name: string,
    { authTokenType, instance, database, collection }: AuthTokenInfo,
  ): Promise<void> {
    // Tokens of the standard endpoints are for resource servers, which must not be able to ask for logins here.
    const row = await findToken(header(name));
    if (row?.application !== client.application.id) throw notValid(name);
    if (authTokenType === 'AM') {
      if (row.user === undefined) throw notValid(name);
      return;
    }
    const datasource = row.account && (await view.findDatasource(row.account.datasource));
    const table = datasource?.userTables.find(({ id }) => id === row.account?.userTable);
    const isOne =
      table !== undefined &&
      (instance === undefined || datasource?.name === instance) &&
      (database === undefined || table.database === database) &&
      (collection === undefined || table.collection === collection);
    if (!isOne) throw notValid(name);
  }

  /** Public, unless the operator asks for tokens of those who ask for tokens. */
  async function requireGuard(request: FaceRequest): Promise<void> {
    const { authTokenInfo = [] } = request.settings as ApiMakerSettings;
    if (request.isOwn || authTokenInfo.length === 0) return;
    await requireToken(request, USER_HEADER, { authTokenType: 'AM' });
    for (const info of authTokenInfo) {
      if (info.authTokenType === 'AM_DB') await requireToken(request, ROW_HEADER, info);
    }
  }

  /** The refresh token that comes with the answer says of the login what this one says. */
  async function renew(type: TokenRequest['type'], refreshToken: string) {
    const opened = await refreshJwts.open(refreshToken);
    if (opened?.claims.authTokenType !== type) {
      throw new ProofRejected({ reason: 'the refresh token is not from this server, or of another kind' });
    }
    const { [REQUEST_CLAIM]: request } = opened.claims;
    const question = { grantType: 'refresh_token', parameters: { refresh_token: refreshToken } };
    return { question, claims: defined({ [REQUEST_CLAIM]: request }) };
  }

  return {
    name: apiMaker.name,
    headers: [USER_HEADER, ROW_HEADER, 'x-am-secret', 'x-am-content-type-response'],
    grants: (own) => own.filter((grant) => ['password', 'database_user', 'refresh_token'].includes(grant)),
    fail: ({ status, description, error }) => ({
      success: false,
      statusCode: status,
      errors: [
        {
          message: error instanceof ProofRejected ? 'the user name or the password is wrong' : description,
          code: status,
          ...(error instanceof FieldRefused && { type: 'required', field: error.field }),
        },
      ],
    }),
    routes: {
      async [TOKEN_ROUTE](request, ask) {
        await requireGuard(request);
        const wanted = parseTokenRequest(request.body);
        const { ttl = TTL, refreshTtl = REFRESH_TTL } = request.settings;
        const { type, expiresIn = ttl } = wanted;
        const { question, claims } =
          'refreshToken' in wanted ? await renew(type, wanted.refreshToken) : wanted;
        const { answer } = await ask.token({
          ...question,
          token: {
            format: 'jwt',
            ttl: Math.min(ttl, expiresIn),
            loginTtl: refreshTtl,
            refreshClaims: () => ({ authTokenType: type, ...claims }),
          },
        });
        const { access_token: token, refresh_token, expires_in } = answer;
        const data = { token, ...defined({ refresh_token }), expires_in };
        return { success: true, statusCode: 200, data };
      },
    },
  };
}
