/**
 * Usergrid's token endpoints. Which principal logs in is told by the URL and the grant: users of the application and
 * administrators with a password, each in their own realm and never in the other's, applications and organizations
 * with an id and a secret.
 */

import type { Users } from '../../directory/users.ts';
import { isNounId, type Realm } from '../../nouns/index.ts';
import type { Ask, FaceRequest, TokenQuestion } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { describeAdministrator, describeOrganization, describeUser } from './entities.ts';
import { throwGrantRefused, UsergridRefusal, wrongLogin } from './errors.ts';
import { toCredentialsQuestion } from './principals.ts';
import { parseTokenBody, parseTokenQuery, type TokenFields } from './requests.ts';

/** Seconds. */
const USUAL_TTL = 3_600;
const LONGEST_TTL = 7 * 86_400;

/** Whose endpoint it is: undefined for that of an application. */
type Tree = 'management' | undefined;

/**
 * @param ttl milliseconds, as it was asked for
 * @param whose token it is: the operator may say how long those of an application's users live
 * @returns seconds
 * @throws UsergridRefusal beyond the longest
 */
export function lifetimeOf(
  ttl: number | undefined,
  whose: 'users' | 'others',
  { settings, client }: FaceRequest,
): number {
  const own = whose === 'users' ? client.application.userTokenTtl : undefined;
  const longest = own ?? LONGEST_TTL;
  if (ttl === undefined) return own ?? settings.ttl ?? USUAL_TTL;
  if (ttl === 0) return longest;
  if (ttl > longest * 1000) {
    const text = `Your token age cannot be more than the maximum age of ${longest * 1000} milliseconds`;
    throw new UsergridRefusal('illegal_argument', text);
  }
  return Math.max(1, Math.floor(ttl / 1000));
}

/** By name, email address, or id. @returns undefined as well for an id of another realm */
export async function findUserOf(realm: Realm, name: string, users: Pick<Users, 'find' | 'findByLogin'>) {
  const id = name.toLowerCase();
  const user = isNounId(id) ? await users.find(id) : undefined;
  return user?.realm === realm ? user : users.findByLogin(realm, name);
}

export function createTokenRoutes({ users, findAdministrators }: FaceParts) {
  /** @throws GrantRefused */
  async function askFor(question: TokenQuestion, ask: Ask) {
    const { row, answer } = await ask.token(question).catch(throwGrantRefused);
    return { row, head: { access_token: answer.access_token, expires_in: answer.expires_in } };
  }

  async function logIn({ username, password, ttl }: TokenFields, tree: Tree, request: FaceRequest, ask: Ask) {
    const { client, settings, organization, view } = request;
    const seconds = lifetimeOf(ttl, tree ? 'others' : 'users', request);
    if (username === undefined || password === undefined) throw wrongLogin('a field is missing');
    if (tree && !settings.administrators) throw wrongLogin('administrators may not log in here');
    const realm = tree ?? client.application.realm;
    const named = isNounId(username.toLowerCase()) ? await findUserOf(realm, username, users) : undefined;
    const parameters = { username: named?.username ?? username, password };
    const proof = { grantType: 'password', parameters, realm: tree };
    const { row, head } = await askFor({ ...proof, token: { ttl: seconds } }, ask);
    const user = await users.find(row.user ?? '');
    if (!user) throw wrongLogin('the user is gone');
    if (!tree) return { ...head, user: describeUser(user) };
    const applications = await view.findApplications(organization.id);
    return { ...head, user: describeAdministrator(user, organization, applications) };
  }

  async function authenticate({ credentials, ttl }: TokenFields, tree: Tree, request: FaceRequest, ask: Ask) {
    const { organization, view } = request;
    const seconds = lifetimeOf(ttl, 'others', request);
    if (!credentials) throw wrongLogin('a field is missing');
    const question = tree
      ? { as: credentials, grantType: 'client_credentials' }
      : await toCredentialsQuestion(credentials, request);
    const { row, head } = await askFor({ ...question, token: { ttl: seconds } }, ask);
    const active = await view.findApplicationById(row.application);
    if (!active?.application.isOrganization) return { ...head, application: row.application };
    const [applications, administrators] = await Promise.all([
      view.findApplications(organization.id),
      findAdministrators(organization),
    ]);
    return { ...head, organization: describeOrganization(organization, applications, administrators) };
  }

  return (tree?: 'management') => {
    const answering = (parse: typeof parseTokenBody) => async (request: FaceRequest, ask: Ask) => {
      const fields = parse(request);
      if (fields.grantType === 'password') return logIn(fields, tree, request, ask);
      if (fields.grantType === 'client_credentials') return authenticate(fields, tree, request, ask);
      throw wrongLogin('the grant type is missing or unknown');
    };
    return { GET: answering(parseTokenQuery), POST: answering(parseTokenBody) };
  };
}
