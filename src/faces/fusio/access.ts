/** Who may use a route: the bearer of a living token that came from this face and has the route's scope. */
import type { Users } from '../../directory/users.ts';
import { Refusal } from '../../http/refusal.ts';
import type { User } from '../../nouns/index.ts';
import type { TokenRow } from '../../storage/contract.ts';
import type { FaceRequest } from '../face.ts';

/** A person who is logged in. */
export interface Person {
  readonly user: User;
  readonly token: TokenRow;
}

const OUT_OF_SCOPE = 'Access to this operation is not in the scope of the provided token';

/** @throws Refusal 401 */
export async function requireToken(request: FaceRequest): Promise<TokenRow> {
  const header = request.header('authorization');
  if (header === '') throw new Refusal(401, 'Missing authorization header');
  if (header !== 'Bearer' && !header.startsWith('Bearer ')) {
    throw new Refusal(401, 'Invalid authorization type');
  }
  const token = request.bearer === undefined ? undefined : await request.findToken(request.bearer);
  if (!token) throw new Refusal(401, 'Invalid access token');
  return token;
}

/** @throws Refusal 401 */
export async function requireScope(request: FaceRequest, scope: string): Promise<TokenRow> {
  const token = await requireToken(request);
  if (!token.scope.split(' ').includes(scope)) throw new Refusal(401, OUT_OF_SCOPE);
  return token;
}

/**
 * A person who logged in with a password, as a user of this face and through its own application: the token of another
 * application does not allow it to give rights away. @throws Refusal 401
 */
export async function requirePerson(request: FaceRequest, users: Users): Promise<Person> {
  const token = await requireScope(request, 'consumer');
  const user = token.user === undefined ? undefined : await users.findBySubject(token.subject);
  const { id, realm } = request.client.application;
  if (user?.realm !== realm || token.application !== id) throw new Refusal(401, OUT_OF_SCOPE);
  return { user, token };
}
