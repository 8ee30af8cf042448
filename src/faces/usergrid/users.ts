/** Users of an application: made, read, removed, their passwords and tokens. */
import { userSubject } from '../../directory/subjects.ts';
import { PermissionsNotAllowed } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { User } from '../../nouns/index.ts';
import { hasPowerOverUser, hasPowerOverUsers } from '../../rights/power.ts';
import { ACT_FOR_USER } from '../../tokens/grants/act-for-user.ts';
import { type Ask, type FaceRequest, insteadOf } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { describeUser, type Envelope, toUserEntity } from './entities.ts';
import { insteadOfWrongLogin, noAccess, UsergridRefusal } from './errors.ts';
import { type Answers, authorFor, type Principal, type Principals } from './principals.ts';
import { findInQuery, parseNewUser, parsePasswordChange, parseTtl, parseUserQuery } from './requests.ts';
import { findUserOf, lifetimeOf } from './tokens.ts';

/** Seconds: of a token that is asked for only to see whether a password is right. */
const PROOF_TTL = 1;

interface Target {
  readonly principal: Principal;
  readonly user: User;
  readonly isSelf: boolean;
}

export function createUserRoutes(deps: FaceParts, principals: Principals) {
  const { users, revocations, world } = deps;

  /** The user that the path names, for themselves and their administrators. Other callers do not learn who exists. */
  async function requireTarget(request: FaceRequest, principal: Principal): Promise<Target> {
    const { user: name = '' } = request.params;
    const { id, realm } = request.client.application;
    const isUser = principal.kind === 'user' && principal.row.application === id;
    if (name === 'me' && isUser) return { principal, user: principal.user, isSelf: true };
    const isOver = hasPowerOverUsers(principal, request.client.application);
    const found = isUser || isOver ? await findUserOf(realm, name, users) : undefined;
    const isSelf = isUser && found?.id === principal.user.id;
    if (!isSelf && !isOver) throw new UsergridRefusal('unauthorized');
    if (!found) throw new UsergridRefusal('service_resource_not_found');
    return { principal, user: found, isSelf };
  }

  const target = async (request: FaceRequest, ask: Ask): Promise<Target> =>
    requireTarget(request, await principals.require(request, ask));

  /** A caller cannot take over, or remove, a user who may do more. */
  async function changedTarget(request: FaceRequest, ask: Ask): Promise<Target> {
    const found = await target(request, ask);
    const { user, principal, isSelf } = found;
    const mayChange = isSelf || (await hasPowerOverUser(principal, request.client.application, user, world));
    if (!mayChange) throw new UsergridRefusal('unauthorized');
    return found;
  }

  async function requireSelf(request: FaceRequest, ask: Ask): Promise<Target> {
    const principal = await principals.require(request, ask);
    if (principal.kind !== 'administrator') throw noAccess();
    const { user: name = '' } = request.params;
    const isSelf = name === 'me' || (await findUserOf('management', name, users))?.id === principal.user.id;
    if (!isSelf) throw new UsergridRefusal('unauthorized');
    return { principal, user: principal.user, isSelf };
  }

  const entities = (action: Envelope['action'], people: readonly User[]): Envelope => ({
    action,
    path: '/users',
    entities: people.map(toUserEntity),
  });

  async function requireOldPassword({ username }: User, password: string | undefined, ask: Ask) {
    const wrong = () => new UsergridRefusal('auth_invalid_username_or_password');
    if (password === undefined) throw wrong();
    const proof = { grantType: 'password', parameters: { username, password }, token: { ttl: PROOF_TTL } };
    await ask.token(proof).catch(insteadOfWrongLogin(wrong));
  }

  /** Bounded by the rights of both; it says in `act` who asked. */
  async function findTokenFor(user: User, { row }: Principal, seconds: number, ask: Ask) {
    const unauthorized = () => new UsergridRefusal('unauthorized');
    const { answer } = await ask
      .token({
        grantType: ACT_FOR_USER,
        subject: { kind: 'access token', row },
        parameters: { requested_subject: userSubject(user) },
        token: { ttl: seconds },
      })
      .catch(insteadOf(PermissionsNotAllowed, unauthorized))
      .catch(insteadOfWrongLogin(unauthorized));
    return { access_token: answer.access_token, expires_in: answer.expires_in };
  }

  async function endAll({ user, principal }: Target, request: FaceRequest) {
    await revocations.revokeAllOf(user, authorFor(principal, request));
    return { action: 'revoked user tokens' };
  }

  /** Of whatever door, as when all are ended. What has ended already need not be; what is another's is refused. */
  async function endOne({ user, principal }: Target, request: FaceRequest, action: string) {
    const token = findInQuery(request, 'token');
    if (token === undefined) throw new UsergridRefusal('illegal_argument', 'token is required');
    const row = await deps.presentedTokens.findAccessToken(token);
    // A refresh token is its login: to end it is to end all that came from it.
    const login = row ? undefined : await deps.findLogin(token);
    const found = row ?? login;
    const isOwn = found?.user === user.id && found.organization === request.organization.id;
    if (found && !isOwn) throw new UsergridRefusal('unauthorized');
    const author = authorFor(principal, request);
    if (row) await revocations.revokeToken(row, author);
    if (login) await revocations.revokeLogin(login, author);
    return { action };
  }

  return {
    async create(request, ask) {
      const principal = await principals.find(request, ask);
      const wanted = parseNewUser(request.body);
      const { application } = request.client;
      if (!principal || !hasPowerOverUsers(principal, application)) {
        // A stranger registers with a password, which is useless where the application does not have password logins.
        const takesStrangers = request.settings.registration && application.grants.includes('password');
        if (!takesStrangers) throw principal ? new UsergridRefusal('unauthorized') : noAccess();
        if (wanted.password === undefined)
          throw new UsergridRefusal('illegal_argument', 'password is required');
        // No faster than anywhere else.
        await deps.limitRegistration(request.address);
      }
      const user = await deps.register({ application, ...wanted, author: authorFor(principal, request) });
      return entities('post', [user]);
    },

    /** Those that a query names. */
    async find(request, ask) {
      const principal = await principals.require(request, ask);
      const { application } = request.client;
      if (!hasPowerOverUsers(principal, application)) throw new UsergridRefusal('unauthorized');
      const names = parseUserQuery(findInQuery(request, 'ql'));
      const found = await Promise.all(names.map((name) => findUserOf(application.realm, name, users)));
      const people = new Map(found.flatMap((user) => (user ? [[user.id, user] as const] : [])));
      return entities('get', [...people.values()]);
    },

    read: async (request, ask) => entities('get', [(await target(request, ask)).user]),

    async remove(request, ask) {
      const { user, principal, isSelf } = await changedTarget(request, ask);
      if (isSelf) throw new UsergridRefusal('unauthorized');
      await deps.removeUser(user, authorFor(principal, request));
      return entities('delete', [user]);
    },

    async readToken(request, ask) {
      const seconds = lifetimeOf(parseTtl(findInQuery(request, 'ttl')), 'users', request);
      const principal = await principals.require(request, ask);
      if (principal.kind === 'user') throw new UsergridRefusal('unauthorized', undefined, { status: 403 });
      const { user } = await requireTarget(request, principal);
      const token = await findTokenFor(user, principal, seconds, ask);
      return { ...token, user: describeUser(user) };
    },

    async setPassword(request, ask) {
      const { user, isSelf, principal } = await changedTarget(request, ask);
      const { old, wanted } = parsePasswordChange(request.body);
      if (isSelf) await requireOldPassword(user, old, ask);
      // A login with the old one may have written it anew.
      const current = await users.find(user.id);
      if (!current) throw new UsergridRefusal('service_resource_not_found');
      // The old password that was shown may not be the user's any more.
      if (isSelf && current.passwordChangedAt !== user.passwordChangedAt) {
        throw new Refusal(409, 'the password was changed meanwhile, try again');
      }
      await deps.passwordChange({
        user: current,
        newPassword: wanted,
        minLength: request.client.application.minPasswordLength,
        queue: request.organization.id,
        author: authorFor(principal, request),
      });
      return { action: 'set user password' };
    },

    revokeTokens: async (request, ask) => endAll(await target(request, ask), request),
    revokeToken: async (request, ask) => endOne(await target(request, ask), request, 'revoked user token'),
    /** Of an administrator, by themselves. */
    revokeOwnTokens: async (request, ask) => endAll(await requireSelf(request, ask), request),
    revokeOwnToken: async (request, ask) =>
      endOne(await requireSelf(request, ask), request, 'revoked user tokens'),
  } satisfies Answers;
}
