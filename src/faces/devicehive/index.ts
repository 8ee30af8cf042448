/**
 * DeviceHive's auth service: pairs of JWTs that say which actions their bearer may do, on which networks and device
 * types. A pair that is made with an access token hangs below the login of that token, and may no more than it: the
 * original lets every user make a pair for every other.
 */
import { userSubject } from '../../directory/subjects.ts';
import { isActive } from '../../directory/users.ts';
import { ProofRejected } from '../../errors/domain.ts';
import type { User } from '../../nouns/index.ts';
import { isJsonObject } from '../../permissions/json.ts';
import type { TokenRow } from '../../storage/contract.ts';
import { LONGEST_TOKEN } from '../../tokens/expiry.ts';
import type { IssuedAccess } from '../../tokens/grant.ts';
import { DERIVED_LOGIN } from '../../tokens/grants/derived-login.ts';
import { type Ask, type Face, type FaceRequest, insteadOf, Reply } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { deviceHive } from './declaration.ts';
import { isLetIn, mayRefresh } from './device-rights.ts';
import { ACCESS_DENIED, DeviceHiveRefusal, toFailure, UNAUTHORIZED, unauthorized } from './errors.ts';
import {
  parseLogin,
  parsePair,
  parsePluginPair,
  parseRefresh,
  toDeviceAccess,
  type WantedPair,
  withinTheirs,
} from './requests.ts';
import type { DeviceHiveSettings } from './settings.ts';
import { ACCESS, actionIdsOf, findTopic, mayDo, readRefreshClaims, tokensFor } from './tokens.ts';

/** The version whose API this is. */
const API_VERSION = '3.4.5';
/** The check of the original is lenient about spacing. */
const BEARER = /^Bearer\s*([A-Za-z0-9._~+/-]+=*)$/;

/** UTC without the letter that says so. @param at milliseconds */
const toDateTime = (at: number): string => new Date(at).toISOString().slice(0, -1);

/** A living token, and whose it is. */
interface Caller {
  readonly row: TokenRow;
  readonly user: User;
}

const created = ({ answer }: IssuedAccess): Reply =>
  new Reply(201, { accessToken: answer.access_token, refreshToken: answer.refresh_token });

export function createFace({ issuer, users, presentedTokens, refreshJwts, now }: FaceParts): Face {
  /** At least one: tokens end with a second. @param time milliseconds */
  function secondsUntil(time: number): number {
    return Math.max(1, Math.floor(time / 1000) - Math.floor(now() / 1000));
  }

  /** Whether it is a JWT that this server signed as an access token, of whatever API; it may have ended. */
  async function isSigned(token: string): Promise<boolean> {
    const presented = await presentedTokens.identify(token);
    return presented.kind === 'access token' && presented.format === 'jwt';
  }

  /** A name that an administrator of the organization has is looked for among them, and nowhere else. */
  async function realmOf(login: string, request: FaceRequest) {
    if (!request.settings.administrators) return undefined;
    const administrator = await users.findByLogin('management', login);
    return administrator && isLetIn(administrator, request.organization) ? 'management' : undefined;
  }

  async function requireCaller(request: FaceRequest, action: string): Promise<Caller> {
    const token = BEARER.exec(request.header('authorization'))?.[1] ?? '';
    const row = await request.findToken(token);
    const user = row && (await users.findBySubject(row.subject));
    // A plugin's token goes to the operator of the plugin, who is not its creator.
    if (!row?.devices || !user || findTopic(token) !== undefined || !isLetIn(user, request.organization)) {
      const isOver = await presentedTokens.hasExpired(token);
      throw new DeviceHiveRefusal(401, isOver ? 'Token expired' : UNAUTHORIZED);
    }
    if (!mayDo(row, action)) throw new DeviceHiveRefusal(403, ACCESS_DENIED);
    return { row, user };
  }

  /** Only a caller who may do everything learns which numbers exist. */
  async function requireTarget(userId: number, { row, user }: Caller, { client }: FaceRequest) {
    if (userId === user.number) return user;
    if (!row.devices?.actions.includes('*')) throw new DeviceHiveRefusal(403, ACCESS_DENIED);
    const target = await users.findNumber(userId);
    if (target?.realm !== client.application.realm) {
      throw new DeviceHiveRefusal(404, `User with id = ${userId} not found`);
    }
    if (!isActive(target)) throw new DeviceHiveRefusal(403, 'User is locked or disabled');
    return target;
  }

  async function createPair(
    { row }: Caller,
    target: User,
    { devices, expiresAt, refreshExpiresAt }: WantedPair,
    { settings }: FaceRequest,
    ask: Ask,
    isOfPlugin = false,
  ): Promise<Reply> {
    const realm = target.realm === 'management' ? target.realm : undefined;
    const tokens = tokensFor(settings, realm, isOfPlugin);
    const issued = await ask.token({
      grantType: DERIVED_LOGIN,
      subject: { kind: 'access token', row },
      parameters: { requested_subject: userSubject(target) },
      asked: { devices: toDeviceAccess(devices) },
      devices: true,
      token: {
        ...tokens,
        ttl: expiresAt === undefined ? tokens.ttl : Math.min(secondsUntil(expiresAt), LONGEST_TOKEN),
        ...(refreshExpiresAt !== undefined && { loginTtl: secondsUntil(refreshExpiresAt) }),
      },
      realm,
    });
    return created(issued);
  }

  return {
    name: deviceHive.name,
    alsoBelow: ['/dh/rest'],
    slashAtEnd: true,
    challenge: 'Bearer',
    isFor: (path, body) => !/^\/token\/?$/.test(path) || (isJsonObject(body) && Object.hasOwn(body, 'login')),
    origins: 'any',
    headers: ['Origin', 'Accept', 'Auth-DeviceID', 'Auth-DeviceKey'],
    fail: toFailure,
    grants: (own) => [
      ...own.filter((grant) => grant === 'password' || grant === 'refresh_token'),
      ...(own.includes('password') ? ['derived_login'] : []),
    ],
    routes: {
      async 'GET /info'({ settings }) {
        return {
          apiVersion: API_VERSION,
          serverTimestamp: toDateTime(now()),
          webSocketServerUrl:
            (settings as DeviceHiveSettings).webSocketUrl ?? `${issuer.replace(/^http/, 'ws')}/dh/websocket`,
        };
      },

      async 'POST /token'(request, ask) {
        const { login, password } = parseLogin(request.body);
        const realm = await realmOf(login, request);
        const proof = { grantType: 'password', parameters: { username: login, password } };
        const token = tokensFor(request.settings, realm);
        return created(await ask.token({ ...proof, devices: true, token, realm }));
      },

      async 'POST /token/create'(request, ask) {
        const caller = await requireCaller(request, 'ManageToken');
        const wanted = parsePair(request.body, now());
        const target = await requireTarget(wanted.userId, caller, request);
        const devices = target.id === caller.user.id ? wanted.devices : withinTheirs(wanted.devices);
        return createPair(caller, target, { ...wanted, devices }, request, ask);
      },

      async 'POST /token/refresh'(request, ask) {
        const refreshToken = parseRefresh(request.body);
        const opened = await refreshJwts.open(refreshToken);
        const facts = opened && readRefreshClaims(opened.claims);
        if (!facts) {
          const isAccess =
            (await request.findToken(refreshToken)) ?? (await presentedTokens.hasExpired(refreshToken));
          if (isAccess) throw new DeviceHiveRefusal(401, 'Invalid token type');
          throw unauthorized('no refresh token of this API');
        }
        if (facts.expiresAt <= now()) throw new DeviceHiveRefusal(401, 'Token has expired');
        if (!(await mayRefresh(facts, request.organization, users))) {
          throw unauthorized('administrator or plugin whose access has ended');
        }
        const { answer } = await ask
          .token({
            grantType: 'refresh_token',
            parameters: { refresh_token: refreshToken },
            devices: true,
            token: tokensFor(request.settings, facts.realm, facts.topic !== undefined),
            realm: facts.realm,
          })
          .catch(insteadOf(ProofRejected, ({ message }) => unauthorized(message)));
        return new Reply(201, { accessToken: answer.access_token });
      },

      async 'POST /token/plugin/create'(request, ask) {
        const caller = await requireCaller(request, 'ManagePlugin');
        const { topic, ...wanted } = parsePluginPair(request.body, now());
        const { plugins = [] } = request.settings as DeviceHiveSettings;
        const plugin = plugins.find((known) => known.topic === topic);
        if (!plugin) throw new DeviceHiveRefusal(403, 'No permisions or invalid topic name');
        if (plugin.creator !== caller.user.id) {
          throw new DeviceHiveRefusal(403, `User with id ${caller.user.number} is not a plugin creator`);
        }
        return createPair(caller, caller.user, wanted, request, ask, true);
      },

      async 'GET /token/plugin/authenticate'(request) {
        const token = request.query.get('token') ?? '';
        if (token === '') throw new DeviceHiveRefusal(401, 'Token is empty');
        const row = await request.findToken(token);
        // Without its topic a plugin's token has ended.
        const topic = row || (await isSigned(token)) ? findTopic(token) : undefined;
        const { plugins = [] } = request.settings as DeviceHiveSettings;
        const isGone = topic !== undefined && !plugins.some((known) => known.topic === topic);
        if (isGone || (row && topic === undefined)) throw new DeviceHiveRefusal(401, 'Plugin is not found');
        if (!row) {
          if (await presentedTokens.hasExpired(token)) throw new DeviceHiveRefusal(401, 'Token has expired');
          const isRefresh = (await refreshJwts.open(token)) !== undefined;
          throw new DeviceHiveRefusal(401, isRefresh ? 'Invalid token type' : 'Token is not valid');
        }
        return { a: actionIdsOf(row), e: toDateTime(row.expiresAt), t: ACCESS, tpc: topic };
      },
    },
  };
}
